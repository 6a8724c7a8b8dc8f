"""Contract checks for your own heads and policies: call one from a test of yours."""

from kerasft.testing.check_head import check_head
from kerasft.testing.check_policy import check_policy

__all__ = ["check_head", "check_policy"]
