"""Classes out: every task against NumPy, on backbones of every shape, saved and loaded."""

import inspect
import json
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from keras import ops

from kerasft.errors import ArgumentError
from kerasft.heads import ClassificationHead

NAMES = ["bad", "neutral", "good"]


def tiny_bert(**kwargs):
    import keras_hub

    return keras_hub.models.BertBackbone(
        vocabulary_size=100,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
        **kwargs,
    )


def texts(length=10, padding=0, count=4):
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 100, size=(count, length), dtype="int32")
    mask = (np.arange(length) < generator.integers(1, length + 1, size=(count, 1))).astype("int32")
    inputs = {"token_ids": ids * mask, "segment_ids": 0 * ids, "padding_mask": mask}
    return {name: np.pad(value, ((0, 0), (0, padding))) for name, value in inputs.items()}


def values_of(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def outputs_of(model, inputs):
    """As arrays, without the trace that `predict` costs."""
    return ops.convert_to_numpy(model(inputs))


def attach(head, backbone):
    return keras.Model(backbone.input, head(backbone.output, mask=backbone.input["padding_mask"]))


def logistic(values):
    return 1 / (1 + np.exp(-values))


def softmax(values):
    powers = np.exp(values)
    return powers / powers.sum(axis=-1, keepdims=True)


# What it computes


def test_the_lesson_s_head_by_hand():
    head = ClassificationHead(num_classes=1, hidden_units=64, dropout=0.3, activation="sigmoid")
    features = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])
    outputs = ops.convert_to_numpy(head(features, mask=mask))
    kernel_0, bias_0, kernel_1, bias_1 = values_of(head.weights)
    mean = (features * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    hidden = np.maximum(mean @ kernel_0 + bias_0, 0)
    np.testing.assert_allclose(outputs, logistic(hidden @ kernel_1 + bias_1), rtol=1e-5)
    assert kernel_0.shape == (8, 64)
    assert [layer.rate for layer in head.dropout_layers] == [0.3, 0.3]


@pytest.mark.core
def test_dropout_comes_before_each_dense_layer_and_only_in_training():
    features = np.ones((64, 32), "float32")
    head = ClassificationHead(2, hidden_units=(16, 8), dropout=0.5)
    calm = [ops.convert_to_numpy(head(features, training=False)) for _ in range(2)]
    np.testing.assert_array_equal(*calm)
    noisy = ops.convert_to_numpy(head(features, training=True))
    assert len(np.unique(noisy, axis=0)) > 32  # equal rows, each with a draw of its own
    assert [layer.name for layer in head.dropout_layers] == ["dropout_0", "dropout_1", "dropout_2"]


@pytest.mark.core
@pytest.mark.parametrize("hidden_units", [None, 4, [4], (4, 5), []])
def test_hidden_layers(hidden_units):
    head = ClassificationHead(2, hidden_units=hidden_units)
    head.build((None, 6))
    sizes = [hidden_units] if isinstance(hidden_units, int) else list(hidden_units or [])
    assert [layer.units for layer in head.dense_layers] == [*sizes, 2]
    names = [f"hidden_{number}" for number in range(len(sizes))] + ["logits"]
    assert [layer.path for layer in head.dense_layers] == [f"head/{name}" for name in names]


@pytest.mark.parametrize(
    "shape", [(8,), (5, 8), (4, 6, 8), (2, 3, 4, 8)], ids=["pooled", "tokens", "image", "video"]
)
@pytest.mark.parametrize("pooling", ["auto", "attention"])
def test_features_of_every_rank(shape, pooling):
    if shape == (8,) and pooling == "attention":
        pooling = "none"
    features = keras.Input(shape)
    model = keras.Model(features, ClassificationHead(3, pooling)(features))
    assert model.output_shape == (None, 3)
    values = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    head = model.layers[-1]
    kernel, bias = values_of(head.dense_layers[-1].weights)
    mean = values.reshape(2, -1, 8).mean(axis=1)  # attention starts as the mean
    np.testing.assert_allclose(outputs_of(model, values), mean @ kernel + bias, rtol=1e-4)


def test_images_with_channels_first():
    values = np.random.default_rng(0).normal(size=(2, 4, 6, 8)).astype("float32")
    last = ClassificationHead(3, "max")
    first = ClassificationHead(3, "max", data_format="channels_first")
    expected = last(values)
    first.build((2, 8, 4, 6))
    for one, other in zip(first.weights, last.weights, strict=True):
        one.assign(other)
    outputs = first(np.moveaxis(values, -1, 1))
    np.testing.assert_array_equal(*map(ops.convert_to_numpy, (expected, outputs)))


# On backbones


def test_a_text_backbone_reads_no_padding_and_trains_all_it_has():
    backbone, head = tiny_bert(), ClassificationHead(2, "attention")
    model = attach(head, backbone)
    assert not [v.path for v in model.weights if "pooled" in v.path]
    exact = {"rtol": 1e-4, "atol": 1e-5}  # attention inside BERT sums over another length
    expected = outputs_of(model, texts())
    np.testing.assert_allclose(expected, outputs_of(model, texts(padding=6)), **exact)
    model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
    before = values_of(head.trainable_variables)
    model.fit(texts(), np.array([0, 1, 1, 0]), verbose=0)  # a missing gradient would warn
    after = values_of(head.trainable_variables)
    assert all(not np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_a_mask_that_the_backbone_s_output_carries_is_as_good_as_one_that_is_given():
    backbone, head = tiny_bert(), ClassificationHead(2)
    given = attach(head, backbone)
    backbone.output["sequence_output"]._keras_mask = backbone.input["padding_mask"]
    carried = keras.Model(backbone.input, head(backbone.output))
    np.testing.assert_array_equal(outputs_of(carried, texts()), outputs_of(given, texts()))
    assert not [v.path for v in carried.weights if "pooled" in v.path]


def test_the_pooled_output_by_name():
    backbone = tiny_bert()
    head = ClassificationHead(2, feature="pooled_output")
    model = attach(head, backbone)
    assert [v.path for v in model.weights if "pooled" in v.path]
    pooled = backbone(texts())["pooled_output"]
    expected = ops.convert_to_numpy(head(pooled))
    np.testing.assert_allclose(outputs_of(model, texts()), expected, rtol=1e-5, atol=1e-6)


def test_which_output_is_read():
    tokens, pooled, other = (np.ones((2, *shape)) for shape in [(4, 8), (8,), (6,)])
    uses = ClassificationHead(2).uses
    assert uses({"sequence_output": tokens, "pooled_output": pooled}) is tokens
    assert uses({"other": other, "pooled_output": pooled}) is pooled
    assert uses({"other": other}) is other
    assert ClassificationHead(2, feature="other").uses({"a": tokens, "other": other}) is other
    with pytest.raises(ArgumentError, match=r"outputs are 'a' \(2, 4, 8\), 'b' \(2, 8\)"):
        uses({"a": tokens, "b": pooled})
    with pytest.raises(ArgumentError, match=r"'pooled_output' \(2, 8\).*mean 'pooled_output'"):
        ClassificationHead(2, feature="pooled_outputs").uses({"pooled_output": pooled})


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_float32_on_a_backbone_of_half_precision(dtype):
    backbone = tiny_bert(dtype=dtype)
    head = ClassificationHead(2, hidden_units=4, dropout=0.1)
    model = attach(head, backbone)
    assert {layer.compute_dtype for layer in head._flatten_layers()} == {"float32"}
    outputs = model(texts())
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    features = backbone(texts())["sequence_output"]
    assert keras.backend.standardize_dtype(features.dtype) != "float32"
    expected = head(ops.cast(features, "float32"), mask=texts()["padding_mask"])
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (outputs, expected)), rtol=1e-5)


def test_one_output_per_token_leaves_padding_out_of_the_loss():
    features, mask = keras.Input((None, 8)), keras.Input((None,), dtype="int32")
    head = ClassificationHead(3, pooling="none")
    model = keras.Model([features, mask], head(features, mask=mask))
    model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
    values = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
    labels = np.random.default_rng(1).integers(0, 3, size=(4, 5))
    kept = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])
    results = model.evaluate([values, kept], labels, verbose=0, return_dict=True)
    other = np.where(kept, labels, 2 - labels)
    again = model.evaluate([values, kept], other, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(again["loss"])
    probabilities = head.probabilities(outputs_of(model, [values, kept]))
    assert probabilities.shape == (4, 5, 3)
    right = (probabilities.argmax(axis=-1) == labels)[kept.astype(bool)]
    assert results["accuracy"] == pytest.approx(right.mean())


# Losses, metrics, probabilities, words

TASKS = {
    "one logit": {"num_classes": 1},
    "one sigmoid": {"num_classes": 1, "activation": "sigmoid"},
    "classes": {"num_classes": 3},
    "classes, softmax": {"num_classes": 3, "activation": "softmax"},
    "labels": {"num_classes": 3, "multi_label": True},
    "labels, sigmoid": {"num_classes": 3, "multi_label": True, "activation": "sigmoid"},
    "one label": {"num_classes": 1, "multi_label": True},
}


@pytest.mark.core
@pytest.mark.parametrize("name", TASKS)
def test_loss_and_metrics_are_those_of_numpy(name):
    head = ClassificationHead(**TASKS[name])
    generator = np.random.default_rng(0)
    features = generator.normal(size=(16, 8)).astype("float32") * 3
    inputs = keras.Input((8,))
    model = keras.Model(inputs, head(inputs))
    model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
    kernel, bias = values_of(head.weights)
    logits = features @ kernel + bias
    if head.task == "multiclass":
        labels = generator.integers(0, 3, size=16)
        expected = softmax(logits)
        loss = -np.log(expected[np.arange(16), labels]).mean()
        accuracy = (expected.argmax(axis=1) == labels).mean()
    else:
        labels = generator.integers(0, 2, size=logits.shape)
        expected = logistic(logits)
        loss = -np.log(np.where(labels == 1, expected, 1 - expected)).mean()
        accuracy = ((expected > 0.5) == labels).mean()
    if head.task == "binary":
        labels = labels[:, 0]  # a plain list of labels, as people have it
    results = model.evaluate(features, labels, verbose=0, return_dict=True)
    assert results["loss"] == pytest.approx(loss, rel=1e-4)
    assert results["accuracy"] == pytest.approx(accuracy)
    outputs = outputs_of(model, features)
    np.testing.assert_allclose(head.probabilities(outputs), expected, rtol=1e-5, atol=1e-7)
    assert head.from_logits == (head.activation is None)


EXCLUSIVE, OVERLAPPING = ClassificationHead(3), ClassificationHead(3, multi_label=True)


@given(hnp.arrays("float32", (5, 3), elements=st.floats(-1e4, 1e4, width=32)))
@settings(max_examples=50, deadline=None)
def test_probabilities_are_probabilities(outputs):
    exclusive = EXCLUSIVE.probabilities(outputs)
    np.testing.assert_allclose(exclusive.sum(axis=-1), 1, rtol=1e-12)
    overlapping = OVERLAPPING.probabilities(outputs)
    for probabilities in (exclusive, overlapping):
        assert probabilities.shape == outputs.shape
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
    clear = np.abs(outputs) > 1e-6  # nearer to zero, the half and a bit more are one number
    np.testing.assert_array_equal((overlapping > 0.5)[clear], (outputs > 0)[clear])


def test_linear_is_another_word_for_logits():
    assert ClassificationHead(2, activation="linear").from_logits
    assert not ClassificationHead(2, activation=keras.activations.softmax).from_logits


def test_metrics_are_new_each_time():
    head = ClassificationHead(2)
    assert head.default_metrics()[0] is not head.default_metrics()[0]
    assert head.default_loss() is not head.default_loss()


def test_options_of_a_loss():
    assert ClassificationHead(1).default_loss(label_smoothing=0.1).label_smoothing == 0.1
    assert ClassificationHead(3).default_loss(ignore_class=-1).ignore_class == -1
    with pytest.raises(ArgumentError, match="smooths one-hot labels only"):
        ClassificationHead(3).default_loss(label_smoothing=0.1)
    with pytest.raises(ArgumentError, match="`from_logits` must be left out: it follows"):
        ClassificationHead(3).default_loss(from_logits=False)
    with pytest.raises(ArgumentError, match=r"Did you mean 'reduction'\?"):
        ClassificationHead(1).default_loss(reducton="sum")


def test_words():
    head = ClassificationHead(3, class_names=NAMES)
    outputs = np.log([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])
    assert head.decode(outputs) == ["good", "bad"]
    first, second = head.decode(outputs, top=2)
    assert [name for name, _ in first] == ["good", "neutral"]
    assert [probability for _, probability in second] == pytest.approx([0.5, 0.3])
    assert len(head.decode(outputs, top=9)[0]) == 3
    assert head.decode(ops.convert_to_tensor(outputs)) == ["good", "bad"]
    assert head.decode(outputs[None]) == [["good", "bad"]]


def test_words_of_one_logit():
    head = ClassificationHead(1, class_names=["bad", "good"])
    outputs = [[-1.0], [0.0], [3.0]]
    assert head.decode(outputs) == ["bad", "bad", "good"]  # 0.5 is not above 0.5
    assert head.decode(outputs, threshold=0.9) == ["bad", "bad", "good"]
    assert head.decode(outputs, top=1)[0] == [("bad", pytest.approx(logistic(1.0)))]
    assert [name for name, _ in head.decode(outputs, top=2)[2]] == ["good", "bad"]


def test_words_of_several_labels():
    head = ClassificationHead(3, multi_label=True, activation="sigmoid", class_names=NAMES)
    outputs = [[0.6, 0.2, 0.9], [0.1, 0.2, 0.3]]
    assert head.decode(outputs) == [["bad", "good"], []]
    assert head.decode(outputs, threshold=0.2) == [["bad", "good"], ["good"]]
    assert head.decode(outputs, threshold=[0.7, 0.1, 0.3]) == [["neutral", "good"], ["neutral"]]
    assert head.decode(outputs, top=1) == [[("good", 0.9)], [("good", 0.3)]]


def test_words_that_cannot_be_had():
    head = ClassificationHead(3, class_names=NAMES)
    with pytest.raises(ArgumentError, match="`class_names` must be given to the head"):
        ClassificationHead(3).decode([[0, 0, 1]])
    with pytest.raises(ArgumentError, match=r"`outputs` must be of shape \(batch, 3\)"):
        head.decode([[0, 1]])
    with pytest.raises(ArgumentError, match=r"`outputs` must be of shape \(batch, 3\)"):
        head.decode([0, 1, 0])
    with pytest.raises(ArgumentError, match="`threshold` must be left out"):
        head.decode([[0, 0, 1]], threshold=0.7)
    with pytest.raises(ArgumentError, match="`top` must be a whole number, at least 1"):
        head.decode([[0, 0, 1]], top=0)


# How the outputs are read: threshold and temperature


@pytest.mark.parametrize("at", [0.5, 0.25])
def test_what_lies_on_the_threshold_is_not_above_it_anywhere(at):
    """As Keras's metrics and `evaluate_arrays` have it; all three are asked here."""
    from kerasft.evaluation import evaluate_arrays

    outputs = np.array([[at], [np.nextafter(at, 1)], [np.nextafter(at, 0)]])
    head = ClassificationHead(1, activation="sigmoid", class_names=["no", "yes"], threshold=at)
    words = head.decode(outputs)
    report = evaluate_arrays([0, 1, 0], outputs, threshold=at, bootstrap=0)
    assert words == ["no", "yes", "no"]
    assert report.predictions.tolist() == [0, 1, 0]
    several = ClassificationHead(2, multi_label=True, activation="sigmoid", class_names=["a", "b"])
    assert several.decode([[at, 0.9]], threshold=at) == [["b"]]
    narrow = outputs[:1].astype("float32")
    metric = keras.metrics.BinaryAccuracy(threshold=at)
    assert float(metric(np.zeros((1, 1)), narrow)) == 1.0
    pair = ClassificationHead(2, activation="softmax", class_names=["no", "yes"], threshold=at)
    assert pair.decode([[1 - at, at]]) == ["no"]


def test_a_zero_logit_is_no_answer_for_class_one():
    """Exactly one half: with one logit, with two, and in Keras's own accuracy."""
    one = ClassificationHead(1, class_names=["no", "yes"])
    two = ClassificationHead(2, class_names=["no", "yes"])
    assert one.probabilities([[0.0]]).tolist() == [[0.5]]
    assert one.decode([[0.0]]) == two.decode([[3.0, 3.0]]) == ["no"]
    assert float(one.default_metrics()[0](np.zeros((1, 1)), np.zeros((1, 1)))) == 1.0


@settings(max_examples=40, deadline=None)
@given(
    values=hnp.arrays(float, (3, 4), elements=st.floats(-30, 30)),
    temperature=st.floats(0.05, 20),
    task=st.sampled_from(["binary", "multiclass", "multilabel"]),
)
def test_a_temperature_divides_the_logits_whatever_the_activation(values, temperature, task):
    several = {"multi_label": True} if task == "multilabel" else {}
    classes = 1 if task == "binary" else 4
    values = values[:, :classes]
    function, name = (softmax, "softmax") if task == "multiclass" else (logistic, "sigmoid")
    logits = ClassificationHead(classes, temperature=temperature, **several)
    expected = function(values / temperature)
    np.testing.assert_allclose(logits.probabilities(values), expected, rtol=1e-9, atol=1e-15)
    ready = ClassificationHead(classes, temperature=temperature, activation=name, **several)
    np.testing.assert_allclose(ready.probabilities(function(values)), expected, atol=1e-2)
    assert ready.probabilities(np.zeros((2, classes)) + 1 / classes).shape == (2, classes)
    np.testing.assert_array_equal(
        ClassificationHead(classes, activation=name, **several).probabilities(function(values)),
        function(values),
    )


def test_a_temperature_and_a_threshold_per_label():
    head = ClassificationHead(2, multi_label=True, class_names=["a", "b"])
    head.temperature, head.threshold = [1.0, 4.0], np.array([0.5, 0.6])
    assert (head.temperature, head.threshold) == ((1.0, 4.0), (0.5, 0.6))
    said = head.probabilities([[2.0, 2.0]])
    np.testing.assert_allclose(said, logistic(np.array([[2.0, 0.5]])))
    assert head.decode([[2.0, 2.0]]) == [["a", "b"]]
    assert head.decode([[2.0, 1.0]]) == [["a"]]  # logistic(0.25) = 0.56


def test_threshold_and_temperature_travel_and_change_neither_outputs_nor_what_trains(tmp_path):
    inputs = keras.Input((4,))
    head = ClassificationHead(1, hidden_units=3, class_names=["no", "yes"])
    model = keras.Model(inputs, head(inputs))
    model.compile("sgd", head.default_loss(), metrics=head.default_metrics(), run_eagerly=True)
    values = np.random.default_rng(0).normal(size=(6, 4)).astype("float32")
    outputs = outputs_of(model, values)
    before = [[v.path for v in some] for some in (model.weights, model.trainable_weights)]
    logs = model.evaluate(values, np.ones(6), verbose=0)
    head.threshold, head.temperature = 0.0625, 1.7
    np.testing.assert_array_equal(outputs_of(model, values), outputs)
    assert model.evaluate(values, np.ones(6), verbose=0) == logs
    assert [[v.path for v in s] for s in (model.weights, model.trainable_weights)] == before

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for other in (loaded, keras.models.clone_model(model)):
        again = other.get_layer("head")
        assert (again.threshold, again.temperature) == (0.0625, 1.7)
    np.testing.assert_array_equal(outputs_of(loaded, values), outputs)
    assert loaded.get_layer("head").decode(outputs) == head.decode(outputs)
    assert [[v.path for v in s] for s in (loaded.weights, loaded.trainable_weights)] == before


def test_a_head_saved_without_them_loads():
    config = ClassificationHead(3).get_config()
    del config["threshold"], config["temperature"]
    head = ClassificationHead.from_config(config)
    assert (head.threshold, head.temperature) == (None, 1.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 1.5}, "`threshold` must be a number, at least 0 and at most 1"),
        ({"threshold": "0.5"}, "`threshold` must be a number"),
        ({"threshold": True}, "`threshold` must be a number"),
        ({"threshold": float("nan")}, "`threshold` must be a number"),
        ({"threshold": [0.5, 0.5]}, "`threshold` must be one number. Received"),
        ({"threshold": 0.5, "num_classes": 3}, "left out where classes are compared"),
        ({"threshold": [0.5], "multi_label": True}, "one number, or 2, one per label"),
        ({"threshold": [0.5, 2], "multi_label": True}, "`threshold` must be a number"),
        ({"temperature": 0}, "`temperature` must be a number, above 0"),
        ({"temperature": None}, "`temperature` must be a number"),
        ({"temperature": [1.0, 2.0]}, "`temperature` must be one number"),
        ({"temperature": [1.0, -2.0], "multi_label": True}, "`temperature` must be a number"),
    ],
)
def test_thresholds_and_temperatures_that_are_none(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ClassificationHead(**{"num_classes": 2, **arguments})
    head = ClassificationHead(
        arguments.pop("num_classes", 2), multi_label="multi_label" in arguments
    )
    (name,) = {*arguments} - {"multi_label"}
    with pytest.raises(ArgumentError, match=message):
        setattr(head, name, arguments[name])


# Configs, saving


def every_argument():
    return ClassificationHead(
        3,
        "attention",
        (4, 5),
        keras.activations.gelu,
        0.2,
        "sigmoid",
        True,
        tuple(NAMES),
        "sequence_output",
        "channels_first",
        "classes",
        (0.25, 0.5, 0.75),
        (1.0, 2.0, 3.0),
        dtype="mixed_bfloat16",
        trainable=False,
    )


def test_the_config_goes_round():
    config = every_argument().get_config()
    signature = set(inspect.signature(ClassificationHead).parameters) - {"kwargs"}
    assert set(config) == signature | {"trainable", "dtype"}
    again = ClassificationHead.from_config(config)
    assert again.get_config() == config
    assert list(again.class_names) == NAMES
    assert again.compute_dtype == "bfloat16"
    saved = keras.saving.serialize_keras_object(every_argument())
    assert keras.saving.deserialize_keras_object(saved).get_config() == config


def test_numpy_s_whole_numbers_are_saved_as_plain_ones():
    head = ClassificationHead(np.int64(3), hidden_units=[np.int64(4)])
    config = json.loads(json.dumps(head.get_config()))
    assert (config["num_classes"], config["hidden_units"]) == (3, [4])
    assert ClassificationHead(2, hidden_units=np.int32(5)).get_config()["hidden_units"] == 5
    assert ClassificationHead(2).get_config()["hidden_units"] is None


def run_python(source, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_saved_and_loaded_in_a_new_process(tmp_path):
    head = ClassificationHead(3, "attention", 4, dropout=0.1, class_names=NAMES)
    ids, mask = (keras.Input((None,), dtype="int32", name=name) for name in ("ids", "mask"))
    tokens = keras.layers.Embedding(100, 8, name="embedding")(ids)
    model = keras.Model({"ids": ids, "mask": mask}, head(tokens, mask=mask))
    head.pooling_layer.query.assign(np.linspace(-1, 1, 8))
    model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
    inputs = {"ids": texts()["token_ids"], "mask": texts()["padding_mask"]}
    expected = outputs_of(model, inputs)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "inputs.npz", **inputs)
    result = run_python(
        """
        import sys, keras, numpy as np
        import kerasft.heads
        model = keras.models.load_model(sys.argv[1] + "/model.keras")
        head = model.get_layer("head")
        outputs = np.asarray(model(dict(np.load(sys.argv[1] + "/inputs.npz"))))
        np.save(sys.argv[1] + "/outputs.npy", outputs)
        print(head.decode(outputs))
        print([variable.path for variable in model.weights])
        """,
        tmp_path,
    )
    assert result.returncode == 0, result.stderr
    words, paths = result.stdout.splitlines()[-2:]
    np.testing.assert_array_equal(np.load(tmp_path / "outputs.npy"), expected)
    assert words == str(head.decode(expected))
    assert paths == str([variable.path for variable in model.weights])


@pytest.mark.filterwarnings("ignore:Layer .* does not have a `quantize` method")
def test_a_quantized_head_is_saved_and_loaded_more_than_once(tmp_path):
    inputs = keras.Input((5, 8))
    model = keras.Model(inputs, ClassificationHead(3, "attention", 16)(inputs))
    values = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
    before = outputs_of(model, values)
    model.quantize("int8")
    expected = outputs_of(model, values)
    np.testing.assert_allclose(expected, before, atol=0.1)
    for _ in range(2):
        model.save(tmp_path / "model.keras")
        model = keras.models.load_model(tmp_path / "model.keras")
        np.testing.assert_array_equal(outputs_of(model, values), expected)
        modes = [layer.quantization_mode for layer in model.get_layer("head").dense_layers]
        assert modes == ["int8", "int8"]


def test_on_jax():
    pytest.importorskip("jax")
    result = run_python(
        """
        import keras, numpy as np
        from kerasft.heads import ClassificationHead
        assert keras.backend.backend() == "jax"
        features, mask = keras.Input((None, 8)), keras.Input((None,), dtype="int32")
        head = ClassificationHead(2, "attention", 4, dropout=0.1)
        model = keras.Model([features, mask], head(features, mask=mask))
        model.compile("sgd", head.default_loss(), metrics=head.default_metrics())
        values = np.random.default_rng(0).normal(size=(4, 5, 8)).astype("float32")
        kept = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
        kernel, bias, last, shift = (np.array(each.value) for each in head.trainable_variables[1:])
        count = np.maximum(kept.sum(axis=1, keepdims=True), 1)
        mean = (values * kept[:, :, None]).sum(axis=1) / count
        expected = np.maximum(mean @ kernel + bias, 0) @ last + shift
        np.testing.assert_allclose(np.asarray(model([values, kept])), expected, atol=1e-5)
        model.fit([values, kept], np.array([0, 1, 1, 0]), verbose=0)
        """,
        KERAS_BACKEND="jax",
    )
    assert result.returncode == 0, result.stderr


# Bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 0}, "`num_classes` must be a whole number, at least 1"),
        ({"num_classes": 2.0}, "`num_classes` must be a whole number"),
        ({"num_classes": True}, "`num_classes` must be a whole number"),
        ({"dropout": 1.5}, r"`dropout` must be a number, at least 0 and below 1.*dropout=1.5"),
        ({"dropout": 1}, "`dropout` must be"),
        ({"dropout": -0.1}, "`dropout` must be"),
        ({"pooling": "men"}, "`pooling` must be one of .* Did you mean 'mean'"),
        ({"hidden_units": 0}, "`hidden_units` must be a whole number, at least 1"),
        ({"hidden_units": [8, "8"]}, "`hidden_units` must be"),
        ({"hidden_units": "8"}, "Give None for no hidden layer"),
        ({"hidden_activation": "rleu"}, r"`hidden_activation` must be .* Did you mean 'relu'"),
        ({"activation": "sigmoid"}, r"`multi_label=True` lets labels overlap"),
        ({"activation": "softmax", "num_classes": 1}, "must be None .logits. or 'sigmoid'"),
        ({"activation": "softmax", "multi_label": True}, "A softmax makes classes exclude"),
        ({"activation": "tanh"}, "must be None .logits. or 'softmax'"),
        ({"activation": 3}, "`activation` must be None, the name of a Keras activation"),
        ({"multi_label": 1}, "`multi_label` must be True or False"),
        ({"class_names": ["a"]}, "a list of 2 names for num_classes=2"),
        ({"class_names": ["a", "a"]}, "names that differ from each other"),
        ({"class_names": "ab"}, "`class_names` must be a list of names, or None"),
        ({"class_names": [0, 1]}, "a list of 2 names"),
        ({"class_names": ["a"], "num_classes": 1}, "With one logit, label 0 comes first"),
        ({"feature": 3}, "`feature` must be the name of one"),
        ({"data_format": "last"}, "`data_format` must be one of"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        ClassificationHead(**{"num_classes": 2, **arguments})


def test_a_wrong_pooling_for_the_features_is_named_when_the_head_is_attached():
    with pytest.raises(ArgumentError, match="They are pooled already"):
        ClassificationHead(2, pooling="mean")(keras.Input((8,)))
    with pytest.raises(ArgumentError, match="Only tokens have a first and a last one"):
        ClassificationHead(2, pooling="first")(keras.Input((4, 4, 8)))
