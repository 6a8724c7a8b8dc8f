"""`TextRegressor`: a fine-tuned language model as a regressor of scikit-learn's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin

from kerasft.errors import DataError
from kerasft.heads import Head, RegressionHead
from kerasft.sklearn._arguments import check_arguments
from kerasft.sklearn._targets import check_targets, check_weights
from kerasft.sklearn._text_estimator import TextEstimator


class TextRegressor(RegressorMixin, TextEstimator):
    """A pretrained backbone under a new head, fitted on texts and one number for each.

    It shares backbone and features as `TextClassifier` does, which see. A head starts near zero:
    where the numbers lie far from it, or spread wide, wrap the estimator in scikit-learn's
    `TransformedTargetRegressor(regressor, transformer=StandardScaler())`.

    Args:
        backbone: See `TextClassifier`, as for all that follows.
        policy: What trains.
        sequence_length: The most tokens of a text.
        pooling: See `kerasft.RegressionHead`.
        hidden_units: See `kerasft.RegressionHead`.
        dropout: See `kerasft.RegressionHead`.
        optimizer: A name, or a function of the rate.
        learning_rate: The optimizer's rate, or a Keras schedule.
        epochs: How many epochs, at most.
        batch_size: Texts per batch.
        patience: After how many epochs without improvement on held-out texts to stop, or None.
        validation_fraction: The fraction of the texts that is held out for it.
        share_features: Whether the features at the freeze boundary are shared.
        cache_directory: A folder where they outlive the process, or None.
        memory_budget: About how many bytes of them this process holds in memory.
        dtype: A dtype for a backbone that is given by its address.
        random_state: A number for the same result in each fit.
        verbose: As in Keras's `fit`.

    Attributes:
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
        >>> texts, numbers = ["good", "great", "bad", "dull"] * 4, [1.0, 1.0, -1.0, -1.0] * 4
        >>> regressor = kerasft.sklearn.TextRegressor(
        ...     backbone, learning_rate=0.1, batch_size=4, epochs=20, random_state=0)
        >>> bool(regressor.fit(texts, numbers).score(texts, numbers) > 0.9)
        True
    """

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
        self.share_features = share_features
        self.cache_directory = cache_directory
        self.memory_budget = memory_budget
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "TextRegressor":  # noqa: N803
        """Train a new head, and what the policy trains below it, from the pretrained weights.

        Args:
            X: Texts: a list, an array, a column, or a table of one column.
            y: One number per text.
            sample_weight: One weight per text, or None.

        Returns:
            The estimator itself.

        Raises:
            ArgumentError: An argument breaks its rule.
            DataError: Texts, numbers or weights cannot be used.
        """
        check_arguments(self)
        self._make_head()
        texts = self._texts(X)
        targets = check_targets(y, len(texts))
        if targets.dtype.kind not in "biuf":
            raise DataError(
                "`y` must hold one number per text. Received: "
                f"{targets.tolist()[0]!r} (of type {type(targets.tolist()[0]).__name__}) in row 0."
            )
        weights = check_weights(sample_weight, len(texts))
        self._train(texts, targets.astype("float32"), weights, None)
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """A number for each text of `X`, shape `(texts,)`."""
        return self._outputs(X)[:, 0]

    def _make_head(self) -> Head:
        return RegressionHead(
            pooling=self.pooling, hidden_units=self.hidden_units, dropout=self.dropout
        )
