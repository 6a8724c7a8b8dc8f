"""Taking models apart: nothing is lost, nothing is told twice, and paths name one thing."""

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import (
    ResidualBlock,
    SubclassedModel,
    bert_task,
    flat_bert,
    nested_bert,
    small_resnet,
    text_batch,
    tiny_bert,
)

import kerasft
from kerasft.errors import ArgumentError, PlanError
from kerasft.structure import (
    changeable_variables,
    said_blocks,
    say,
    take_apart,
    walk,
)


def check_whole(model):
    """What holds for every model."""
    structure = take_apart(model)
    told = [id(view.variable) for view in structure.variables]
    assert len(told) == len(set(told))
    assert set(told) == {id(variable) for variable in model.weights}
    paths = [view.path for view in structure.variables]
    assert len(paths) == len(set(paths))
    layers = [view.path for view in structure.layers]
    assert len(layers) == len(set(layers))
    assert len({id(view.layer) for view in structure.layers}) == len(layers)

    # Blocks divide the backbone, in order.
    backbone = [view.path for view in structure.layers if not view.in_head]
    assert sorted(backbone) == sorted(view.path for block in structure.blocks for view in block)
    assert [block.index for block in structure.blocks] == list(range(len(structure.blocks)))
    for view in structure.layers:
        assert (view.block is None) == view.in_head
        if view.block is not None:
            assert view in structure.blocks[view.block].layers
            assert view.block + view.blocks_from_end == len(structure.blocks) - 1
        for variable in view.variables:
            assert variable.path == f"{view.path}/{variable.name}".lstrip("/")
            assert variable.layer is view
    assert structure.rule
    parameters = sum(block.parameters for block in structure.blocks)
    assert parameters + sum(view.parameters for view in structure.head) == model.count_params()
    # Taking apart is looking, no more.
    assert [v.path for v in take_apart(model).variables] == paths
    return structure


# Random models.


@keras.saving.register_keras_serializable(package="kerasft_tests_of_structure")
class Composite(keras.layers.Layer):
    """A layer with layers, a list of them, and a weight of its own; names repeat on purpose."""

    def __init__(self, depth, **kwargs):
        super().__init__(**kwargs)
        self.inner = [keras.layers.Dense(4, name="dense") for _ in range(depth)]
        self.norm = keras.layers.BatchNormalization(name="dense")

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(4,), name="scale", initializer="ones")
        self.second = self.add_weight(shape=(4,), name="scale", initializer="zeros")
        for layer in [*self.inner, self.norm]:
            layer.build(input_shape)

    def call(self, inputs):
        for layer in self.inner:
            inputs = layer(inputs)
        return self.norm(inputs) * self.scale + self.second


def dense(index):
    return keras.layers.Dense(4, name=f"dense_{index}")


def norm(index):
    return keras.layers.LayerNormalization(name=f"norm_{index}")


def dropout(index):
    return keras.layers.Dropout(0.1, name=f"dropout_{index}")


def composite(index):
    return Composite(2, name=f"composite_{index}")


LAYERS = st.lists(st.sampled_from([dense, norm, dropout, composite]), min_size=1, max_size=4)
# Lists of layers, and of lists: those become models inside.
NESTS = st.recursive(
    LAYERS, lambda inner: st.lists(st.one_of(inner, LAYERS), min_size=1, max_size=3), max_leaves=4
)


class Own(keras.Model):
    """A subclassed model round any layers."""

    def __init__(self, parts, **kwargs):
        super().__init__(**kwargs)
        self.parts = parts
        self.by_name = {"last": dense(99)}

    def call(self, inputs):
        for part in self.parts:
            inputs = part(inputs)
        return self.by_name["last"](inputs)


def build(nest, kind, shared):
    parts = [
        build(entry, kind, shared) if isinstance(entry, list) else entry(index)
        for index, entry in enumerate(nest)
    ]
    if shared and parts:
        parts.append(parts[0])
    for index, part in enumerate(parts):
        if isinstance(part, keras.Model):
            part.name = f"nest_{index}"
    if kind == "subclassed":
        model = Own(parts)
        model(np.zeros((1, 4), "float32"))
        return model
    if kind == "Sequential" and not shared:
        return keras.Sequential([keras.Input((4,)), *parts])
    inputs = keras.Input((4,))
    x = inputs
    for part in parts:
        y = part(x)
        x = keras.layers.Add()([x, y]) if kind == "residual" else y
    return keras.Model(inputs, x)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(
    NESTS, st.sampled_from(["functional", "residual", "Sequential", "subclassed"]), st.booleans()
)
def test_any_model_comes_apart_whole(nest, kind, shared):
    check_whole(build(nest, kind, shared))


# Paths.


@pytest.mark.core
def test_equal_names_get_a_number():
    model = Own([dense(0), Composite(3, name="one")])
    model(np.zeros((1, 4), "float32"))
    structure = check_whole(model)
    paths = [view.path for view in structure.variables]
    assert {"one/scale", "one/scale~2", "one/dense/kernel", "one/dense~2/kernel"} <= set(paths)
    assert "one/dense~4/moving_mean" in paths
    names = {view.name for view in structure.variables}
    assert "scale~2" in names


def test_a_number_gives_way_to_a_name_that_looks_like_one():
    model = keras.Sequential([keras.Input((4,)), Composite(1, name="a")])
    inner = model.layers[0].inner
    inner[0].name = "dense~2"
    paths = [path for path, _ in walk(model)]
    assert len(paths) == len(set(paths))
    check_whole(model)


def test_a_weight_that_two_layers_own_is_told_once():
    @keras.saving.register_keras_serializable(package="kerasft_tests")
    class Tied(keras.layers.Layer):
        def __init__(self, other, **kwargs):
            super().__init__(**kwargs)
            self.kernel = other.kernel
            self.offset = self.add_weight(shape=(4,), name="offset")

        def call(self, inputs):
            return keras.ops.matmul(inputs, self.kernel) + self.offset

    first = dense(0)
    inputs = keras.Input((4,))
    x = first(inputs)
    x = Tied(first, name="tied")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    structure = check_whole(model)
    assert [v.path for v in structure.variables][:3] == [
        "dense_0/kernel", "dense_0/bias", "tied/offset",
    ]  # fmt: skip
    plan = kerasft.TrainLastBlocks(1).apply(model)
    assert plan.decisions["dense_0/kernel"] is False
    assert not first.kernel.trainable


def test_a_model_with_a_weight_of_its_own():
    class WithWeight(keras.Model):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(), name="scale")
            self.dense = keras.layers.Dense(2, name="dense")

        def call(self, inputs):
            return self.dense(inputs) * self.scale

    model = WithWeight()
    model(np.zeros((1, 4), "float32"))
    structure = check_whole(model)
    assert [v.path for v in structure.variables] == ["scale", "dense/kernel", "dense/bias"]


@pytest.mark.parametrize(
    "layer",
    [
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(3), name="both"),
        lambda: keras.layers.RNN([keras.layers.GRUCell(3), keras.layers.LSTMCell(3)], name="deep"),
        lambda: keras.layers.TimeDistributed(keras.layers.Dense(3), name="each"),
        lambda: keras.layers.SpectralNormalization(keras.layers.Dense(3), name="spectral"),
    ],
)
def test_wrappers_and_cells(layer):
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layer()(inputs))
    check_whole(model)


@pytest.mark.core
def test_lora_and_seeds():
    model = keras.Sequential([keras.Input((4,)), dense(0), dropout(1), dense(2)])
    model.layers[0].enable_lora(2)
    structure = check_whole(model)
    parameters = {v.path: v.is_parameter for v in structure.variables}
    assert parameters["dense_0/kernel"] is False  # what a LoRA adapts stays as it is
    assert parameters["dense_0/lora_kernel_a"] is True


# Known models.


def names(structure):
    return [block.name for block in structure.blocks]


@pytest.mark.core
@pytest.mark.parametrize(
    ("make", "head"),
    [
        (flat_bert, {"global_average_pooling1d", "top"}),
        (nested_bert, {"top"}),
        (bert_task, {"classifier_dropout", "logits"}),
        (tiny_bert, set()),
    ],
)
def test_berts_of_every_build(make, head):
    structure = check_whole(make())
    assert names(structure) == ["token_embedding", *(f"transformer_layer_{i}" for i in range(3))]
    found = {view.layer.name.rstrip("_0123456789") for view in structure.head}
    assert found == {name.rstrip("_0123456789") for name in head}
    assert {view.name for view in structure.blocks[0]} > {"token_embedding", "position_embedding"}
    # What follows the last transformer layer belongs to it.
    if make is not flat_bert:  # which leaves the pooler out
        assert "pooled_dense" in {view.name for view in structure.blocks[-1]}


@pytest.mark.core
def test_a_residual_network():
    structure = check_whole(small_resnet())
    assert names(structure) == ["stem", "block0", "block1"]
    assert [view.name for view in structure.head] == ["pool", "top"]
    assert [layer.name for layer in structure.modules] == [
        "stem", "block0_conv", "block0_bn", "block1_conv", "block1_bn",
    ]  # fmt: skip


APPLICATIONS = {
    "MobileNet": ({"alpha": 0.25}, 14, "conv1", "conv_dw_13"),
    "MobileNetV2": ({"alpha": 0.35}, 19, "Conv1", "Conv_1"),
    "ResNet50": ({}, 17, "conv1", "conv5_block3"),
    "EfficientNetB0": ({}, 18, "normalization", "top_conv"),
    "VGG16": ({}, 5, "block1_conv", "block5_conv"),
}


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("include_top", [True, False])
def test_applications(name, include_top):
    arguments, count, first, last = APPLICATIONS[name]
    model = getattr(keras.applications, name)(
        weights=None, input_shape=(32, 32, 3), include_top=include_top, classes=3, **arguments
    )
    structure = check_whole(model)
    assert len(structure.blocks) == count
    assert names(structure)[0].startswith(first)  # a name that Keras numbers, in EfficientNet
    assert names(structure)[-1] == last
    assert any(view.variables for view in structure.head) == include_top


def test_an_application_inside_another_model():
    """Keras's own guide: rescaling, augmentation, the base, pooling, dropout, a dense layer."""
    base = keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), include_top=False
    )
    inputs = keras.Input((32, 32, 3))
    x = keras.layers.RandomFlip(name="flip")(inputs)
    x = keras.layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(x)
    x = base(x, training=False)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(500, name="wide")(keras.layers.Dropout(0.2, name="drop")(x))
    structure = check_whole(keras.Model(inputs, keras.layers.Dense(3, name="top")(x)))
    assert [view.name for view in structure.head] == ["pool", "drop", "wide", "top"]
    assert len(structure.blocks) == 14
    assert [view.name for view in structure.blocks[0]][:2] == ["flip", "rescale"]


def test_a_head_larger_than_the_backbone_hides_nothing():
    inputs = keras.Input((16,), name="own_input")
    backbone = kerasft.Backbone.from_model(SubclassedModel(name="own"), inputs=inputs)
    model = backbone.attach(kerasft.ClassificationHead(num_classes=2, hidden_units=500))
    structure = check_whole(model)
    assert len(structure.blocks) == len(backbone.blocks) > 1
    base = keras.Sequential([keras.Input((4,)), dense(0), dense(1), dense(2)], name="base")
    wide = keras.Sequential([keras.Input((4,)), base, keras.layers.Dense(900, name="top")])
    say(wide, head=["top"])
    assert len(take_apart(wide).blocks) == 3


@pytest.mark.core
def test_a_subclassed_model():
    model = SubclassedModel(name="own")
    model(np.zeros((1, 5), "float32"))
    structure = check_whole(model)
    assert names(structure) == ["stem", "residual_0", "residual_1", "residual_2"]
    assert structure.head == ()  # no graph shows which layer comes last
    say(model, head=["top"])
    assert [view.name for view in check_whole(model).head] == ["top"]


def test_a_model_that_cannot_be_divided_says_so():
    model = Own([dense(0), norm(1), dense(2)])
    model(np.zeros((1, 4), "float32"))
    structure = check_whole(model)
    assert len(structure.blocks) == 1
    assert structure.rule == "one block, for no rule divided the model"
    with pytest.raises(PlanError, match=r"came apart into 1 .*no rule divided the model"):
        kerasft.TrainLastBlocks(1).apply(model)


def test_the_head_comes_from_pooling_or_the_last_dense_layer():
    chain = keras.Sequential([keras.Input((4,)), dense(0), dense(1), dense(2)])
    assert [view.name for view in take_apart(chain).head] == ["dense_2"]
    only = keras.Sequential([keras.Input((4,)), dense(0)])
    assert take_apart(only).head == ()


# The user's word.


def chain():
    return keras.Sequential(
        [keras.Input((4,)), *(dense(i) for i in range(4)), dropout(4), dense(5)]
    )


@pytest.mark.core
def test_say():
    model = chain()
    say(model, blocks=[["dense_0", "dense_1"], ["dense_2", "dense_3"]], head=["dense_5"])
    structure = check_whole(model)
    assert structure.rule == "as the user said"
    assert [[view.name for view in block] for block in structure.blocks] == [
        ["dense_0", "dense_1"],
        ["dense_2", "dense_3", "dropout_4"],
    ]
    assert said_blocks(model) == (("dense_0", "dense_1"), ("dense_2", "dense_3"))
    say(model, blocks=[["dense_0"], ["dense_1", "dense_2", "dense_3"]])  # the head is kept
    assert [len(block) for block in take_apart(model).blocks] == [1, 4]
    assert [view.name for view in take_apart(model).head] == ["dense_5"]


def test_what_was_said_of_a_backbone_holds_in_a_model_round_it():
    base = chain()
    say(base, blocks=[["dense_0"], ["dense_1", "dense_2", "dense_3", "dense_5"]], head=[])
    model = keras.Sequential([keras.Input((4,)), base, keras.layers.Dense(2, name="top")])
    assert [len([v for v in b if v.variables]) for b in check_whole(model).blocks] == [1, 4]


def test_what_is_said_to_be_in_a_block_is_not_in_the_head():
    model = chain()
    names = [f"dense_{i}" for i in (0, 1, 2, 3, 5)]
    say(model, blocks=[names[:2], names[2:]])
    structure = check_whole(model)
    assert structure.head == ()
    assert len(structure.blocks) == 2


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"blocks": [["dens_0"]]}, "names of the backbone's layers. .*Did you mean 'dense_0'"),
        ({"blocks": [["dense_0"]]}, "names every layer with weights.*Missing: dense_1, dense_2"),
        (
            {"blocks": [["dense_0", "dense_1"], ["dense_1", "dense_2", "dense_3"]]},
            "each layer in one block only",
        ),
        ({"blocks": ["dense_0"]}, r"a list of layer names for each block.*Did you mean \['dens"),
        ({"blocks": "dense_0"}, "a list with a list of layer names for each block"),
        ({"blocks": []}, "a list with a list of layer names for each block"),
        ({"blocks": [[]]}, "No block may be empty"),
        ({"head": ["tpo", "dense_5"]}, "`head` must be made of the names of the model's layers"),
        ({"head": ["dense5"]}, "Did you mean 'dense_5'"),
        ({"head": "dense_5"}, r"Did you mean \['dense_5'\]"),
    ],
)
def test_a_wrong_word_is_refused_and_forgotten(said, message):
    model = chain()
    before = dict(vars(model))
    with pytest.raises(ArgumentError, match=message):
        say(model, **said)
    assert vars(model) == before
    say(model, head=["dense_5"])
    with pytest.raises(ArgumentError, match=message):
        say(model, **said)
    assert [view.name for view in take_apart(model).head] == ["dense_5"]


def test_what_is_no_built_model():
    with pytest.raises(ArgumentError, match=r"`model` must be a keras.Model"):
        take_apart(keras.layers.Dense(2))
    with pytest.raises(
        ArgumentError, match=r"`model` must be built. Received: model=<Seq.*Call it"
    ):
        take_apart(keras.Sequential([keras.layers.Dense(2)]))


# What a fit may change.


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
@pytest.mark.parametrize("freeze", ["nothing", "all", "one", "gamma", "parent", "child"])
def test_changeable_variables_are_those_that_a_fit_changes(freeze):
    inputs = keras.Input((4,))
    block = ResidualBlock(name="block")
    x = block(keras.layers.Dense(8, name="first")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    if freeze == "all":
        model.trainable = False
    if freeze == "one":
        model.get_layer("first").trainable = False
    if freeze in ("parent", "child"):
        block.trainable = False
    if freeze == "child":
        block.norm.trainable = True
    if freeze == "gamma":
        block.norm.gamma.trainable = False
    told = {id(variable) for variable in changeable_variables(model)}
    assert len(told) == len(changeable_variables(model))

    before = {id(v): keras.ops.convert_to_numpy(v).copy() for v in model.weights}
    model.compile(keras.optimizers.SGD(0.1), "mse", run_eagerly=True)
    random = np.random.default_rng(0)
    model.fit(random.normal(size=(8, 4)), random.normal(size=(8, 2)), epochs=2, verbose=0)
    moved = {
        id(v)
        for v in model.weights
        if not np.array_equal(before[id(v)], keras.ops.convert_to_numpy(v))
    }
    # Batch norm takes off any constant, so that the bias before it has no gradient but rounding.
    moved |= told & {id(block.dense.bias)}
    assert moved == told


# KerasHub.


def small_albert():
    import keras_hub

    return keras_hub.models.AlbertBackbone(
        vocabulary_size=50,
        num_layers=3,
        num_heads=2,
        embedding_dim=4,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )


def small_gpt2():
    import keras_hub

    return keras_hub.models.GPT2Backbone(
        vocabulary_size=50,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )


def small_deberta():
    import keras_hub

    return keras_hub.models.DebertaV3Backbone(
        vocabulary_size=50,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
        bucket_size=4,
    )


def small_vit():
    import keras_hub

    return keras_hub.models.ViTBackbone(
        image_shape=(8, 8, 3),
        patch_size=4,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (small_gpt2, [f"transformer_layer_{i}" for i in range(3)]),
        (small_deberta, [f"disentangled_attention_encoder_layer_{i}" for i in range(3)]),
        (small_vit, [f"transformer_block_{i + 1}" for i in range(3)]),
    ],
)
def test_keras_hub_families(make, expected):
    structure = check_whole(make())
    assert names(structure)[1:] == expected


def test_shared_layers_are_one_block():
    """ALBERT runs one transformer layer three times: that is one block of weights."""
    structure = check_whole(small_albert())
    assert len(structure.blocks) == 2
    assert {"token_embedding", "embedding_projection"} < {v.name for v in structure.blocks[0]}
    assert "composite layers that the graph calls more than once" in structure.rule


def test_taking_apart_leaves_the_outputs_as_they_are():
    model = flat_bert()
    x, _ = text_batch()
    before = keras.ops.convert_to_numpy(model(x))
    take_apart(model)
    np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(model(x)))
