"""The body that the built-in heads share: pooling, then dense layers with dropout before each."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras.dtype_policies import DTypePolicyMap

from kerasft._checks import check_choice, check_int, check_number, did_you_mean, fail
from kerasft.heads.head import Head
from kerasft.heads.pooling import METHODS, Pooling, check_data_format


class DenseHead(Head):
    """Pooling, hidden dense layers and a last dense layer, with dropout before each dense layer.

    Args:
        last: number of units of the last dense layer, and its name.
        pooling: see `kerasft.heads.Pooling`.
        hidden_units: units of the hidden layers: `None`, a number, or one number per layer.
        hidden_activation: activation of the hidden layers.
        dropout: fraction of the inputs of each dense layer that is dropped in training.
        activation: activation of the last layer.
        feature: the name of the part that is read, where the backbone puts out a dict.
        data_format: see `kerasft.heads.Pooling`.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        last: tuple[int, str],
        *,
        pooling: str,
        hidden_units: int | Sequence[int] | None,
        hidden_activation: Any,
        dropout: float,
        activation: Any,
        feature: str | None,
        data_format: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pooling = check_choice("pooling", pooling, METHODS)
        widths = _check_hidden_units(hidden_units)
        self.hidden_units = hidden_units
        self.hidden_activation = check_activation("hidden_activation", hidden_activation)
        self.dropout = check_number("dropout", dropout, minimum=0, below=1)
        self.activation = check_activation("activation", activation)
        if feature is not None and not isinstance(feature, str):
            fail("feature", feature, "the name of one of the backbone's outputs, or None")
        self.feature = feature
        self.data_format = check_data_format(data_format)

        # Fixed names, so that the variables' paths are the same in every process.
        policy = self._policy_of
        self.pooling_layer = Pooling(
            pooling, self.data_format, dtype=policy("pooling"), name="pooling"
        )
        self.dropout_layers = [
            keras.layers.Dropout(dropout, dtype=policy(name), name=name)
            for name in (f"dropout_{number}" for number in range(len(widths) + 1))
        ]
        names = [*(f"hidden_{number}" for number in range(len(widths))), last[1]]
        activations = [*(self.hidden_activation for _ in widths), self.activation]
        self.dense_layers = [
            keras.layers.Dense(units, function, dtype=policy(name), name=name)
            for units, function, name in zip([*widths, last[0]], activations, names, strict=True)
        ]

    def build(self, features_shape: tuple[int | None, ...]) -> None:
        """Build the layers inside, so that a loaded head has its variables before it is called."""
        self.pooling_layer.build(features_shape)
        shape = self.pooling_layer.pooled_shape(features_shape)
        for dropout, dense in zip(self.dropout_layers, self.dense_layers, strict=True):
            dropout.build(shape)
            dense.build(shape)
            shape = dense.compute_output_shape(shape)

    def call(self, features: Any, mask: Any = None) -> Any:
        """Pool, then go through the dense layers."""
        hidden = self.pooling_layer(features, mask=mask)
        for dropout, dense in zip(self.dropout_layers, self.dense_layers, strict=True):
            hidden = dense(dropout(hidden))
        return hidden

    def pools_with(self) -> keras.layers.Layer | None:
        """The pooling layer, unless it learns, pools nothing, or a subclass has its own `call`."""
        own = type(self).call is not DenseHead.call
        return None if own or self.pooling in ("attention", "none") else self.pooling_layer

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The padding mask where there is one output per token, so that the loss leaves it out."""
        return self.pooling_layer.compute_mask(inputs, previous_mask)

    def uses(self, features: Mapping[str, Any]) -> Any:
        """The output named `feature`, or else the tokens' features, or else the pooled ones.

        Args:
            features: the backbone's outputs by name.

        Returns:
            One tensor.

        Raises:
            ArgumentError: if there is no such output, or none can be chosen.
        """
        if self.feature is not None:
            if self.feature not in features:
                fail(
                    "feature",
                    self.feature,
                    f"one of the backbone's outputs, {_listed(features)}",
                    did_you_mean(self.feature, features),
                )
            return features[self.feature]
        usual = [name for name in ("sequence_output", "pooled_output") if name in features]
        if not usual and len(features) != 1:
            fail(
                "feature",
                self.feature,
                f"given for this backbone, whose outputs are {_listed(features)}",
                "None of them is called 'sequence_output' or 'pooled_output'.",
            )
        return features[(usual or list(features))[0]]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, as far as all built-in heads share them."""
        widths = _check_hidden_units(self.hidden_units)
        return {
            **super().get_config(),
            "dtype": keras.dtype_policies.serialize(self._policy_with_quantization()),
            "pooling": self.pooling,
            "hidden_units": widths
            if isinstance(self.hidden_units, Sequence)
            else (widths[0] if widths else None),
            "hidden_activation": _serialize_activation(self.hidden_activation),
            "dropout": self.dropout,
            "activation": _serialize_activation(self.activation),
            "feature": self.feature,
            "data_format": self.data_format,
        }

    def _policy_of(self, layer_name: str) -> Any:
        """The dtype policy of a layer inside: the head's, unless it has one for this name."""
        policy = self.dtype_policy
        return policy[layer_name] if isinstance(policy, DTypePolicyMap) else policy

    def _policy_with_quantization(self) -> Any:
        """The head's policy, and that of each layer inside that `model.quantize` changed."""
        policy = self.dtype_policy
        if isinstance(policy, DTypePolicyMap):
            policy = policy.default_policy
        changed = {
            layer.name: layer.dtype_policy
            for layer in self.dense_layers
            if layer.quantization_mode is not None
        }
        return DTypePolicyMap(policy.name, changed) if changed else policy


def check_activation(name: str, value: Any) -> Any:
    """`value`, if Keras knows it as an activation: a name, a function, or its saved form."""
    try:
        keras.activations.get(value)
    except (TypeError, ValueError):
        known = [each for each in dir(keras.activations) if each.islower()]
        hint = did_you_mean(value, known)
        fail(name, value, "None, the name of a Keras activation, or a function", hint)
    return value


def make_loss(
    kind: type[keras.losses.Loss], options: Mapping[str, Any], hint: str = "", **fixed: Any
) -> keras.losses.Loss:
    """A loss of one kind with a user's further options, each of which it must know."""
    known = [name for name in inspect.signature(kind).parameters if name not in fixed]
    for name, value in options.items():
        if name in fixed:
            fail(name, value, "left out: it follows from the head's own arguments")
        if name not in known:
            rule = f"left out: {kind.__name__} takes {', '.join(known)}"
            fail(name, value, rule, hint or did_you_mean(name, known))
    return kind(**fixed, **options)


def _check_hidden_units(value: Any) -> list[int]:
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [check_int("hidden_units", units, minimum=1) for units in value]
    hint = "Give None for no hidden layer, or one number per layer."
    return [check_int("hidden_units", value, minimum=1, hint=hint)]


def _serialize_activation(value: Any) -> Any:
    return keras.activations.serialize(value) if callable(value) else value


def _listed(features: Mapping[str, Any]) -> str:
    return ", ".join(f"{name!r} {tuple(value.shape)}" for name, value in features.items())
