"""`TextClassifier`: a fine-tuned language model as a classifier of scikit-learn's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target

from kerasft.errors import ArgumentError, DataError
from kerasft.heads import ClassificationHead, Head
from kerasft.sklearn._arguments import check_arguments
from kerasft.sklearn._targets import check_targets, check_weights
from kerasft.sklearn._text_estimator import TextEstimator


class TextClassifier(ClassifierMixin, TextEstimator):
    """A pretrained backbone under a new head, fitted on texts and labels of any kind.

    For `GridSearchCV`, `cross_val_score`, `learning_curve`, `CalibratedClassifierCV`,
    `TunedThresholdClassifierCV`, `Pipeline` and whatever else takes a classifier. Texts come as a
    list, an array, a column, or a table of one column. Everything is checked when `fit` begins,
    before a backbone is loaded or a text is tokenized.

    *The frozen front runs once per text.* Estimators of one process share the backbone, which is
    loaded once and never changed, and the features of every text at the freeze boundary. So a grid
    over heads, rates and folds costs one pass of the backbone over the distinct texts; texts that
    are asked for later are added. What the boundary depends on (backbone, policy, pooling,
    `sequence_length`) has features of its own. A policy that trains something of the backbone
    starts every fit from the pretrained weights, in a copy of the backbone. With `n_jobs` each
    process has its own features; give a `cache_directory` to share those of earlier runs.

    *What a pickle holds* are the arguments and the weights that were trained, not the backbone: it
    is loaded again from its address. `model_` gives the whole as a Keras model.

    `keras.wrappers.SKLearnClassifier` is not its base, for that one takes matrices of numbers only,
    has no `predict_proba`, `class_weight` or `random_state`, hides what a grid would vary inside
    `model_kwargs`, and copies the whole model for each clone.

    Args:
        backbone: An address, as `kerasft.Backbone.from_preset` takes it; a `kerasft.Backbone`,
            which is copied; or a function without arguments that makes one.
        policy: A `kerasft.FreezePolicy` of one stage; None for `kerasft.TrainHead()`.
        sequence_length: The most tokens of a text.
        pooling: See `kerasft.ClassificationHead`.
        hidden_units: See `kerasft.ClassificationHead`.
        dropout: See `kerasft.ClassificationHead`.
        optimizer: The name of a Keras optimizer, or a function of `learning_rate`, and of `model`
            if it has such an argument, that gives one.
        learning_rate: The optimizer's rate, or a Keras schedule.
        epochs: How many epochs, at most.
        batch_size: Texts per batch.
        patience: Stop when the loss on held-out texts has not improved for so many epochs, and
            take the weights of the best one; None to train for all `epochs` on all texts.
        validation_fraction: The fraction of the texts that is held out for it.
        class_weight: `"balanced"`, a weight for each label in a dict, or None.
        share_features: Whether the features at the freeze boundary are shared. Without, every fit
            runs the backbone over its texts in each epoch.
        cache_directory: A folder where shared features outlive the process, or None.
        memory_budget: About how many bytes of shared features this process holds in memory; what
            was not used for the longest time goes first, and what one fit needs beyond that lies
            in temporary files.
        dtype: A dtype for a backbone that is given by its address, such as `"mixed_bfloat16"`.
        random_state: A number for the same result in each fit; None, or a `RandomState`, as
            everywhere in scikit-learn. What is drawn are the head's first weights, dropout, the
            order of the texts and which are held out.
        verbose: As in Keras's `fit`.

    Attributes:
        classes_: The labels, sorted, in the order of `predict_proba`'s columns.
        history_: For each metric of the fit, its values by epoch.

    Example:
        >>> import keras, kerasft, numpy as np
        >>> class Letters(kerasft.data.Preprocessor):
        ...     sequence_length, identity = 8, {"kind": "letters"}
        ...     def encode(self, texts):
        ...         return [np.frombuffer(text.ljust(8)[:8].encode(), "uint8") for text in texts]
        ...     def pad(self, encoded, length=None):
        ...         return np.stack(encoded)
        >>> def backbone():
        ...     ids = keras.Input((8,), dtype="int32")
        ...     x = keras.layers.Flatten()(keras.layers.Embedding(256, 4)(ids))
        ...     model = keras.Model(ids, x)
        ...     return kerasft.Backbone(model, make_preprocessor=lambda **kwargs: Letters())
        >>> texts, labels = ["good", "great", "bad", "dull"] * 4, ["+", "+", "-", "-"] * 4
        >>> classifier = kerasft.sklearn.TextClassifier(
        ...     backbone, learning_rate=0.1, batch_size=4, random_state=0)
        >>> classifier.fit(texts, labels).predict(["good", "dull"]).tolist()
        ['+', '-']
        >>> from sklearn.model_selection import GridSearchCV
        >>> search = GridSearchCV(classifier, {"dropout": [0.0, 0.1]}, cv=2)
        >>> float(search.fit(texts, labels).best_score_)
        1.0
    """

    classes_: np.ndarray

    def __init__(
        self,
        backbone: Any,
        *,
        policy: Any = None,
        sequence_length: int = 128,
        pooling: str = "auto",
        hidden_units: int | Sequence[int] | None = None,
        dropout: float = 0.0,
        optimizer: Any = "adamw",
        learning_rate: Any = 1e-3,
        epochs: int = 10,
        batch_size: int = 32,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        class_weight: Any = None,
        share_features: bool = True,
        cache_directory: Any = None,
        memory_budget: int = 2**31,
        dtype: Any = None,
        random_state: Any = None,
        verbose: Any = 0,
    ) -> None:
        self.backbone = backbone
        self.policy = policy
        self.sequence_length = sequence_length
        self.pooling = pooling
        self.hidden_units = hidden_units
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.class_weight = class_weight
        self.share_features = share_features
        self.cache_directory = cache_directory
        self.memory_budget = memory_budget
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "TextClassifier":  # noqa: N803
        """Train a new head, and what the policy trains below it, from the pretrained weights.

        Args:
            X: Texts: a list, an array, a column, or a table of one column.
            y: One label per text, of any kind that can be sorted: whole numbers, texts, bools.
            sample_weight: One weight per text, or None.

        Returns:
            The estimator itself.

        Raises:
            ArgumentError: An argument breaks its rule.
            DataError: Texts, labels or weights cannot be used.
        """
        check_arguments(self)
        self._head(2)
        texts = self._texts(X)
        labels = check_targets(y, len(texts))
        kind = type_of_target(labels)
        if kind not in ("binary", "multiclass"):
            raise DataError(
                f"`y` must hold one class per text. Received: Unknown label type: {kind!r}. For "
                "numbers to be predicted take a `TextRegressor`; for several labels per text "
                "`kerasft.ClassificationHead(multi_label=True)` in your own script."
            )
        classes, numbers = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise DataError(
                "`y` must hold at least two classes. Received: one class, "
                f"{classes.tolist()[0]!r}, for all {len(texts):,} texts."
            )
        weights = check_weights(sample_weight, len(texts))
        if self.class_weight is not None:
            try:
                by_class = compute_sample_weight(self.class_weight, labels)
            except (ValueError, TypeError) as error:
                raise ArgumentError(
                    "`class_weight` must be 'balanced', a dict with a weight for each label, or "
                    f"None. Received: class_weight={self.class_weight!r}: {error}"
                ) from error
            weights = check_weights(by_class * (1 if weights is None else weights), len(texts))
        self.classes_ = classes
        self._train(texts, numbers.astype("int32"), weights, numbers)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The likeliest label of each text of `X`, shape `(texts,)`."""
        numbers = self._outputs(X).argmax(axis=1)
        return self.classes_[numbers]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The probability of each class, shape `(texts, classes)`, in the order of `classes_`."""
        return self._ready().head.probabilities(self._outputs(X))  # type: ignore[attr-defined]

    def predict_log_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The logarithms of `predict_proba`."""
        return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> np.ndarray:  # noqa: N803
        """The logits, shape `(texts, classes)`.

        Of two classes, how much higher the second's is than the first's, shape `(texts,)`: above
        zero, where the second is the likelier.
        """
        logits = self._outputs(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def _make_head(self) -> Head:
        return self._head(len(self.classes_))

    def _head(self, num_classes: int) -> Head:
        return ClassificationHead(
            num_classes,
            pooling=self.pooling,
            hidden_units=self.hidden_units,
            dropout=self.dropout,
        )
