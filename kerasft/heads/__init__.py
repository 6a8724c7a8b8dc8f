"""What is put on top of a backbone: heads, and the pooling that they share."""

from kerasft.heads.classification_head import ClassificationHead
from kerasft.heads.head import Head
from kerasft.heads.pooling import Pooling
from kerasft.heads.regression_head import RegressionHead

__all__ = ["ClassificationHead", "Head", "Pooling", "RegressionHead"]
