"""What runs a model for the user."""

from kerasft.tuning.evaluate import evaluate

__all__ = ["evaluate"]
