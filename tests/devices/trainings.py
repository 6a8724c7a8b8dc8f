"""Short trainings that must end with the same weights on one device and on several.

The tests run this file in processes of their own, since TensorFlow fixes its devices at the start:

    python trainings.py mirrored FILE NAME...   on one device, and mirrored on two logical CPUs
    python trainings.py worker FILE NAME...     as the worker that TF_CONFIG says
    python trainings.py one FILE NAME...        on one device
    python trainings.py sharded FILE NAME...    with JAX, on one device and on all that there are

Each writes the weights and the optimizer's state after each training to FILE, in NumPy's format.
"""

import contextlib
import functools
import os
import re
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "devices.md"
ROWS, BATCH, EPOCHS = 12, 4, 3


def make_data():
    import numpy as np

    random = np.random.default_rng(0)
    return random.normal(size=(ROWS, 5)).astype("float32"), random.integers(0, 2, ROWS)


def for_vectors():
    import keras

    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh", name="a")(inputs)
    # Each replica would otherwise train on the statistics of its own rows. With JAX they are those
    # of the whole batch anyway.
    synchronized = keras.backend.backend() == "tensorflow"
    x = keras.layers.BatchNormalization(synchronized=synchronized, name="a_norm")(x)
    x = keras.layers.Dense(6, activation="tanh", name="b")(x)
    x = keras.layers.LayerNormalization(name="b_norm")(x)
    return inputs, keras.layers.Dense(2, name="top")(x)


def for_texts():
    import keras

    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(20, 6, name="embedding")(inputs)
    x = keras.layers.GlobalAveragePooling1D()(keras.layers.Dense(6, name="a")(x))
    return inputs, keras.layers.Dense(2, name="top")(x)


class Device:
    """One device, or several under a strategy. How a model is made and fitted there."""

    def __init__(self, strategy=None):
        self.strategy = strategy
        self.over_workers = False

    def scope(self):
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def model(self, layers=None):
        import keras

        keras.utils.set_random_seed(0)
        with self.scope():
            inputs, outputs = (layers or for_vectors)()
            if not self.over_workers:
                return keras.Model(inputs, outputs)
        return model_over_workers()(inputs, outputs)

    def compile(self, model, optimizer):
        import keras

        with self.scope():
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer(model), loss, metrics=["accuracy"])

    def fit(self, model, *data, epochs=EPOCHS, **kwargs):
        data = data or make_data()
        if len(data) == 2:
            kwargs = {"batch_size": BATCH, "shuffle": False, **kwargs}
        with self.scope() if self.over_workers else contextlib.nullcontext():
            return model.fit(*data, epochs=epochs, verbose=0, **kwargs)


@functools.cache
def model_over_workers():
    """The class that the page tells people to use, as it stands there."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if "class MultiWorkerModel" in block]
    scope = {}
    exec(compile(block, "devices.md", "exec"), scope)
    return scope["MultiWorkerModel"]


def adam(model, **kwargs):
    import keras

    return keras.optimizers.Adam(0.02, **kwargs)


def layerwise(model):
    import keras

    from kerasft.optimizers import LayerwiseOptimizer

    inner = keras.optimizers.AdamW(0.02, weight_decay=0.1)
    return LayerwiseOptimizer(inner, model, decay=0.5, head_multiplier=2.0)


def phases():
    from kerasft import TrainEverything, TrainHead, TrainSelected
    from kerasft.callbacks import Phase, Phases

    policies = [TrainHead(), TrainSelected("b*/*"), TrainEverything()]
    return Phases([Phase(policy, epochs=1) for policy in policies], verbose=0)


def frozen_before_compile(device):
    from kerasft import TrainHead

    model = device.model()
    TrainHead().apply(model)
    device.compile(model, adam)
    device.fit(model)
    return model


def frozen_after_a_fit(device):
    from kerasft import TrainSelected

    model = device.model()
    device.compile(model, adam)
    device.fit(model, epochs=1)
    TrainSelected("b/*").apply(model)
    device.fit(model)
    return model


def phases_in_one_fit(device):
    model = device.model()
    device.compile(model, adam)
    device.fit(model, callbacks=[phases()])
    return model


def layerwise_rates_in_phases(device):
    model = device.model()
    device.compile(model, layerwise)
    device.fit(model, callbacks=[phases()])
    return model


def averages_in_phases(device):
    model = device.model()
    device.compile(model, lambda m: adam(m, use_ema=True, ema_momentum=0.5))
    device.fit(model, callbacks=[phases()])
    return model


def scaled_loss_in_phases(device):
    import keras

    model = device.model()
    scaled = keras.optimizers.LossScaleOptimizer
    device.compile(model, lambda m: scaled(adam(m), initial_scale=64.0, dynamic_growth_steps=4))
    device.fit(model, callbacks=[phases()])
    return model


def a_change_in_mid_epoch(device):
    import keras

    from kerasft import TrainEverything, TrainHead

    model = device.model()
    TrainHead().apply(model)
    device.compile(model, layerwise)

    class Change(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                TrainEverything().apply(self.model)

    device.fit(model, callbacks=[Change()], epochs=1)
    return model


def loaded_with_its_plan(device):
    import kerasft
    from kerasft import TrainSelected

    model = device.model()
    TrainSelected("b*/*").apply(model)
    device.compile(model, layerwise)
    device.fit(model, epochs=1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with device.scope():
            loaded = kerasft.load_model(path)
    plan = kerasft.Plan.of(loaded)
    assert plan == kerasft.Plan.of(model)
    if device.over_workers:  # a model made in the scope cannot be fitted there
        plan.undo()
        loaded, inside = type(model)(loaded.inputs, loaded.outputs), loaded
        plan.apply(loaded)
        device.compile(loaded, lambda _: inside.optimizer)
    device.fit(loaded, epochs=2)
    return loaded


def batches_of_texts(device):
    """Batches grouped by length, and a remainder, through an embedding."""
    import numpy as np

    from kerasft import TrainHead
    from kerasft.data import LengthGroupedBatches

    random = np.random.default_rng(0)
    ids = [random.integers(1, 20, length).astype("int32") for length in [3, 9, 4, 5, 12, 7] * 3]

    def collate(rows, length):
        return np.stack([np.pad(ids[row], (0, length - len(ids[row]))) for row in rows])

    labels = random.integers(0, 2, len(ids)).astype("int32")
    data = LengthGroupedBatches(
        collate, [len(one) for one in ids], labels, batch_size=BATCH, shuffle=True
    )
    model = device.model(for_texts)
    TrainHead().apply(model)
    device.compile(model, adam)
    device.fit(model, data, epochs=2)
    return model


def arrays(model):
    import keras

    variables = {variable.path: variable for variable in model.weights}
    for number, variable in enumerate(model.optimizer.variables):
        variables[f"optimizer {number} {variable.name}"] = variable
    return {name: keras.ops.convert_to_numpy(value) for name, value in variables.items()}


def copies_agree(model):
    """Whether all replicas hold the same values, bit by bit."""
    import keras
    import numpy as np

    for variable in model.weights:
        copies = getattr(variable.value, "values", [variable.value])
        first, *others = [keras.ops.convert_to_numpy(copy) for copy in copies]
        if not all(np.array_equal(first, other) for other in others):
            return False
    return True


def devices_of(kind):
    """One device, several, or the one after the other, by name."""
    if kind != "worker":
        if kind == "mirrored":
            two_logical_cpus()
        yield "one", Device()
    if kind == "mirrored":
        import tensorflow as tf

        yield "several", Device(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
    if kind == "worker":
        import tensorflow as tf

        several = Device(tf.distribute.MultiWorkerMirroredStrategy())
        several.over_workers = True
        yield "several", several
    if kind == "sharded":
        import keras

        keras.distribution.set_distribution(keras.distribution.DataParallel())
        yield "several", Device()


def two_logical_cpus():
    import tensorflow as tf

    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def main(kind, file, *names):
    import keras
    import numpy as np

    found = {}
    for where, device in devices_of(kind):
        if device.strategy is not None:
            assert device.strategy.num_replicas_in_sync == 2
        if where == "one":
            for variable in device.model().weights:
                value = keras.ops.convert_to_numpy(variable)
                found[f"start/for_vectors/{variable.path}"] = value
        for name in names:
            model = globals()[name](device)
            assert copies_agree(model), f"{name}: the replicas have drifted apart"
            found |= {f"{where}/{name}/{key}": value for key, value in arrays(model).items()}
            if where == "several" and kind == "sharded":
                assert len(model.weights[0].value.devices()) == 2
    np.savez(file, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
