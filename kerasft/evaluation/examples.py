"""The examples that a report speaks of: what was true, and what the model said."""

import dataclasses

import numpy as np

TASKS = ("binary", "multiclass", "multilabel", "regression")


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """Checked labels and probabilities of one task, in one shape per task.

    | task | `labels` | `probabilities` |
    |---|---|---|
    | `"binary"` | int64 `(examples,)`, 0 or 1 | `(examples,)`, of class 1 |
    | `"multiclass"` | int64 `(examples,)` | `(examples, classes)`, each row sums to one |
    | `"multilabel"` | int64 `(examples, classes)`, 0 or 1 | `(examples, classes)` |
    | `"regression"` | float64 `(examples, outputs)` | the predictions, in the same shape |

    Args:
        task: One of `"binary"`, `"multiclass"`, `"multilabel"` and `"regression"`.
        labels: What is true.
        probabilities: What the model said, float64.
        class_names: A name for each class, in the order of the columns; empty for a regression.
        threshold: A class counts as predicted where its probability is above this, as in Keras's
            metrics; one number per class for several labels. Not used for `"multiclass"`, where
            the most probable class is predicted, nor for a regression.

    Example:
        >>> import numpy as np
        >>> from kerasft.evaluation.examples import Examples
        >>> labels, probabilities = np.array([0, 1, 1]), np.array([0.2, 0.9, 0.4])
        >>> examples = Examples("binary", labels, probabilities, ("-", "+"))
        >>> examples.predictions
        array([0, 1, 0])
        >>> examples.correct
        array([ True,  True, False])
    """

    task: str
    labels: np.ndarray
    probabilities: np.ndarray
    class_names: tuple[str, ...] = ()
    threshold: float | tuple[float, ...] = 0.5

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """The number of classes; 0 for a regression."""
        return len(self.class_names)

    @property
    def predictions(self) -> np.ndarray:
        """What the model decided, in the shape of `labels`."""
        if self.task == "regression":
            return self.probabilities
        if self.task == "multiclass":
            return self.probabilities.argmax(axis=1)
        return (self.probabilities > np.asarray(self.threshold)).astype(np.int64)

    @property
    def correct(self) -> np.ndarray:
        """Whether each example was decided right (all of its labels, when it has several)."""
        right = self.predictions == self.labels
        return right if right.ndim == 1 else right.all(axis=1)

    @property
    def class_probabilities(self) -> np.ndarray:
        """A probability for every class, `(examples, classes)`, for a binary task too."""
        if self.task == "binary":
            return np.stack([1.0 - self.probabilities, self.probabilities], axis=1)
        return self.probabilities

    @property
    def membership(self) -> np.ndarray:
        """True where an example belongs to a class, `(examples, classes)`."""
        if self.task == "multilabel":
            return self.labels == 1
        return self.labels[:, None] == np.arange(self.classes)

    @property
    def losses(self) -> np.ndarray:
        """Each example's log loss in nats; its mean squared error for a regression.

        Probabilities of exactly 0 and 1 are moved in by the smallest float64 step, as
        scikit-learn does. Several labels give the mean over the labels, as Keras's binary
        cross-entropy does.
        """
        if self.task == "regression":
            return np.square(self.labels - self.probabilities).mean(axis=1)
        smallest = np.finfo(np.float64).eps
        of_class = np.clip(self.class_probabilities, smallest, 1.0 - smallest)
        if self.task == "multilabel":
            right = np.where(self.labels == 1, of_class, 1.0 - of_class)
            return -np.log(right).mean(axis=1)
        return -np.log(of_class[np.arange(len(self)), self.labels])
