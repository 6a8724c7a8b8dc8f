"""`RegressionHead`: from a backbone's features to numbers."""

from collections.abc import Sequence
from typing import Any

import keras

from kerasft._checks import check_int
from kerasft.heads._dense_head import DenseHead, make_loss


@keras.saving.register_keras_serializable(package="kerasft")
class RegressionHead(DenseHead):
    """Pooling, optional hidden layers, and one number or several per example.

    Args:
        num_outputs: how many numbers each example has.
        pooling: how tokens or places of an image become one vector: `"auto"`, `"first"`, `"last"`,
            `"mean"`, `"max"`, `"attention"` or `"none"`; see `kerasft.heads.Pooling`.
        hidden_units: units of the hidden dense layers: `None`, a number, or one number per layer.
        hidden_activation: activation of the hidden layers.
        dropout: fraction of the inputs of each dense layer, in [0, 1), that is dropped in training.
        activation: activation of the outputs, such as `"softplus"` for positive numbers; none by
            default.
        feature: which of a backbone's several outputs is read; by default `"sequence_output"`,
            else `"pooled_output"`, else the only one.
        data_format: `"channels_last"` or `"channels_first"`, of images; Keras's setting by default.
        name: the layer's name.
        **kwargs: `dtype` (float32 by default, see `Head`) and `trainable`.

    Call arguments:
        features: tensor of shape `(batch, features)`, `(batch, tokens, features)` or
            `(batch, height, width, channels)`, or a dict of such tensors.
        mask: padding mask of shape `(batch, tokens)`, or `None`.

    Returns:
        Tensor of shape `(batch, num_outputs)`.

    Raises:
        ArgumentError: if an argument breaks its rule.

    Example:
        >>> import numpy as np
        >>> tuple(RegressionHead(num_outputs=2)(np.ones((3, 5, 8))).shape)
        (3, 2)
    """

    def __init__(
        self,
        num_outputs: int = 1,
        pooling: str = "auto",
        hidden_units: int | Sequence[int] | None = None,
        hidden_activation: Any = "relu",
        dropout: float = 0.0,
        activation: Any = None,
        feature: str | None = None,
        data_format: str | None = None,
        name: str = "head",
        **kwargs: Any,
    ) -> None:
        num_outputs = check_int("num_outputs", num_outputs, minimum=1)
        super().__init__(
            (num_outputs, "outputs"),
            pooling=pooling,
            hidden_units=hidden_units,
            hidden_activation=hidden_activation,
            dropout=dropout,
            activation=activation,
            feature=feature,
            data_format=data_format,
            name=name,
            **kwargs,
        )
        self.num_outputs = num_outputs

    @property
    def task(self) -> str:
        """Always `"regression"`."""
        return "regression"

    def default_loss(self, **options: Any) -> keras.losses.Loss:
        """The mean squared error.

        Args:
            **options: what else `keras.losses.MeanSquaredError` takes, such as `reduction`.

        Returns:
            A new `keras.losses.MeanSquaredError`.

        Raises:
            ArgumentError: if it does not take an option.
        """
        return make_loss(keras.losses.MeanSquaredError, options)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """New metrics: the mean absolute error `mae` and the root mean squared error `rmse`."""
        return [
            keras.metrics.MeanAbsoluteError(name="mae"),
            keras.metrics.RootMeanSquaredError(name="rmse"),
        ]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "num_outputs": self.num_outputs}
