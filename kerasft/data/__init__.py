"""Texts to batches: read, check, split, tokenize once, group by length."""

from kerasft.data.batches import Batches
from kerasft.data.examples import Examples
from kerasft.data.length_grouped_batches import LengthGroupedBatches
from kerasft.data.preprocessor import Preprocessor
from kerasft.data.readers import read_csv, read_jsonl
from kerasft.data.tf_datasets import from_tf_dataset

__all__ = [
    "Batches",
    "Examples",
    "LengthGroupedBatches",
    "Preprocessor",
    "from_tf_dataset",
    "read_csv",
    "read_jsonl",
]
