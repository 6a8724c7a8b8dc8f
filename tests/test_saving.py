"""Saving and loading: outputs, plan, flags, pins, optimizer state, and on it goes."""

import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from models import (
    ResidualBlock,
    SubclassedModel,
    bert_task,
    flat_bert,
    image_batch,
    nested_bert,
    small_resnet,
    text_batch,
)

import kerasft
from kerasft import Plan, TrainHead, TrainLastBlocks, TrainSelected
from kerasft.errors import PlanError, SourceError
from kerasft.freezing import PLAN_FILE, is_pinned
from kerasft.structure import changeable_variables, say, take_apart, walk

MODELS = {
    "flat BERT": (lambda: flat_bert(num_layers=2), text_batch),
    "nested BERT": (lambda: nested_bert(num_layers=2), text_batch),
    "residual network": (small_resnet, image_batch),
}


def still(model):
    """Without dropout: random states are not in a `.keras` file."""
    for _, layer in walk(model):
        for name in ("rate", "_dropout"):
            if isinstance(getattr(layer, name, None), float):
                setattr(layer, name, 0.0)
    return model


def compile_(model, optimizer=None, **kwargs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    kwargs = {"run_eagerly": True} | kwargs  # tracing is not what is tested here
    model.compile(optimizer or keras.optimizers.AdamW(0.01), loss=loss, **kwargs)


def fit(model, batch, epochs=1):
    x, y = batch
    model.fit(x, y, batch_size=3, epochs=epochs, shuffle=False, verbose=0)


def arrays(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def state(model):
    """All that a loaded model must have again."""
    told = take_apart(model)
    changeable = {id(variable) for variable in changeable_variables(model)}
    return {
        "plan": Plan.of(model),
        "variables": {v.path: v.variable.trainable for v in told.variables},
        "changeable": [v.path for v in told.variables if id(v.variable) in changeable],
        "pins": [path for path, layer in walk(model) if is_pinned(layer)],
        # Keras numbers a softmax inside a layer anew each time: layers without weights left out.
        "blocks": [(v.path, v.block, v.in_head) for v in told.layers if v.variables],
    }


def outputs(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.keras"


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("flat BERT", TrainLastBlocks(1)),
        ("nested BERT", TrainHead()),
        ("nested BERT", TrainLastBlocks(1)),
        ("residual network", TrainHead()),
        ("residual network", TrainLastBlocks(1)),
    ],
)
def test_save_load_and_go_on_as_if_nothing_had_happened(name, policy, path):
    make, batch = MODELS[name]
    model, batch = still(make()), batch()
    policy.apply(model)
    compile_(model)
    fit(model, batch)
    model.save(path)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        plain = keras.saving.load_model(path)
    loaded = kerasft.load_model(path)
    for other in (plain, loaded):
        np.testing.assert_array_equal(outputs(other, batch[0]), outputs(model, batch[0]))
    assert Plan.of(plain) is None
    assert state(loaded) == state(model)
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))
    assert int(loaded.optimizer.iterations) == 2

    fit(model, batch)
    fit(still(loaded), batch)
    same(arrays(loaded.weights), arrays(model.weights))
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))


def ema():
    return keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.9)


def accumulating():
    return keras.optimizers.SGD(0.01, momentum=0.9, gradient_accumulation_steps=2)


def loss_scaling():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), initial_scale=8.0)


@pytest.mark.parametrize("make", [ema, accumulating, loss_scaling, keras.optimizers.Adafactor])
def test_optimizers_of_every_kind_go_on(make, path):
    model, batch = still(small_resnet()), image_batch(9)
    TrainLastBlocks(1).apply(model)
    compile_(model, make())
    fit(model, batch)
    model.save(path)
    loaded = still(kerasft.load_model(path))
    assert type(loaded.optimizer) is type(model.optimizer)
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))
    fit(model, batch)
    fit(loaded, batch)
    same(arrays(loaded.weights), arrays(model.weights))


@pytest.mark.core
def test_a_rate_for_every_layer_goes_on(path):
    model, batch = still(small_resnet()), image_batch(9)
    TrainLastBlocks(1).apply(model)
    compile_(
        model,
        kerasft.optimizers.LayerwiseOptimizer(keras.optimizers.AdamW(0.01), model, decay=0.5),
    )
    fit(model, batch)
    model.save(path)
    loaded = still(kerasft.load_model(path))
    assert loaded.optimizer.table == model.optimizer.table
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))
    fit(model, batch)
    fit(loaded, batch)
    same(arrays(loaded.weights), arrays(model.weights))


@pytest.mark.core
def test_what_began_to_train_late_goes_on(path):
    """Adam corrects its bias by the steps of each variable; the file tells when they began."""
    model, batch = still(small_resnet()), image_batch(9)
    TrainHead().apply(model)
    compile_(model)
    fit(model, batch)
    TrainLastBlocks(1).apply(model)
    fit(model, batch)
    model.save(path)
    loaded = still(kerasft.load_model(path))
    fit(model, batch)
    fit(loaded, batch)
    same(arrays(loaded.weights), arrays(model.weights))


def test_float16_with_the_scaling_that_compile_adds(path):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model, batch = still(small_resnet()), image_batch()
    finally:
        keras.config.set_dtype_policy("float32")
    TrainHead().apply(model)
    compile_(model)
    fit(model, batch)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert type(loaded.optimizer) is keras.optimizers.LossScaleOptimizer
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))


@pytest.mark.core
def test_in_a_traced_fit(path):
    model, batch = still(small_resnet()), image_batch()
    TrainLastBlocks(1).apply(model)
    compile_(model, run_eagerly=False)
    fit(model, batch)
    model.save(path)
    loaded = still(kerasft.load_model(path))
    before = {v.path: arrays([v.variable])[0] for v in take_apart(loaded).variables}
    fit(model, batch)
    fit(loaded, batch)
    same(arrays(loaded.weights), arrays(model.weights))
    moved = {
        v.path
        for v in take_apart(loaded).variables
        if not np.array_equal(before[v.path], arrays([v.variable])[0])
    }
    assert moved <= set(state(model)["changeable"])


def test_a_keras_hub_task_keeps_the_optimizer_it_was_compiled_with(path):
    model, batch = bert_task(), text_batch()
    model.preprocessor = None
    TrainLastBlocks(1).apply(still(model))
    compile_(model, keras.optimizers.SGD(0.123, momentum=0.5))
    fit(model, batch)
    model.save(path)
    loaded = still(kerasft.load_model(path))
    assert state(loaded) == state(model)
    assert type(loaded.optimizer) is keras.optimizers.SGD
    assert float(loaded.optimizer.learning_rate) == pytest.approx(0.123)
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))


# With and without a compile, an optimizer, a plan.


def test_not_compiled(path):
    model = small_resnet()
    TrainHead().apply(model)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert state(loaded) == state(model)
    assert not loaded.compiled


def test_compiled_and_never_trained(path):
    model = small_resnet()
    TrainHead().apply(model)
    compile_(model)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert state(loaded) == state(model)
    assert int(loaded.optimizer.iterations) == 0
    fit(loaded, image_batch())


def test_loaded_without_compiling(path):
    model = small_resnet()
    TrainHead().apply(model)
    compile_(model)
    model.save(path)
    assert not kerasft.load_model(path, compile=False).compiled


def test_without_a_plan_it_is_what_keras_does(path):
    model, batch = small_resnet(), image_batch()
    compile_(model)
    fit(model, batch)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert Plan.of(loaded) is None
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))


def test_after_undo_the_file_has_no_plan(path):
    model = small_resnet()
    plan = TrainHead().apply(model)
    plan.undo()
    model.save(path)
    assert not [name for name in zipfile.ZipFile(path).namelist() if PLAN_FILE in name]
    assert Plan.of(kerasft.load_model(path)) is None


def test_the_plan_can_be_changed_and_undone_after_loading(path):
    model, batch = small_resnet(), image_batch()
    TrainHead().apply(model)
    compile_(model)
    fit(model, batch)
    model.save(path)
    loaded = kerasft.load_model(path)
    slots = {v.path: arrays([v])[0] for v in loaded.optimizer.variables if "momentum" in v.path}
    TrainLastBlocks(1).apply(loaded)
    kept = {v.path: arrays([v])[0] for v in loaded.optimizer.variables if "momentum" in v.path}
    assert len(kept) > len(slots) == 2
    assert all(
        any(np.array_equal(slot, other) for other in kept.values()) for slot in slots.values()
    )
    Plan.of(loaded).undo()
    Plan.of(loaded).undo()
    assert all(variable.trainable for variable in loaded.trainable_variables)
    assert not any(is_pinned(layer) for _, layer in walk(loaded))


def test_training_mode_comes_back(path):
    model = small_resnet()
    TrainHead(frozen_mode="training").apply(model)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert state(loaded) == state(model)
    assert not state(loaded)["pins"]
    assert Plan.of(loaded).frozen_mode == "training"


def test_checkpoints_carry_the_plan(tmp_path):
    model, (x, y) = small_resnet(), image_batch()
    TrainHead().apply(model)
    compile_(model)
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.keras")
    model.fit(x, y, epochs=2, verbose=0, callbacks=[checkpoint])
    for epoch in (1, 2):
        loaded = kerasft.load_model(tmp_path / f"{epoch}.keras")
        assert Plan.of(loaded) == Plan.of(model)
        assert int(loaded.optimizer.iterations) == epoch


def test_a_plan_of_a_model_inside_is_not_taken_for_the_outer_ones(path):
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="a")(inputs)
    inner = keras.Model(inputs, keras.layers.Dense(4, name="b")(x), name="inner")
    TrainSelected("b", and_head=False).apply(inner)
    outer_in = keras.Input((4,))
    outer = keras.Model(outer_in, keras.layers.Dense(2, name="top")(inner(outer_in)))
    outer.save(path)
    assert Plan.of(kerasft.load_model(path)) is None
    TrainHead().apply(outer)
    outer.save(path)
    assert Plan.of(kerasft.load_model(path)) == Plan.of(outer)


# What the user said of the model.


def test_the_users_division_comes_back(path):
    model = small_resnet()
    say(
        model,
        blocks=[["stem", "block0_conv"], ["block0_bn", "block1_conv", "block1_bn"]],
        head=["pool", "top"],
    )
    TrainLastBlocks(1).apply(model)
    model.save(path)
    loaded = kerasft.load_model(path)
    assert state(loaded) == state(model)
    assert take_apart(loaded).rule == "as the user said"
    assert str(Plan.of(loaded)) == str(Plan.of(model))


def test_a_subclassed_model_keeps_its_head(path):
    model = SubclassedModel(name="own")
    model(np.zeros((1, 5), "float32"))
    say(model, head=["top"])
    TrainHead().apply(model)
    model.save(path)
    assert state(kerasft.load_model(path)) == state(model)


@keras.saving.register_keras_serializable(package="kerasft_tests")
class Unnamed(keras.Model):
    """As people write them: Keras numbers the layers, anew for every model."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first = keras.layers.Dense(4)
        self.second = keras.layers.Dense(3)
        self.top = keras.layers.Dense(2)

    def call(self, inputs):
        return self.top(self.second(self.first(inputs)))


@pytest.mark.core
def test_names_that_drift_do_not_lose_the_plan(path):
    model = Unnamed()
    x = np.ones((3, 4), "float32")
    model(x)
    say(model, head=[model.top.name])
    TrainHead().apply(model)
    compile_(model)
    fit(model, (x, np.zeros(3, "int32")))
    model.save(path)
    loaded = kerasft.load_model(path)
    assert loaded.top.name != model.top.name
    assert [v.path.rpartition("/")[2] for v in loaded.trainable_variables] == ["kernel", "bias"]
    assert {id(v) for v in loaded.trainable_variables} == {id(v) for v in loaded.top.weights}
    assert is_pinned(loaded.first)
    same(arrays(loaded.optimizer.variables), arrays(model.optimizer.variables))


# Bad files.


def test_a_missing_file_with_the_nearest_name(tmp_path):
    small_resnet().save(tmp_path / "reviews.keras")
    with pytest.raises(SourceError, match=r"must exist. .*reviws.keras.*Did you mean 'reviews.k"):
        kerasft.load_model(tmp_path / "reviws.keras")
    with pytest.raises(SourceError, match=r"must exist"):
        kerasft.load_model(tmp_path / "nowhere" / "model.keras")
    with pytest.raises(SourceError, match=r"must exist"):
        kerasft.load_model(tmp_path)


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_truncated_file(path, share):
    model = small_resnet()
    TrainHead().apply(model)
    model.save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(SourceError, match=r"not a whole `.keras` file"):
        kerasft.load_model(path)


def rewritten(path, name, content):
    """The same archive with one member changed."""
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    members[name] = content
    with zipfile.ZipFile(path, "w") as archive:
        for one, value in members.items():
            archive.writestr(one, value)


@pytest.mark.parametrize("content", [b"{", b"[]", b"{}", b'{"format": 1}'])
def test_a_damaged_plan_in_the_file(path, content):
    model = small_resnet()
    TrainHead().apply(model)
    model.save(path)
    rewritten(path, f"assets/{PLAN_FILE}", content)
    with pytest.raises(PlanError, match=r"freeze plan in .*model\.keras.* cannot be read"):
        kerasft.load_model(path)
    assert keras.saving.load_model(path)  # plain Keras still can


def test_a_plan_that_does_not_fit_the_model(path):
    model = small_resnet()
    plan = TrainHead().apply(model).to_dict()
    model.save(path)
    plan["layers"]["tpo"] = plan["layers"].pop("top")
    plan["layers"]["tpo"]["weights"] = {"kernel": 1, "bias": 1}
    rewritten(path, f"assets/{PLAN_FILE}", json.dumps(plan).encode())
    with pytest.raises(PlanError, match=r"does not have, the first being 'tpo/"):
        kerasft.load_model(path)


def test_classes_of_the_users_own(path):
    class Doubled(keras.layers.Layer):
        def call(self, inputs):
            return 2 * inputs

    inputs = keras.Input((4,))
    x = Doubled(name="doubled")(keras.layers.Dense(4, name="body")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainHead().apply(model)

    def own_loss(y_true, y_pred):
        return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    model.compile("sgd", loss=own_loss)
    model.save(path)
    loaded = kerasft.load_model(path, custom_objects={"Doubled": Doubled, "own_loss": own_loss})
    assert Plan.of(loaded) == Plan.of(model)
    assert loaded.loss is own_loss


def test_lambdas_need_the_users_word(path):
    inputs = keras.Input((4,))
    x = keras.layers.Lambda(lambda t: 2 * t)(keras.layers.Dense(4, name="body")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainHead().apply(model)
    model.save(path)
    with pytest.raises(ValueError, match=r"lambda"):
        kerasft.load_model(path)
    assert Plan.of(kerasft.load_model(path, safe_mode=False)) == Plan.of(model)


# In another process.


def test_a_fresh_process_needs_only_the_import(path):
    backbone = kerasft.Backbone.from_model(nested_bert().layers[-2])
    head = kerasft.ClassificationHead(num_classes=2, class_names=["bad", "good"])
    model = backbone.attach(head)
    TrainHead().apply(model)
    compile_(model)
    x, y = text_batch()
    fit(model, (x, y))
    model.save(path)
    np.savez(path.with_suffix(".npz"), wanted=outputs(model, x), **x)
    code = f"""
import sys
import numpy as np
import keras, kerasft
stored = dict(np.load({str(path.with_suffix(".npz"))!r}))
wanted = stored.pop("wanted")
plain = keras.saving.load_model({str(path)!r})
ours = kerasft.load_model({str(path)!r})
for model in (plain, ours):
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(model(stored, training=False)), wanted
    )
assert kerasft.Plan.of(plain) is None
print(len(ours.trainable_variables), int(ours.optimizer.iterations))
"""
    found = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [str(len(model.trainable_variables)), "2"]


def test_residual_blocks_load_with_their_statistics(path):
    inputs = keras.Input((8,))
    x = ResidualBlock(name="residual_0")(inputs)
    x = ResidualBlock(name="residual_1")(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
    TrainLastBlocks(1).apply(model)
    compile_(model)
    random = np.random.default_rng(0)
    fit(model, (random.normal(size=(6, 8)).astype("float32"), np.arange(6) % 2))
    model.save(path)
    loaded = kerasft.load_model(path)
    assert state(loaded) == state(model)
    same(arrays(loaded.weights), arrays(model.weights))
