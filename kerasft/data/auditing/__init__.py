"""Look through a data set before it is used: copies, contradictions, classes, labels, lengths."""

from kerasft.data.auditing.audit import audit
from kerasft.data.auditing.audit_report import AuditReport
from kerasft.data.auditing.finding import Finding

__all__ = ["AuditReport", "Finding", "audit"]
