"""What a model says of a few validation examples."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a model says of a few validation examples, of which each has one class.

    Args:
        scores: One row of outputs per example, `(examples, classes)`: logits or probabilities. One
            column for a task of two classes with one output.
        labels: The class of each, `(examples,)`.
        threshold: For one column, the output above which the second class is called.
    """

    scores: np.ndarray
    labels: np.ndarray
    threshold: float = 0.5

    @property
    def called(self) -> np.ndarray:
        """The class that the model calls each example."""
        if self.scores.shape[1] == 1:
            return (self.scores[:, 0] > self.threshold).astype(int)
        return self.scores.argmax(axis=1)

    @property
    def most_called(self) -> tuple[int, float]:
        """The class called most, and its share of the examples."""
        counts = np.bincount(self.called)
        return int(counts.argmax()), float(counts.max() / counts.sum())

    def others(self, label: int) -> float:
        """The share of examples that are not of a class."""
        return float((self.labels != label).mean())

    def ranking(self, label: int) -> float:
        """How well the outputs tell the examples of a class from the rest.

        It is the area under the ROC curve: 0.5 is chance, and what constant outputs give.
        """
        if self.scores.shape[1] == 1:
            scores = self.scores[:, 0] if label else -self.scores[:, 0]
        else:
            scores = self.scores[:, label] - np.delete(self.scores, label, axis=1).max(axis=1)
        of_class, rest = scores[self.labels == label], scores[self.labels != label]
        if not of_class.size or not rest.size or not np.isfinite(scores).all():
            return 0.5
        above = (of_class[:, None] > rest).mean() + 0.5 * (of_class[:, None] == rest).mean()
        return float(above)
