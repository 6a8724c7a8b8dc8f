"""The cut: exact, at the right place, and refused where nothing would be gained."""

import keras
import numpy as np
import pytest
from models import (
    SubclassedModel,
    bert_task,
    flat_bert,
    image_batch,
    nested_bert,
    small_resnet,
    text_batch,
    tiny_bert,
    with_a_table,
)

from kerasft import TrainEverything, TrainHead, TrainLastBlocks, TrainSelected
from kerasft.errors import UnsupportedError
from kerasft.features import cut
from kerasft.structure import take_apart


def task():
    model = bert_task()
    model.preprocessor = None
    return model


MODELS = {
    "flat BERT": (flat_bert, text_batch),
    "nested BERT": (nested_bert, text_batch),
    "KerasHub task": (task, text_batch),
    "residual network": (small_resnet, image_batch),
}


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def check_exact(model, x):
    """Both parts together are the model, bit for bit; the trainable part alone trains."""
    whole = numbers(model(x, training=False))
    parts = cut(model)
    # Through NumPy: a cache holds values, and no masks that hang on tensors.
    boundary = keras.tree.flatten(parts.frozen(x, training=False))
    boundary = [keras.ops.convert_to_tensor(numbers(tensor)) for tensor in boundary]
    boundary = boundary if len(boundary) > 1 else boundary[0]
    again = numbers(parts.trainable(boundary, training=False))
    np.testing.assert_array_equal(whole, again)
    trains = {id(v) for v in model.trainable_variables}
    assert trains == {id(v) for v in parts.trainable.trainable_variables}
    assert not parts.frozen.trainable_variables
    return parts


@pytest.mark.parametrize("policy", [TrainHead(), TrainLastBlocks(1), TrainLastBlocks(2)], ids=repr)
@pytest.mark.parametrize("name", MODELS)
def test_the_cut_is_exact(name, policy):
    make, batch = MODELS[name]
    model, (x, _) = make(), batch()
    plan = policy.apply(model)
    parts = check_exact(model, x)
    # What is trained afterwards is all that the second part holds, but for what hangs on it.
    assert parts.trainable.count_params() < model.count_params()
    frozen = {v.path for v in take_apart(model).variables if not plan.decisions.get(v.path, True)}
    before = {id(v) for v in parts.frozen.weights}
    held = {v.path for v in take_apart(model).variables if id(v.variable) in before}
    assert held <= frozen | {p for p in held if "moving_" in p}


def test_the_boundary_moves_with_the_policy():
    sizes = []
    model = small_resnet()
    for policy in (TrainHead(), TrainLastBlocks(1), TrainLastBlocks(2)):
        policy.apply(model)
        sizes.append(cut(model).trainable.count_params())
    assert sizes == sorted(set(sizes))


def test_only_what_the_trainable_part_reads_is_kept():
    """A pooler with weights that train but that no output needs does not enter the cut."""
    model = flat_bert()
    TrainHead().apply(model)
    parts = cut(model)
    assert [tuple(t.shape) for t in parts.boundary] == [(None, 8)]


def test_several_boundary_tensors():
    inputs = keras.Input((4,))
    a = keras.layers.Dense(3, name="a")(inputs)
    b = keras.layers.Dense(5, name="b")(inputs)
    top = keras.layers.Dense(2, name="top")(keras.layers.Concatenate(name="join")([a, b]))
    late = keras.layers.Dense(2, name="late")(a)
    model = keras.Model(inputs, [top, late])
    TrainSelected(keras_or("late", "top"), and_head=False).apply(model)
    parts = check_exact_many(model, np.ones((3, 4), "float32"))
    assert len(parts.boundary) == 2


def keras_or(*names):
    from kerasft import select

    found = select.Path(names[0])
    for name in names[1:]:
        found = found | name
    return found


def check_exact_many(model, x):
    parts = cut(model)
    again = parts.trainable(parts.frozen(x, training=False), training=False)
    for one, other in zip(
        keras.tree.flatten(model(x, training=False)), keras.tree.flatten(again), strict=True
    ):
        np.testing.assert_array_equal(numbers(one), numbers(other))
    return parts


def test_an_output_of_the_frozen_part_stays_an_output():
    inputs = keras.Input((4,))
    a = keras.layers.Dense(3, name="a")(inputs)
    model = keras.Model(inputs, {"features": a, "top": keras.layers.Dense(2, name="top")(a)})
    TrainSelected("top", and_head=False).apply(model)
    parts = cut(model)
    x = np.ones((3, 4), "float32")
    again = parts.trainable(parts.frozen(x, training=False), training=False)
    whole = model(x, training=False)
    for name in whole:
        np.testing.assert_array_equal(numbers(whole[name]), numbers(again[name]))


def implicit_mask(last):
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(10, 4, mask_zero=True, name="embedding")(ids)
    x = keras.layers.Dense(4, name="body")(x)
    return keras.Model(ids, keras.layers.Dense(2, name="top")(last(x)))


@pytest.mark.parametrize(
    "last", [lambda x: keras.layers.LSTM(3)(x), lambda x: keras.layers.GlobalAveragePooling1D()(x)]
)
def test_masks_that_hang_on_tensors_cross_the_cut(last):
    model = implicit_mask(last)
    TrainHead().apply(model)
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32")
    check_exact(model, x)


def test_a_trainable_recurrent_layer_gets_its_mask():
    model = implicit_mask(lambda x: keras.layers.LSTM(3, name="lstm")(x))
    TrainSelected("lstm").apply(model)
    x = np.array([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]], "int32")
    parts = check_exact(model, x)
    assert len(parts.boundary) == 2  # the features and their mask
    unmasked = numbers(model(np.where(x == 0, 9, x), training=False))
    assert not np.array_equal(numbers(model(x, training=False)), unmasked)


def test_a_mask_that_the_loss_reads_is_not_lost_in_silence():
    ids = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(10, 4, mask_zero=True, name="embedding")(ids)
    model = keras.Model(ids, keras.layers.Dense(2, name="top")(x))  # an output for each token
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"mask would be lost at the boundary"):
        cut(model)


def test_shared_layers():
    shared = keras.layers.Dense(4, name="shared", activation="relu")
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="middle")(shared(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(shared(x)))
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    TrainHead().apply(model)
    check_exact(model, x)
    TrainSelected("middle").apply(model)
    assert [t.shape for t in check_exact(model, x).boundary] == [(None, 4)]


def test_several_inputs_of_which_some_go_straight_on():
    image, table = keras.Input((4,), name="image"), keras.Input((3,), name="table")
    x = keras.layers.Dense(5, name="body")(image)
    y = keras.layers.Concatenate(name="join")([x, table])
    model = keras.Model({"image": image, "table": table}, keras.layers.Dense(2, name="top")(y))
    TrainSelected("top", and_head=False).apply(model)
    batch = {"image": np.ones((2, 4), "float32"), "table": np.zeros((2, 3), "float32")}
    check_exact(model, batch)


def test_sequential_models_and_nests_of_them():
    inner = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")],
        name="inner",
    )
    model = keras.Sequential([keras.Input((4,)), inner, keras.layers.Dense(2, name="top")])
    TrainSelected("inner/b").apply(model)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    parts = check_exact(model, x)
    assert "a" in {layer.name for layer in parts.frozen.layers}


@pytest.mark.parametrize("training", [False, None])
def test_a_nested_model_called_with_training_false(training):
    """Keras's own guide for fine-tuning calls its backbone so."""
    base = small_base()
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(base(inputs, training=training)))
    TrainSelected("base/second*").apply(model)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    parts = check_exact(model, x)
    assert "first" in {layer.name for layer in parts.frozen.layers}
    boundary = parts.frozen(x, training=True)
    keras.utils.set_random_seed(1)
    whole = numbers(model(x, training=True))
    keras.utils.set_random_seed(1)
    layer = base.get_layer("second_dropout")
    layer.seed_generator.state.assign(layer.seed_generator.state * 0)
    first = numbers(model(x, training=True))
    layer.seed_generator.state.assign(layer.seed_generator.state * 0)
    np.testing.assert_array_equal(first, numbers(parts.trainable(boundary, training=True)))
    assert whole.shape == first.shape


def small_base():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(inputs)
    x = keras.layers.Dense(4, name="second")(x)
    x = keras.layers.Dropout(0.5, name="second_dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(4, name="second_b")(x), name="base")


def test_inputs_of_a_nested_model_are_cast_as_keras_does():
    inner_in = keras.Input((4,), dtype="int32")
    inner = keras.Model(inner_in, keras.ops.cast(inner_in, "float32") * 1.5, name="rounding")
    inputs = keras.Input((4,))
    x = inner(keras.layers.Dense(4, name="body")(inputs) * 3)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainSelected("top", and_head=False).apply(model)
    x = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    check_exact(model, x)


def test_the_users_model_looks_as_before():
    model = nested_bert()
    TrainLastBlocks(1).apply(model)
    config = model.get_config()
    inner = take_apart(model).blocks[1].layers[0].module
    before = (inner.output, model.output, len(model.layers))
    cut(model)
    after = (inner.output, model.output, len(model.layers))
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert model.get_config() == config


def test_a_frozen_tensor_without_a_batch_axis_comes_last():
    model = with_a_table()
    TrainSelected("mix").apply(model)
    parts = check_exact(model, np.ones((3, 4), "float32"))
    assert [tuple(t.shape) for t in parts.boundary] == [(None, 5), (5, 4)]


# What cannot be cut.


def test_a_subclassed_model_is_refused():
    model = SubclassedModel(name="own")
    model(np.zeros((1, 5), "float32"))
    with pytest.raises(UnsupportedError, match=r"must have a graph .* model 'own' \(of type Subcl"):
        cut(model)
    with pytest.raises(UnsupportedError, match=r"give a Sequential model a `keras.Input`"):
        cut(keras.Sequential([keras.layers.Dense(2)]))


@pytest.mark.parametrize("make", [flat_bert, small_resnet])
def test_nothing_frozen_at_the_front_is_refused(make):
    model = make()
    TrainEverything().apply(model)
    with pytest.raises(UnsupportedError, match=r"no frozen layer with weights .* Freeze the front"):
        cut(model)


def test_operations_without_weights_are_nothing_frozen():
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Flatten()(keras.layers.Conv2D(2, 3, name="conv")(x))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    with pytest.raises(UnsupportedError, match=r"no frozen layer with weights comes before 'conv'"):
        cut(model)


def test_everything_frozen_is_refused():
    model = small_resnet()
    model.trainable = False
    with pytest.raises(UnsupportedError, match=r"of which nothing trains"):
        cut(model)


@pytest.mark.parametrize("before", [[], ["rescaling"]])
def test_augmentation_in_front_is_refused(before):
    front = [keras.layers.Rescaling(1 / 255)] if before else []
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *front,
            keras.layers.RandomFlip(name="flip"),
            keras.layers.Conv2D(2, 3, name="body"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, name="top"),
        ]
    )
    TrainHead().apply(model)
    with pytest.raises(UnsupportedError, match=r"'flip' \(of type RandomFlip\) draws random num"):
        cut(model)


def test_equal_names_in_nested_models():
    def model(outer_name):
        inputs = keras.Input((4,))
        x = keras.layers.Dense(4, name="first")(inputs)
        inner = keras.Model(inputs, keras.layers.Dense(4, name="same")(x), name="inner")
        outer = keras.Input((4,))
        return keras.Model(outer, keras.layers.Dense(2, name=outer_name)(inner(outer)))

    x = np.ones((2, 4), "float32")
    for name in ("first", "boundary_0"):  # on the other side; and as the cut names its inputs
        made = model(name)
        TrainSelected("inner/same").apply(made)
        check_exact(made, x)
    made = model("same")
    TrainSelected("inner/same").apply(made)
    with pytest.raises(UnsupportedError, match=r"two layers named 'same'. Rename one"):
        cut(made)


def test_a_plain_keras_freeze_leaves_dropout_on_and_says_so():
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5, name="drop")(inputs)
    body = keras.layers.Dense(4, name="body", trainable=False)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(body))
    with pytest.raises(UnsupportedError, match=r"'drop' .*Dropout in frozen layers is stilled"):
        cut(model)


def test_a_still_dropout_inside_a_composite_is_not_random():
    @keras.saving.register_keras_serializable(package="kerasft_tests")
    class Wrapped(keras.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dropout = keras.layers.Dropout(0.5)

        def call(self, inputs):
            return self.dropout(inputs)

    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="first")(inputs)
    x = keras.layers.Dense(4, name="second")(Wrapped(name="wrapped")(x))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainHead().apply(model)
    assert "second" in {layer.name for layer in cut(model).frozen.layers}


def test_mobile_net_under_last_blocks():
    model = keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), classes=3
    )
    TrainLastBlocks(2).apply(model)
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    check_exact(model, images)


def test_tiny_bert_as_a_whole_has_no_head_to_train():
    backbone = tiny_bert()
    TrainLastBlocks(1).apply(backbone)
    inputs, _ = text_batch()
    check_exact_many(backbone, inputs)
