"""Texts to batches: read, check, audit, split, tokenize once, group by length."""

from kerasft.data.auditing import AuditReport, Finding, audit
from kerasft.data.batches import Batches
from kerasft.data.class_weights import class_weights
from kerasft.data.examples import Examples
from kerasft.data.length_grouped_batches import LengthGroupedBatches
from kerasft.data.preprocessor import Preprocessor
from kerasft.data.readers import read_csv, read_jsonl
from kerasft.data.sample_weights import sample_weights
from kerasft.data.tf_datasets import from_tf_dataset

__all__ = [
    "AuditReport",
    "Batches",
    "Examples",
    "Finding",
    "LengthGroupedBatches",
    "Preprocessor",
    "audit",
    "class_weights",
    "from_tf_dataset",
    "read_csv",
    "read_jsonl",
    "sample_weights",
]
