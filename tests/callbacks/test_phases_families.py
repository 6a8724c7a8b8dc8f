"""Slow: gradual unfreezing inside one fit on every family of KerasHub, exactly as planned."""

import keras
import numpy as np
import pytest
from families import FAMILIES

import kerasft
from kerasft import TrainGradually
from kerasft.callbacks import Phase, Phases
from kerasft.structure import take_apart

hub = pytest.importorskip("keras_hub")

# Rotary embeddings of a quarter of each head want heads of eight or more.
OTHER_ARGUMENTS = {"GPT-NeoX": {"hidden_dim": 32}}
FEATURES = dict.fromkeys(("T5", "BART"), "decoder_sequence_output")


def random_inputs(model, rows=2, tokens=8):
    random = np.random.default_rng(0)

    def one(tensor):
        if len(tensor.shape) == 4:
            sizes = [size or 32 for size in tensor.shape[1:]]
            return random.normal(size=(rows, *sizes)).astype("float32")
        if "mask" in tensor.name:
            return np.tile([1] * (tokens - 1) + [0], (rows, 1)).astype("int32")
        if "segment" in tensor.name:
            return np.zeros((rows, tokens), "int32")
        return random.integers(1, 50, (rows, tokens)).astype("int32")

    return keras.tree.map_structure(one, model.input)


def values(model):
    return {
        view.path: keras.ops.convert_to_numpy(view.variable).copy()
        for view in take_apart(model).variables
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # weights that the loss does not reach; T5
@pytest.mark.parametrize("name", FAMILIES)
def test_each_phase_changes_what_it_planned(name):
    kind, arguments, _ = FAMILIES[name]
    backbone = kerasft.Backbone.from_model(
        getattr(hub.models, kind)(**arguments | OTHER_ARGUMENTS.get(name, {}))
    )
    head = kerasft.ClassificationHead(num_classes=2, feature=FEATURES.get(name))
    model = backbone.attach(head)
    policy = TrainGradually(step=max(1, len(backbone.blocks) // 2))
    plans = [stage.plan(model) for stage in policy.stages(model)]
    changed = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = values(model)

        def on_epoch_end(self, epoch, logs=None):
            after = values(model)
            changed.append({p for p, v in after.items() if not np.array_equal(v, self.before[p])})

    model.compile(
        kerasft.optimizers.LayerwiseOptimizer(keras.optimizers.AdamW(0.01), model, decay=0.8),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,
    )
    phases = Phases([Phase(policy, epochs=1)], verbose=0)
    model.fit(
        random_inputs(model),
        np.array([0, 1]),
        epochs=len(plans),
        verbose=0,
        callbacks=[phases, Watch()],
    )
    assert len(changed) == len(plans) >= 3
    for plan, seen in zip(plans, changed, strict=True):
        planned = {path for path, trains in plan.decisions.items() if trains}
        frozen = plan.decisions.keys() - planned
        assert not seen & frozen
        # All but a few: some weights the loss does not reach, and some gradients are zero.
        assert len(seen & planned) >= 0.8 * len(planned)
