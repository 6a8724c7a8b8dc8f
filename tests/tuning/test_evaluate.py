"""`kerasft.evaluate`: outputs become probabilities by what the model is, and rows stay paired."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasft.errors import ArgumentError, DataError, UnsupportedError
from kerasft.evaluation import evaluate_arrays
from kerasft.heads import ClassificationHead, Head, RegressionHead
from kerasft.tuning import evaluate

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 4)).astype("float32")
Y2, Y3 = RANDOM.integers(0, 2, 50), RANDOM.integers(0, 3, 50)
SETS = RANDOM.integers(0, 2, (50, 3))
SETS[:2] = [[1, 1, 0], [0, 0, 0]]


def sigmoid(z):
    return 1 / (1 + np.exp(-z.astype(float)))


def softmax(z):
    powers = np.exp(z.astype(float))
    return powers / powers.sum(axis=1, keepdims=True)


def with_head(head, body=4):
    inputs = keras.Input((body,))
    features = keras.layers.Dense(5, activation="tanh")(inputs)
    return keras.Model(inputs, head(features))


def dense(units, activation=None, loss=None):
    layers = [keras.Input((4,)), keras.layers.Dense(units, activation=activation)]
    model = keras.Sequential(layers)
    if loss is not None:
        model.compile(loss=loss)
    return model


def quick(model, data, **options):
    return evaluate(model, data, verbose=0, bootstrap=0, **options)


@pytest.mark.parametrize(
    ("head", "labels", "task", "as_probabilities"),
    [
        ({"num_classes": 1}, Y2, "binary", lambda z: sigmoid(z)[:, 0]),
        ({"num_classes": 1, "activation": "sigmoid"}, Y2, "binary", lambda z: z[:, 0]),
        ({"num_classes": 2}, Y2, "binary", lambda z: softmax(z)[:, 1]),
        ({"num_classes": 2, "activation": "softmax"}, Y2, "binary", lambda z: z[:, 1]),
        ({"num_classes": 3}, Y3, "multiclass", softmax),
        ({"num_classes": 3, "activation": "softmax"}, Y3, "multiclass", lambda z: z),
        ({"num_classes": 3, "multi_label": True}, SETS, "multilabel", sigmoid),
        (
            {"num_classes": 3, "multi_label": True, "activation": "sigmoid"},
            SETS,
            "multilabel",
            None,
        ),
        ({"num_classes": 3, "multi_label": True}, np.eye(3)[Y3], "multilabel", sigmoid),
    ],
)
def test_a_head_says_what_its_outputs_are(head, labels, task, as_probabilities):
    model = with_head(ClassificationHead(**head))
    report = quick(model, (X, labels))
    assert report.task == task
    outputs = model.predict(X, verbose=0)
    expected = outputs if as_probabilities is None else as_probabilities(outputs)
    assert report.probabilities == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(report.labels, labels)


def test_a_compiled_model_agrees_with_keras():
    head = ClassificationHead(num_classes=3)
    model = with_head(head)
    model.compile(loss=head.default_loss(), metrics=head.default_metrics())
    loss, accuracy = model.evaluate(X, Y3, verbose=0)
    report = quick(model, (X, Y3))
    assert report.metrics["accuracy"] == pytest.approx(accuracy)
    assert report.metrics["log_loss"] == pytest.approx(loss, rel=1e-5)


def test_a_regression_head():
    model = with_head(RegressionHead(num_outputs=2))
    labels = RANDOM.normal(size=(50, 2))
    report = quick(model, (X, labels))
    assert report.task == "regression"
    assert report.probabilities == pytest.approx(model.predict(X, verbose=0))


def test_a_head_under_another_layer_does_not_speak_for_it():
    inner = with_head(ClassificationHead(num_classes=3))
    model = keras.Model(inner.input, keras.layers.Softmax()(inner.output))
    report = quick(model, (X, Y3))
    assert report.probabilities == pytest.approx(model.predict(X, verbose=0), abs=1e-6)


def test_a_head_inside_nested_and_subclassed_models_is_found():
    inner = with_head(ClassificationHead(num_classes=3))
    inputs = keras.Input((4,))
    nested = keras.Model(inputs, inner(inputs))
    expected = quick(inner, (X, Y3)).probabilities
    assert quick(nested, (X, Y3)).probabilities == pytest.approx(expected)
    assert quick(keras.Sequential([keras.Input((4,)), inner]), (X, Y3)).probabilities == (
        pytest.approx(expected)
    )

    class Wrapped(keras.Model):
        def __init__(self):
            super().__init__()
            self.body, self.head = inner.layers[1], inner.layers[-1]

        def call(self, x):
            return self.head(self.body(x))

    assert quick(Wrapped(), (X, Y3)).probabilities == pytest.approx(expected)


@pytest.mark.parametrize(
    ("model", "labels", "task", "as_probabilities"),
    [
        (dense(1, "sigmoid"), Y2, "binary", lambda z: z[:, 0]),
        (dense(3, "softmax"), Y3, "multiclass", lambda z: z),
        (dense(3, "sigmoid"), SETS, "multilabel", lambda z: z),
        (dense(1, loss=keras.losses.BinaryCrossentropy(from_logits=True)), Y2, "binary", None),
        (
            dense(3, loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)),
            Y3,
            "multiclass",
            softmax,
        ),
        (dense(3, loss=keras.losses.BinaryCrossentropy(from_logits=True)), SETS, "multilabel", (
            sigmoid
        )),
        (dense(3, loss=[keras.losses.CategoricalCrossentropy(from_logits=True)]),
         np.eye(3)[Y3], "multiclass", softmax),
        (dense(3, "softmax", loss="sparse_categorical_crossentropy"), Y3, "multiclass", (
            lambda z: z
        )),
        (dense(1, loss="mse"), Y2 + 0.5, "regression", lambda z: z),
        (dense(2, loss=keras.losses.Huber()), X[:, :2], "regression", lambda z: z),
        (dense(1, "sigmoid", loss="mse"), Y2, "binary", lambda z: z[:, 0]),
    ],
)  # fmt: skip
def test_without_a_head_the_last_layer_and_the_loss_say_it(model, labels, task, as_probabilities):
    report = quick(model, (X, labels))
    assert report.task == task
    outputs = model.predict(X, verbose=0)
    expected = sigmoid(outputs)[:, 0] if as_probabilities is None else as_probabilities(outputs)
    assert report.probabilities == pytest.approx(expected, abs=1e-6)


def test_what_nobody_says_must_be_said():
    model = dense(3)
    with pytest.raises(DataError, match=r"pass from_logits=True if they are logits"):
        quick(model, (X, Y3))
    report = quick(model, (X, Y3), from_logits=True)
    assert report.probabilities == pytest.approx(softmax(model.predict(X, verbose=0)), abs=1e-6)
    with pytest.raises(DataError, match="These look like logits"):
        quick(model, (X, Y3), from_logits=False)
    assert quick(dense(1), (X, Y2), from_logits=True, task="binary").task == "binary"
    with pytest.raises(DataError, match=r"or task='regression'"):
        quick(dense(1), (X, 3 * Y2))
    assert quick(dense(1), (X, 3 * Y2), task="regression").task == "regression"
    assert quick(dense(1), (X, 3.5 * Y2)).task == "regression"


def test_probabilities_are_not_taken_for_logits():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.ops.softmax(keras.layers.Dense(3)(inputs)))
    assert quick(model, (X, Y3)).task == "multiclass"
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(DataError, match=r"already are probabilities.*check the loss"):
        quick(model, (X, Y3))
    assert quick(model, (X, Y3), from_logits=False).task == "multiclass"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("from_logits", [True, False, None])
@pytest.mark.parametrize("units", [1, 3])
def test_a_model_that_diverged_is_named(value, from_logits, units):
    model = dense(units)
    model.set_weights([np.zeros((4, units)), np.full(units, value)])
    labels = Y2 if units == 1 else Y3
    with pytest.raises(DataError, match=r"`outputs` must be finite numbers.*may have diverged"):
        quick(model, (X, labels), from_logits=from_logits, temperature=2.0)


def test_huge_logits_do_not_overflow():
    model = dense(1, loss=keras.losses.BinaryCrossentropy(from_logits=True))
    model.set_weights([np.full((4, 1), 1e6), np.zeros(1)])
    assert set(quick(model, (X, Y2)).probabilities) <= {0.0, 1.0}
    model = dense(3)
    model.set_weights([np.full((4, 3), 1e6) * [1, 2, 3], np.zeros(3)])
    assert np.isfinite(quick(model, (X, Y3), from_logits=True).probabilities).all()


class Batches(keras.utils.PyDataset):
    """Batches that come in another order in every pass, as an augmenting or shuffling one may."""

    def __init__(self, x=X, y=Y3, weighted=False):
        super().__init__()
        self.x, self.y, self.weighted, self.asked = x, y, weighted, 0

    def __len__(self):
        return 7

    def __getitem__(self, index):
        self.asked += 1
        rows = np.random.default_rng(self.asked).permutation(50)[:8]
        batch = self.x[rows], self.y[rows]
        return (*batch, np.ones(8)) if self.weighted else batch


def test_labels_and_outputs_stay_paired_whatever_the_order():
    """The label is the input, so that any mix-up shows as an error."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.ones((1, 1))])
    x = np.arange(50, dtype="float32")[:, None] + 0.5
    shuffled = tf.data.Dataset.from_tensor_slices((x, x)).shuffle(50).batch(7)
    for data in (
        shuffled,
        Batches(x, x),
        Batches(x, x, weighted=True),
        iter(shuffled),
        [(x[:3], x[:3]), (x[3:], x[3:])],
        (x, x),
    ):
        report = quick(model, data, task="regression")
        assert report.metrics["mean_absolute_error"] == 0.0
        assert len(report.examples) >= 50


class Grouped(keras.utils.PyDataset):
    """As `kerasft.data`'s batches: by length, with labels and texts in the order of predict."""

    def __init__(self, shuffle=False, labels=Y3, class_names=None):
        super().__init__()
        self.shuffle, self._labels, self.class_names = shuffle, labels, class_names
        self._order = RANDOM.permutation(50)

    def unshuffled(self):
        return Grouped(False, self._labels, self.class_names)

    @property
    def order(self):
        assert not self.shuffle
        return self._order

    @property
    def labels(self):
        return None if self._labels is None else self._labels[self.order]

    @property
    def texts(self):
        return [f"text {row}" for row in self.order]

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rows = self._order[10 * index : 10 * index + 10]
        return X[rows], Y3[rows]


@pytest.mark.parametrize("shuffle", [False, True])
def test_batches_by_length_come_back_in_the_order_of_the_data(shuffle):
    model = with_head(ClassificationHead(num_classes=3))
    expected = quick(model, (X, Y3))
    report = quick(model, Grouped(shuffle))
    assert np.array_equal(report.labels, Y3)
    assert report.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    assert all(mistake.input == f"text {mistake.index}" for mistake in report.mistakes)
    assert report.mistakes


@pytest.mark.parametrize("shuffle", [False, True])
def test_kerasft_data_in_any_order_and_padding(shuffle):
    from kerasft.data import LengthGroupedBatches

    sizes = RANDOM.integers(1, 9, 50)

    def collate(rows, length):
        """Each example's values, then zeros, which a maximum of positive numbers ignores."""
        x = np.zeros((len(rows), length, 4), "float32")
        for place, row in enumerate(rows):
            x[place, : sizes[row]] = np.abs(X[row])
        return x

    data = LengthGroupedBatches(
        collate, sizes, labels=Y3, texts=[f"text {row}" for row in range(50)], batch_size=8,
        shuffle=shuffle, class_names=["a", "b", "c"],
    )  # fmt: skip
    inputs = keras.Input((None, 4))
    pooled = keras.layers.GlobalMaxPooling1D()(inputs)
    model = keras.Model(inputs, ClassificationHead(num_classes=3)(pooled))
    expected = softmax(model.predict(collate(np.arange(50), 16), verbose=0))
    for each in (data, data.as_tf_data()) if not shuffle else (data,):
        report = quick(model, each)
        order = slice(None) if each is data else data.order
        assert np.array_equal(report.labels, Y3[order])
        assert report.probabilities == pytest.approx(expected[order], abs=1e-6)
    report = quick(model, data)
    assert report.class_names == ("a", "b", "c")
    assert all(mistake.input == f"text {mistake.index}" for mistake in report.mistakes)


def test_class_names_come_from_the_head_or_the_data_and_must_agree():
    named = with_head(ClassificationHead(num_classes=3, class_names=["a", "b", "c"]))
    unnamed = with_head(ClassificationHead(num_classes=3))
    assert quick(named, (X, Y3)).class_names == ("a", "b", "c")
    assert quick(unnamed, Grouped(class_names=["x", "y", "z"])).class_names == ("x", "y", "z")
    with pytest.raises(DataError, match="the same in the data as in the model's head"):
        quick(named, Grouped(class_names=["c", "b", "a"]))
    decided = quick(named, Grouped(class_names=["c", "b", "a"]), class_names=["1", "2", "3"])
    assert decided.class_names == ("1", "2", "3")
    labels = [["a", "b", "c"][label] for label in Y3]
    assert np.array_equal(quick(named, (X, labels)).labels, Y3)


class NeverRun(keras.layers.Layer):
    def call(self, x):
        raise AssertionError("predicted before the labels were checked")

    def compute_output_shape(self, shape):
        return shape


def test_labels_outside_the_classes_are_found_before_predicting():
    inputs = keras.Input((4,))
    outputs = ClassificationHead(num_classes=3)(NeverRun()(inputs))
    model = keras.Model(inputs, outputs)
    wrong = Y3.copy()
    wrong[7] = 3
    dataset = tf.data.Dataset.from_tensor_slices((X, wrong)).batch(50)
    for data in ((X, wrong), Grouped(labels=wrong), dataset, Batches(y=Y3 - 5)):
        with pytest.raises(DataError, match="`labels` must be whole numbers from 0 to 2"):
            quick(model, data)
    with pytest.raises(DataError, match="whole numbers where no class_names are given"):
        quick(model, (X, ["a"] * 50))
    with pytest.raises(ArgumentError, match="3 different strings"):
        quick(model, (X, Y3), class_names=["a", "b"])


def test_texts_are_attached_when_the_data_hold_some():
    class Length(keras.layers.Layer):
        """Two logits from the length of a text, in TensorFlow."""

        def call(self, texts):
            lengths = tf.cast(tf.strings.length(texts), "float32")
            return tf.stack([tf.zeros_like(lengths), lengths - 4.0], axis=-1)

    inputs = keras.Input((), dtype="string")
    model = keras.Model(inputs, Length()(inputs))
    texts, labels = ["a", "long text", "short", "b é"], [0, 1, 0, 1]
    dataset = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(3)
    for data in (dataset, (np.array(texts, dtype=object), labels)):
        report = quick(model, data, from_logits=True)
        found = {(mistake.index, mistake.input) for mistake in report.mistakes}
        assert found == {(2, "short"), (3, "b é")}
    report = quick(model, dataset, from_logits=True, inputs=["1", "2", "3", "4"])
    assert {mistake.input for mistake in report.mistakes} == {"3", "4"}


def test_options_reach_the_report():
    model = with_head(ClassificationHead(num_classes=1))
    trained = evaluate_arrays(Y2, Y2.astype(float), bootstrap=0)
    report = evaluate(
        model, (X, Y2), threshold=0.4, bootstrap=30, confidence=0.8, seed=4, worst=2,
        train_report=trained, verbose=0, batch_size=16,
    )  # fmt: skip
    assert (report.resamples, report.confidence, report.seed) == (30, 0.8, 4)
    assert report.examples.threshold == 0.4
    assert len(report.mistakes) == 2
    assert report.verdict("overfitting") is not None


def test_evaluation_changes_nothing():
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    before = [np.array(value) for value in model.get_weights()]
    first, second = quick(model, (X, Y2)), quick(model, (X, Y2))
    assert np.array_equal(first.probabilities, second.probabilities)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_a_progress_bar_for_streams(capsys):
    evaluate(dense(3, "softmax"), Batches(), verbose=1, bootstrap=0)
    assert "7/7" in capsys.readouterr().out


class Endless(Batches):
    num_batches = None


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "`data` must be batches from kerasft.data, a PyDataset, a tf.data.Dataset"),
        ({"x": X}, "`data` must be batches from"),
        ((X,), r"`data` must be \(inputs, labels\)"),
        ([X, Y3], r"made of \(inputs, labels\) batches"),
        ([], "at least one batch"),
        (tf.data.Dataset.from_tensor_slices((X, Y3)), r"wants .batch\(32\)"),
        (tf.data.Dataset.from_tensor_slices(X).batch(9), r"made of \(inputs, labels\) batches"),
        (tf.data.Dataset.from_tensor_slices((X, Y3)).batch(9).repeat(), "a data set that ends"),
        (Endless(), "a PyDataset with a number of batches"),
        (Grouped(labels=None), "batches with labels"),
        ((X, Y3[:-1]), "49 labels, 50 rows of probabilities"),
    ],
)
def test_data_that_cannot_be_evaluated(data, message):
    with pytest.raises(DataError, match=message):
        quick(dense(3, "softmax"), data)


def test_models_that_cannot_be_evaluated():
    inputs = keras.Input((4,))
    two = keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])
    with pytest.raises(UnsupportedError, match=r"has 2. Evaluate each by itself"):
        quick(two, (X, Y2))
    with pytest.raises(ArgumentError, match=r"`model` must be a keras\.Model"):
        quick("model", (X, Y2))
    with pytest.raises(ArgumentError, match="`from_logits` must be True or False"):
        quick(dense(1), (X, Y2), from_logits=1)
    with pytest.raises(ArgumentError, match="`task` must be one of"):
        quick(dense(1), (X, Y2), task="ranking")

    class Unsure(Head):
        def call(self, features):
            return features[:, :3]

    with pytest.raises(DataError, match="pass from_logits=True"):
        quick(with_head(Unsure()), (X, Y3))
