"""`ClassificationHead`: from a backbone's features to classes."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_bool, check_int, fail
from kerasft.heads._dense_head import DenseHead, check_activation, make_loss
from kerasft.heads._reading import as_probabilities, check_temperature, check_threshold


@keras.saving.register_keras_serializable(package="kerasft")
class ClassificationHead(DenseHead):
    """Pooling, optional hidden layers with dropout, and one logit per class.

    Three kinds of task: several classes that exclude each other (`num_classes=3`, labels 0, 1 or
    2), one logit for two classes (`num_classes=1`, labels 0 or 1), and several labels at once
    (`multi_label=True`, labels of shape `(batch, num_classes)`, each 0 or 1). The outputs are
    logits, as in KerasHub, unless `activation` makes them probabilities.

    A head carries how its outputs are to be read: a temperature, by which logits are divided, and
    the threshold above which a label holds. They say nothing in training: outputs, loss and metrics
    are the same with and without them. `probabilities`, `decode` and `kerasft.evaluate` go by them.
    Both may be set at any time, and are saved in the config of the model (a `.keras` file; not in
    a file of weights alone).

    Args:
        num_classes: number of classes; 1 stands for one logit between two classes.
        pooling: how tokens or places of an image become one vector: `"auto"`, `"first"`, `"last"`,
            `"mean"`, `"max"`, `"attention"` or `"none"` (an output per token); see
            `kerasft.heads.Pooling`.
        hidden_units: units of the hidden dense layers: `None`, a number, or one number per layer.
        hidden_activation: activation of the hidden layers.
        dropout: fraction of the inputs of each dense layer, in [0, 1), that is dropped in training.
        activation: `None` for logits; `"softmax"` for classes that exclude each other, `"sigmoid"`
            for one logit or several labels.
        multi_label: whether an example may have several labels at once, or none.
        class_names: the classes' names in the order of their labels; two names where
            `num_classes=1`, that of label 0 first. They are saved with the model.
        feature: which of a backbone's several outputs is read; by default `"sequence_output"`,
            else `"pooled_output"`, else the only one.
        data_format: `"channels_last"` or `"channels_first"`, of images; Keras's setting by default.
        name: the layer's name.
        threshold: a label holds where its probability is above this, and class 1 of two likewise;
            one number per label where there are several. `None` stands for 0.5.
        temperature: what logits are divided by before they become probabilities; above 1 the
            head gets less sure. One number, or one per label where there are several. After Guo et
            al., "On Calibration of Modern Neural Networks", ICML 2017.
        **kwargs: `dtype` (float32 by default, see `Head`) and `trainable`.

    Call arguments:
        features: tensor of shape `(batch, features)`, `(batch, tokens, features)` or
            `(batch, height, width, channels)`, or a dict of such tensors.
        mask: padding mask of shape `(batch, tokens)`, or `None`.

    Returns:
        Tensor of shape `(batch, num_classes)`.

    Raises:
        ArgumentError: if an argument breaks its rule.

    Example:
        >>> import numpy as np
        >>> head = ClassificationHead(num_classes=1, hidden_units=64, dropout=0.3,
        ...                           activation="sigmoid", class_names=["bad", "good"])
        >>> tuple(head(np.ones((2, 5, 8))).shape)
        (2, 1)
        >>> head.decode([[0.9], [0.2]])
        ['good', 'bad']
        >>> head.threshold = 0.1
        >>> head.decode([[0.9], [0.2]])
        ['good', 'good']
    """

    def __init__(
        self,
        num_classes: int,
        pooling: str = "auto",
        hidden_units: int | Sequence[int] | None = None,
        hidden_activation: Any = "relu",
        dropout: float = 0.0,
        activation: Any = None,
        multi_label: bool = False,
        class_names: Sequence[str] | None = None,
        feature: str | None = None,
        data_format: str | None = None,
        name: str = "head",
        threshold: float | Sequence[float] | None = None,
        temperature: float | Sequence[float] = 1.0,
        **kwargs: Any,
    ) -> None:
        hint = "Two classes are 2, or 1 logit."
        num_classes = check_int("num_classes", num_classes, minimum=1, hint=hint)
        check_bool("multi_label", multi_label)
        _check_output_activation(activation, exclusive=num_classes > 1 and not multi_label)
        _check_class_names(class_names, num_classes, multi_label)
        super().__init__(
            (num_classes, "logits"),
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
        self.num_classes = num_classes
        self.multi_label = multi_label
        self.class_names = class_names
        self.threshold = threshold
        self.temperature = temperature

    @property
    def threshold(self) -> float | tuple[float, ...] | None:
        """The probability above which a label holds; `None` stands for 0.5."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: Any) -> None:
        self._threshold = check_threshold(value, self.num_classes, self.multi_label)

    @property
    def temperature(self) -> float | tuple[float, ...]:
        """What logits are divided by before they become probabilities."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: Any) -> None:
        self._temperature = check_temperature(value, self.num_classes, self.multi_label)

    @property
    def task(self) -> str:
        """`"binary"` for one logit, `"multilabel"`, or `"multiclass"`."""
        if self.multi_label:
            return "multilabel"
        return "binary" if self.num_classes == 1 else "multiclass"

    @property
    def from_logits(self) -> bool:
        """Whether the outputs are logits, and not probabilities."""
        return keras.activations.get(self.activation) is keras.activations.linear

    def default_loss(self, **options: Any) -> keras.losses.Loss:
        """The crossentropy that fits the outputs and the labels.

        Args:
            **options: what else that loss takes, such as `label_smoothing` for one logit or
                several labels. Keras's loss for classes given as numbers has no such argument.

        Returns:
            A new `keras.losses.BinaryCrossentropy`, or `SparseCategoricalCrossentropy` for classes
            that exclude each other.

        Raises:
            ArgumentError: if the loss does not take an option.
        """
        if self.task != "multiclass":
            loss = keras.losses.BinaryCrossentropy
            return make_loss(loss, options, from_logits=self.from_logits)
        hint = ""
        if "label_smoothing" in options:
            hint = (
                "Keras smooths one-hot labels only: give `compile` "
                f"keras.losses.CategoricalCrossentropy(from_logits={self.from_logits}, "
                f"label_smoothing={options['label_smoothing']}), metrics for one-hot labels, and "
                "labels from keras.utils.to_categorical."
            )
        loss = keras.losses.SparseCategoricalCrossentropy
        return make_loss(loss, options, hint, from_logits=self.from_logits)

    def default_metrics(self) -> list[keras.metrics.Metric]:
        """New metrics: the accuracy, under the name `accuracy`.

        It watches training, so it counts a probability above 0.5 whatever `threshold` says.
        """
        if self.task == "multiclass":
            return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        threshold = 0.0 if self.from_logits else 0.5
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=threshold)]

    def probabilities(self, outputs: Any) -> np.ndarray:
        """Turn the head's outputs into probabilities, at the head's temperature.

        Args:
            outputs: what the model puts out, of shape `(batch, num_classes)`.

        Returns:
            A float64 array of the same shape. One logit gives the probability of label 1.

        Raises:
            ArgumentError: if the outputs have another shape.
        """
        values = np.asarray(keras.ops.convert_to_numpy(outputs)).astype("float64")
        if values.ndim < 2 or values.shape[-1] != self.num_classes:
            fail("outputs", values.shape, f"of shape (batch, {self.num_classes})")
        return as_probabilities(
            values,
            self.temperature,
            from_logits=self.from_logits,
            exclusive=self.task == "multiclass",
        )

    def decode(
        self,
        outputs: Any,
        top: int | None = None,
        threshold: float | Sequence[float] | None = None,
    ) -> list:
        """Read the head's outputs as words.

        Args:
            outputs: what the model puts out, of shape `(batch, num_classes)`.
            top: how many classes to give for each example, with their probabilities, the likeliest
                first; `None` for the answer alone.
            threshold: a label holds where its probability is above this (not where it is equal,
                as in Keras's metrics and in reports); for two classes and for several labels. By
                default the head's own, or else 0.5.

        Returns:
            One entry per example: the class's name; with several labels a list of names; with
            `top` a list of (name, probability).

        Raises:
            ArgumentError: if the head has no class names, or an argument breaks its rule.
        """
        if self.class_names is None:
            fail("class_names", None, "given to the head", "Without them there are no words.")
        if top is not None:
            check_int("top", top, minimum=1)
            if threshold is not None:
                fail("threshold", threshold, "left out where classes are compared with each other")
        chosen = check_threshold(threshold, self.num_classes, self.multi_label)
        chosen = self.threshold if chosen is None else chosen
        return self._words(self.probabilities(outputs), top, 0.5 if chosen is None else chosen)

    def _words(self, probabilities: np.ndarray, top: int | None, threshold: Any) -> Any:
        if probabilities.ndim > 1:
            return [self._words(each, top, threshold) for each in probabilities]
        names = list(self.class_names or ())
        if top is not None:
            if self.task == "binary":
                probabilities = np.array([1 - probabilities[0], probabilities[0]])
            order = np.argsort(-probabilities, kind="stable")[:top]
            return [(names[index], float(probabilities[index])) for index in order]
        above = probabilities > np.asarray(threshold)
        if self.task == "multilabel":
            return [names[index] for index in np.flatnonzero(above)]
        # Of one logit, or of two classes, the last probability is that of class 1.
        return names[int(above[-1]) if self.num_classes < 3 else int(probabilities.argmax())]

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "multi_label": self.multi_label,
            "class_names": None if self.class_names is None else list(self.class_names),
            "threshold": _plain(self.threshold),
            "temperature": _plain(self.temperature),
        }


def _plain(value: float | tuple[float, ...] | None) -> float | list[float] | None:
    return list(value) if isinstance(value, tuple) else value


def _check_output_activation(activation: Any, exclusive: bool) -> None:
    fitting, task, hint = (
        ("softmax", "classes that exclude each other", "`multi_label=True` lets labels overlap.")
        if exclusive
        else ("sigmoid", "one logit or several labels", "A softmax makes classes exclude others.")
    )
    check_activation("activation", activation)
    functions = (keras.activations.linear, getattr(keras.activations, fitting))
    if keras.activations.get(activation) not in functions:
        fail("activation", activation, f"None (logits) or {fitting!r} for {task}", hint)


def _check_class_names(names: Any, num_classes: int, multi_label: bool) -> None:
    if names is None:
        return
    count = 2 if num_classes == 1 and not multi_label else num_classes
    if isinstance(names, str) or not isinstance(names, Sequence):
        fail("class_names", names, "a list of names, or None")
    if len(names) != count or not all(isinstance(name, str) for name in names):
        hint = "With one logit, label 0 comes first." if num_classes == 1 else ""
        fail("class_names", names, f"a list of {count} names for num_classes={num_classes}", hint)
    if len(set(names)) != count:
        fail("class_names", names, "a list of names that differ from each other")
