"""What the tests of exactness share: every weight before and after, bit for bit."""

import keras
import numpy as np

from kerasft.structure import take_apart, walk


def values(model):
    """A copy of every weight, by path."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()  # while `fit` runs they lie outside of the model
    return {
        v.path: keras.ops.convert_to_numpy(v.variable).copy() for v in take_apart(model).variables
    }


def changed(before, after):
    """The paths of what is not bit for bit as it was."""
    return {path for path in before if not np.array_equal(before[path], after[path])}


def moved_by_fit(model, x, y, **kwargs):
    before = values(model)
    model.fit(x, y, **{"verbose": 0, "batch_size": 3, **kwargs})
    return changed(before, values(model))


def compile_(model, optimizer=None, **kwargs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(1e-2), loss=loss, **kwargs)


def reached(paths):
    """Leaves out what no loss reaches: a pooler that the head does not read, a key's bias.

    Softmax is blind to a constant added to every score, so the gradient of the key's bias is
    zero up to rounding.
    """
    return {p for p in paths if "pooled_dense" not in p and "key/bias" not in p}


def planned_paths(plan):
    return {path for path, trains in plan.decisions.items() if trains}


def moving_statistics(model, plan):
    """The statistics that a fit should move: those of layers that run in training mode.

    A layer that has nothing to train goes by what trains in the layers that hold it, and then by
    what trains in its block, or in the last block before it that has something to train.
    """
    structure = take_apart(model)
    if plan.frozen_mode == "training":
        return {v.path for v in structure.variables if v.name.startswith("moving_")}
    trains = {id(v.variable): plan.decisions[v.path] for v in structure.variables if v.is_parameter}
    layers = dict(walk(model))

    def frozen(weights):
        decisions = [trains[id(weight)] for weight in weights if id(weight) in trains]
        return bool(decisions) and not any(decisions)

    def block_of(view):
        return [
            v.variable
            for other in structure.layers
            if (other.block, other.in_head) == (view.block, view.in_head)
            for v in other.variables
        ]

    def runs_in_inference(view):
        parts = view.path.split("/")
        holders = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        blocks = [block_of(other) for other in structure.layers[: structure.layers.index(view) + 1]]
        own = next((block for block in reversed(blocks) if trains.keys() & set(map(id, block))), [])
        return (
            view.path in plan.keeps_statistics
            or any(frozen(layers[path].weights) for path in holders)
            or (not any(v.is_parameter for v in view.variables) and frozen(own))
        )

    return {
        v.path
        for view in structure.layers
        for v in view.variables
        if v.name.startswith("moving_") and not runs_in_inference(view)
    }


def check_exactly_the_planned_weights_change(model, plan, x, y, blind=frozenset(), **kwargs):
    """Fit, and compare what moved with what was planned, with tolerance zero.

    `blind` are paths whose gradient is zero up to rounding, beside those that `reached` knows.
    """
    moved = moved_by_fit(model, x, y, **kwargs)
    planned, statistics = planned_paths(plan), moving_statistics(model, plan)
    assert moved - planned - statistics == set()
    assert reached(planned) - blind - moved == set()
    assert statistics - moved == set()


_SHADOWS = ("call", "quantized_call", "save_assets")


def all_flags(model):
    """Every flag that there is, and every attribute that a plan adds to a layer."""
    layers = [model, *(layer for _, layer in walk(model))]
    added = [
        sorted(name for name in vars(layer) if name in _SHADOWS or name.startswith("__kerasft"))
        for layer in layers
    ]
    return (
        [layer.trainable for layer in layers],
        [variable.trainable for variable in model.variables],
        added,
    )


def outputs(model, x, training):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, model(x, training=training))


def check_deterministic(model, x):
    """In training mode the model gives, every time, what it gives in inference mode."""
    first = outputs(model, x, training=True)
    for again in (outputs(model, x, training=True), outputs(model, x, training=False)):
        keras.tree.map_structure(np.testing.assert_array_equal, first, again)
