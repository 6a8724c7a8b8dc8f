"""A plan as a file that a hand may edit, and as a table."""

import json

import keras
import numpy as np
import pytest
from models import flat_bert, small_resnet, text_batch

from kerasft import TrainBiases, TrainEverything, TrainHead, TrainLastBlocks, TrainSelected
from kerasft.errors import PlanError
from kerasft.freezing import Plan, is_pinned
from kerasft.optimizers import LayerwiseOptimizer
from kerasft.structure import walk


def chain():
    model = keras.Sequential([keras.Input((4,))], name="chain")
    for name in ("a", "b", "c", "top"):
        model.add(keras.layers.Dense(4, name=name))
    return model


def trace_of(model):
    """Everything that a plan could touch: flags, pins, optimizer and train function."""
    layers = [model, *(layer for _, layer in walk(model))]
    optimizer = model.optimizer if model.compiled else None
    return (
        [layer.trainable for layer in layers],
        [variable.trainable for variable in model.variables],
        [is_pinned(layer) for layer in layers],
        [sorted(vars(layer)) for layer in layers],
        id(model.train_function),
        id(optimizer),
        [] if optimizer is None else [id(variable) for variable in optimizer.variables],
        [] if optimizer is None else [np.array(variable) for variable in optimizer.variables],
    )


def same(one, other):
    return all(
        all(map(np.array_equal, a, b)) if isinstance(a, list) else a == b
        for a, b in zip(one, other, strict=True)
    )


# Written down, edited, applied again.


@pytest.mark.parametrize(
    "policy",
    [
        TrainLastBlocks(1),
        TrainBiases(),
        TrainSelected("*/kernel"),
        TrainHead(frozen_mode="training"),
    ],
    ids=repr,
)
def test_a_plan_is_saved_and_read(tmp_path, policy):
    plan = policy.plan(small_resnet())
    path = tmp_path / "plan.json"
    plan.save(path)
    read = Plan.load(path)
    assert read == plan
    assert hash(read) == hash(plan)
    assert str(read) == str(plan)
    assert read.rows == plan.rows
    assert [file.name for file in tmp_path.iterdir()] == ["plan.json"]


def test_an_edited_plan_applies_again(tmp_path):
    model = flat_bert()
    plan = TrainLastBlocks(1).plan(model)
    path = tmp_path / "plan.json"
    plan.save(path)
    edited = json.loads(path.read_text())
    assert edited["layers"]["position_embedding"]["trains"] is False
    edited["layers"]["position_embedding"]["trains"] = True
    edited["layers"]["top"]["trains"] = {"kernel": False, "bias": True}
    del edited["policy"], edited["model"], edited["blocks"]
    path.write_text(json.dumps(edited))
    loaded = Plan.load(path)
    assert loaded != plan
    loaded.apply(model)
    trained = {v.path for v in model.trainable_variables}
    assert "position_embedding/embeddings" in trained
    assert "top/bias" in trained
    assert "top/kernel" not in trained


def test_statistics_may_be_kept_by_hand():
    model = small_resnet()
    config = TrainEverything().plan(model).to_dict()
    assert "keeps_statistics" not in config["layers"]["block0_bn"]
    config["layers"]["block0_bn"]["keeps_statistics"] = True
    Plan.from_dict(config).apply(model)
    assert [layer.name for layer in model.layers if is_pinned(layer)] == ["block0_bn"]
    assert model.get_layer("block0_bn").trainable_variables


def edit(config, keys, value):
    *parents, last = keys.split("/")
    for key in parents:
        config = config[key]
    if value is None:
        del config[last]
    else:
        config[last] = value


BAD_EDITS = {
    "no format": ("format", None, r"`plan` must have the keys .*one without 'format'"),
    "another format": ("format", 2, r"`format` must be 1. Received: format=2 .*newer kerasft"),
    "a format in quotes": ("format", "1", "`format` must be 1"),
    "no mode": ("frozen_mode", None, "one without 'frozen_mode'"),
    "a misspelt mode": ("frozen_mode", "trainig", "or 'training'.*Did you mean 'training'"),
    "a list for a mode": ("frozen_mode", [], "`frozen_mode` must be 'inference' or 'training'"),
    "no layers": ("layers", None, "one without 'layers'"),
    "a list of layers": ("layers", ["top"], "`layers` must be a mapping of names to values"),
    "layers without layers": ("layers", {}, "must leave something to train"),
    "an unknown key": ("layer", {}, "Received: plan='layer' .* Did you mean 'layers'"),
    "a policy that is no text": ("policy", 3, "`policy` must be a text. Received: policy=3"),
    "a model that is no text": ("model", ["a"], "`model` must be a text"),
    "blocks in a list": ("blocks", ["a"], "`blocks` must be a mapping"),
    "a block without a number": ("blocks/first", "a", "`blocks` must be the number of a block"),
    "a block without a name": ("blocks/0", 0, r"`blocks\['0'\]` must be a text"),
    "true for a layer": ("layers/a", True, "`layers` must be a mapping .*In layer 'a'"),
    "no kind": ("layers/a/kind", None, "one without 'kind'. In layer 'a'"),
    "a kind that is no text": ("layers/a/kind", 1, "`kind` must be a text.*In layer 'a'"),
    "no block": ("layers/a/block", None, "one without 'block'. In layer 'a'"),
    "a block in quotes": ("layers/a/block", "3", "In layer 'a'. Did you mean 3, without quotes"),
    "a misspelt head": ("layers/top/block", "haed", "In layer 'top'. Did you mean 'head'"),
    "a negative block": ("layers/a/block", -1, "number of a block or 'head'. Received: block=-1"),
    "a block that is true": ("layers/a/block", True, "number of a block or 'head'"),
    "a block in a list": ("layers/a/block", [1], "number of a block or 'head'"),
    "no decision": ("layers/a/trains", None, "one without 'trains'. In layer 'a'"),
    "yes": ("layers/a/trains", "yes", "`trains` must be true or false.*'yes'.*In layer 'a'"),
    "one": ("layers/a/trains", 1, "`trains` must be true or false.*trains=1 .*In layer 'a'"),
    "a list of decisions": ("layers/a/trains", ["kernel"], "`trains` must be true or false"),
    "a misspelt key of a layer": ("layers/a/train", True, "Did you mean 'trains'"),
    "a weight left out": ("layers/a/trains", {"kernel": True}, "without 'bias'. In layer 'a'"),
    "a misspelt weight": (
        "layers/a/trains",
        {"kernal": True, "bias": True},
        "made of the keys 'kernel', 'bias'. .* In layer 'a'. Did you mean 'kernel'",
    ),
    "a weight that says yes": (
        "layers/a/trains",
        {"kernel": "yes", "bias": True},
        r"`trains\['kernel'\]` must be true or false. Received: .*'yes'.*In layer 'a'",
    ),
    "no weights": ("layers/a/weights", None, "one without 'weights'. In layer 'a'"),
    "weights in a list": ("layers/a/weights", ["kernel"], "`weights` must be a mapping"),
    "a size in quotes": ("layers/a/weights/kernel", "16", r"`weights\['kernel'\]` must be a whole"),
    "statistics": ("layers/a/keeps_statistics", "no", "`keeps_statistics` must be true or false"),
}


@pytest.mark.parametrize("name", BAD_EDITS)
def test_bad_edits_are_told(tmp_path, name):
    keys, value, message = BAD_EDITS[name]
    config = TrainHead().plan(chain()).to_dict()
    edit(config, keys, value)
    with pytest.raises(PlanError, match=message):
        Plan.from_dict(config)
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(config))
    with pytest.raises(PlanError, match=message):
        Plan.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "No plan could be read from .*plan.json"),
        ("", "No plan could be read from"),
        ("[]", r"`plan` must be a mapping of names to values. Received: plan=\[\]"),
        ("null", "`plan` must be a mapping"),
        ('{"format": 1, "format": 1}', "tell of everything once. Received: 'format' twice"),
        ('{"format": 1, "layers": {"a": {"trains": 1, "trains": 0}}}', "Received: 'trains' twice"),
    ],
)
def test_files_that_are_no_plans(tmp_path, text, message):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanError, match=message):
        Plan.load(path)
    with pytest.raises(PlanError, match="No plan could be read"):
        Plan.load(tmp_path / "elsewhere.json")


# Plans of another model.


def renamed(old, new):
    def change(config):
        config["layers"][new] = config["layers"].pop(old)

    return change


WRONG_PLANS = {
    "of another model": (
        lambda: TrainHead().plan(small_resnet()),
        "does not have, the first being",
    ),
    "with a misspelt layer": (renamed("top", "topp"), "'topp/kernel'. The nearest is 'top/kernel'"),
    "without a layer": (lambda config: config["layers"].pop("b"), "says nothing of 2 weights"),
    "without a weight": (
        lambda config: config["layers"]["b"]["weights"].pop("bias"),
        "says nothing of 1 weights of model 'chain', the first being 'b/bias'",
    ),
}


@pytest.mark.parametrize("under_a_plan", [False, True])
@pytest.mark.parametrize("name", WRONG_PLANS)
def test_a_plan_that_does_not_fit_leaves_the_model_as_it_was(name, under_a_plan):
    make, message = WRONG_PLANS[name]
    if name == "of another model":
        plan = make()
    else:
        config = TrainHead().plan(chain()).to_dict()
        make(config)
        plan = Plan.from_dict(config)
    model = chain()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    former = TrainLastBlocks(1).apply(model) if under_a_plan else None
    model.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    before = trace_of(model)
    with pytest.raises(PlanError, match=message):
        plan.apply(model)
    assert same(trace_of(model), before)
    assert Plan.of(model) is former
    assert plan.model is None
    with pytest.raises(PlanError, match=message):
        plan.check_fits(model)


@pytest.mark.core
def test_what_was_looked_at_would_have_changed():
    model = chain()
    model.compile(keras.optimizers.Adam(1e-2), "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    before = trace_of(model)
    assert same(trace_of(model), before)
    TrainHead().apply(model)
    after = trace_of(model)
    assert sum(not same([a], [b]) for a, b in zip(before, after, strict=True)) >= 5


def test_a_plan_holds_for_one_model_at_a_time():
    model, other = chain(), chain()
    plan = TrainHead().apply(model)
    with pytest.raises(PlanError, match="applied to one model at a time"):
        plan.apply(other)
    plan.undo()
    plan.apply(other)
    assert plan.model is other
    with pytest.raises(PlanError, match="`undo` needs a plan that is applied"):
        TrainHead().plan(model).undo()


def test_a_plan_applied_twice_is_asserted_anew_and_undone_once():
    model = chain()
    model.get_layer("b").trainable = False
    flags = trace_of(model)
    below = TrainLastBlocks(2).apply(model)
    plan = TrainHead().apply(model)
    model.trainable = True  # by accident
    plan.apply(model)
    assert {v.path.split("/")[-2] for v in model.trainable_variables} == {"top"}
    plan.undo()
    assert Plan.of(model) is below
    below.undo()
    assert same(trace_of(model), flags)
    assert Plan.of(model) is None


# The table.


def column(plan, name="rate multiplier"):
    """A column of the printed table, by block."""
    lines = str(plan).splitlines()
    place = next(line for line in lines if line.startswith("block"))
    end = place.index(name) + len(name)
    start = place.index("runs in") + len("inference ")
    rows = [line for line in lines[lines.index(place) + 2 :] if line[:1].strip()]
    return {row.split()[0]: row[start:end].strip() for row in rows if "stand still" not in row}


def test_without_rates_of_their_own_all_that_trains_has_one():
    model = chain()
    plan = TrainLastBlocks(1).apply(model)
    assert column(plan) == {"0": "-", "1": "-", "2": "1", "head": "1"}
    model.compile("adam", "mse")
    assert column(plan) == {"0": "-", "1": "-", "2": "1", "head": "1"}


@pytest.mark.parametrize("wrap", [lambda inner: inner, keras.optimizers.LossScaleOptimizer])
def test_the_multipliers_of_the_optimizer_are_shown(wrap):
    model = chain()
    table = {"b/kernel": 0.25, "b/bias": 0.5}
    optimizer = LayerwiseOptimizer(
        keras.optimizers.SGD(0.1), model, decay=0.8, multipliers=table, head_multiplier=5
    )
    model.compile(wrap(optimizer), "mse")
    plan = TrainEverything().apply(model)
    expected = {"0": "0.512", "1": "0.25 to 0.5", "2": "0.8", "head": "5"}
    assert column(plan) == expected
    html = plan._repr_html_()
    assert all(f">{value}</td>" in html for value in expected.values())
    assert ">rate multiplier</th>" in html

    # Of a block only what trains counts, and of a plan only what is in force.
    plan = TrainSelected("b/bias").apply(model)
    assert column(plan) == {"0": "-", "1": "0.5", "2": "-", "head": "5"}
    plan.undo()
    assert column(plan) == {"0": "-", "1": "1", "2": "-", "head": "1"}


@pytest.mark.core
def test_multipliers_that_nobody_knows_yet_are_not_made_up():
    model = chain()
    model.compile(LayerwiseOptimizer(keras.optimizers.SGD(0.1), model, decay=0.5), "mse")
    model.get_layer("c").enable_lora(2)
    plan = TrainLastBlocks(1).apply(model)
    assert column(plan) == {"0": "-", "1": "-", "2": "?", "head": "1"}
    model.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    assert column(plan) == {"0": "-", "1": "-", "2": "0.5", "head": "1"}


def test_the_table_of_a_plan_in_force_on_a_real_graph():
    model, (x, y) = flat_bert(), text_batch()
    plan = TrainLastBlocks(2).apply(model)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = LayerwiseOptimizer(keras.optimizers.AdamW(1e-3), model, decay=0.9)
    model.compile(optimizer, loss, run_eagerly=True)
    model.fit(x, y, verbose=0)
    assert column(plan) == {"0": "-", "1": "-", "2": "0.81", "3": "0.9", "head": "1"}
