"""Phases inside one fit, against loops written by hand."""

import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kerasft
from kerasft import (
    Plan,
    TrainEverything,
    TrainGradually,
    TrainHead,
    TrainHeadThenEverything,
    TrainLastBlocks,
    TrainSelected,
)
from kerasft.callbacks import EarlyStopping, Phase, Phases
from kerasft.errors import ArgumentError, PlanError, UnsupportedError
from kerasft.optimizers import LayerwiseOptimizer

pytestmark = pytest.mark.core

NAMES = ("stem", "middle", "last")
ROWS, BATCH = 12, 4
in_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the reference loop takes TensorFlow's tape"
)


def make_model():
    """Three blocks and a head, with a normalization whose statistics move when it trains."""
    keras.utils.set_random_seed(0)  # the same weights, however often it is made
    inputs = keras.Input((5,))
    x = inputs
    for name in NAMES:
        x = keras.layers.Dense(6, activation="tanh", name=name)(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="top")(x))
    kerasft.structure.say(model, blocks=[[n, f"{n}_norm"] for n in NAMES], head=["top"])
    return model


def make_data(rows=ROWS, seed=1):
    random = np.random.default_rng(seed)
    return random.normal(size=(rows, 5)).astype("float32"), random.integers(0, 3, rows)


LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
PHASES = [
    Phase(TrainHead(), epochs=2, learning_rate=0.05),
    Phase(TrainLastBlocks(1), epochs=1, learning_rate=0.02),
    Phase(TrainEverything(), epochs=2),
]
# By phase, what trains; the rate of the last stays what it was.
TRAINED = [("top",), ("top", "last"), ("top", "last", "middle", "stem")]
EPOCHS, RATES = (2, 1, 2), (0.05, 0.02, 0.02)


def fit(model, callbacks=(), epochs=5, data=None, **kwargs):
    x, y = make_data() if data is None else data
    return model.fit(
        x,
        y,
        batch_size=BATCH,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
        **kwargs,
    )


def arrays(model):
    return {v.path: keras.ops.convert_to_numpy(v).copy() for v in model.weights}


def reference(make_optimizer, average=None):
    """Separate loops by hand. Each part has a fresh optimizer from the phase it first trains in.

    Yields the weights after each phase, with moving averages (EMA) if their momentum is given.
    """
    import tensorflow as tf

    model, (x, y) = make_model(), make_data()
    optimizers, averages = {}, {}
    for trained, epochs, rate in zip(TRAINED, EPOCHS, RATES, strict=True):
        for layer in model.layers:
            layer.trainable = layer.name.removesuffix("_norm") in trained
        for part in trained:
            late = bool(optimizers) and part not in optimizers and trained != TRAINED[0]
            of_part = [v for v in model.trainable_variables if v.path.split("/")[0] in parts(part)]
            if part not in optimizers:
                optimizers[part] = (make_optimizer(), of_part)
                optimizers[part][0].build(of_part)
                averages |= {v.path: v.numpy() for v in of_part if late}
            optimizers[part][0].learning_rate = rate
        for _ in range(epochs):
            for start in range(0, ROWS, BATCH):
                with tf.GradientTape() as tape:
                    outputs = model(x[start : start + BATCH], training=True)
                    loss = LOSS(y[start : start + BATCH], outputs)
                variables = [v for part in trained for v in optimizers[part][1]]
                gradients = dict(
                    zip(
                        [v.path for v in variables],
                        tape.gradient(loss, [v.value for v in variables]),
                        strict=True,
                    )
                )
                for part in trained:
                    optimizer, of_part = optimizers[part]
                    optimizer.apply([gradients[v.path] for v in of_part])
                for v in variables if average else ():
                    before = averages.get(v.path, v.numpy())
                    averages[v.path] = average * before + (1 - average) * v.numpy()
        yield arrays(model) | (averages if average else {})


def parts(name):
    return name, f"{name}_norm"


class _Record(keras.callbacks.Callback):
    """The weights as each phase leaves them."""

    def __init__(self, phases):
        super().__init__()
        self.phases, self.by_phase = phases, {}

    def on_epoch_end(self, epoch, logs=None):
        self.by_phase[self.phases.phase - 1] = arrays(self.model)


def run(optimizer, **compile_arguments):
    model = make_model()
    model.compile(optimizer, LOSS, **compile_arguments)
    phases = Phases(PHASES, verbose=0)
    record = _Record(phases)
    history = fit(model, [phases, record])
    return model, phases, record.by_phase, history


OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "Adam": lambda: keras.optimizers.Adam(0.1),
    "AdamW": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "Lion": lambda: keras.optimizers.Lion(0.1),
    "accumulation": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=3),
}


@in_tensorflow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_weights_after_each_phase_are_those_of_separate_fits(name):
    _, _, by_phase, _ = run(OPTIMIZERS[name]())
    for number, expected in enumerate(reference(OPTIMIZERS[name])):
        for path, value in expected.items():
            np.testing.assert_allclose(by_phase[number][path], value, atol=2e-6, err_msg=path)


@in_tensorflow
@pytest.mark.parametrize(
    "arguments", [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 3}], ids=str
)
def test_however_it_is_compiled(arguments):
    _, _, by_phase, _ = run(OPTIMIZERS["AdamW"](), **arguments)
    for number, expected in enumerate(reference(OPTIMIZERS["AdamW"])):
        for path, value in expected.items():
            np.testing.assert_allclose(by_phase[number][path], value, atol=5e-6, err_msg=path)


@in_tensorflow
def test_under_loss_scaling():
    make = OPTIMIZERS["AdamW"]
    scaled = keras.optimizers.LossScaleOptimizer(make(), initial_scale=64.0, dynamic_growth_steps=4)
    model, _, by_phase, _ = run(scaled)
    assert float(model.optimizer.dynamic_scale) == 64.0 * 2 ** (15 // 4)  # 15 steps
    for number, expected in enumerate(reference(make)):
        for path, value in expected.items():
            np.testing.assert_allclose(by_phase[number][path], value, atol=5e-6, err_msg=path)


@in_tensorflow
def test_averages_of_weights_go_on():
    def make(**arguments):
        return keras.optimizers.Adam(0.1, **arguments)

    model, _, _, _ = run(make(use_ema=True, ema_momentum=0.8))
    # Keras puts the averages in place when the fit ends.
    *_, expected = reference(make, average=0.8)
    for path, value in arrays(model).items():
        np.testing.assert_allclose(value, expected[path], atol=5e-6, err_msg=path)


def test_a_rate_for_every_layer_goes_through_phases():
    """Multipliers of 1 are no multipliers, before and after a change."""
    results = []
    for wrap in (False, True):
        model = make_model()
        inner = keras.optimizers.AdamW(0.1)
        optimizer = LayerwiseOptimizer(inner, model, decay_biases_and_norms=True) if wrap else inner
        model.compile(optimizer, LOSS, run_eagerly=True)
        fit(model, [Phases(PHASES, verbose=0)])
        results.append(list(arrays(model).values()))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_phase_changes_its_own_weights_and_no_others():
    before = arrays(make_model())
    _, _, by_phase, _ = run(keras.optimizers.Adam(0.1))
    for number, trained in enumerate(TRAINED):
        after = by_phase[number]
        for path, value in after.items():
            changed = not np.array_equal(before[path], value)
            assert changed == (path.split("/")[0].removesuffix("_norm") in trained), path
        before = after


def test_the_history_tells_the_phase_of_each_epoch():
    _, phases, _, history = run(keras.optimizers.SGD(0.1))
    assert history.history["phase"] == [1, 1, 2, 3, 3]
    assert phases.begun == {
        0: "TrainHead()",
        2: "TrainLastBlocks(count=1)",
        3: "TrainEverything()",
    }
    assert phases.endings == ["it had its 2 epochs", "it had its 1 epoch", "it had its 2 epochs"]


def test_the_pictures_take_it_as_it_is():
    from kerasft.evaluation import plot_learning_curves

    _, phases, _, history = run(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    plot_learning_curves({"run": history}, phases={"run": phases.begun})


def test_the_last_plan_stays_in_force_and_comes_off():
    model, _, _, _ = run(keras.optimizers.SGD(0.1))
    assert Plan.of(model) == TrainEverything().plan(model)
    Plan.of(model).undo()
    assert Plan.of(model) == TrainLastBlocks(1).plan(model)


def test_a_second_fit_begins_with_the_first_phase():
    model, phases, _, _ = run(keras.optimizers.SGD(0.1))
    assert fit(model, [phases]).history["phase"] == [1, 1, 2, 3, 3]


@in_tensorflow
def test_a_change_costs_one_trace_and_a_rate_none():
    traces = []

    def counting_loss(labels, outputs):
        traces.append(1)
        return LOSS(labels, outputs)

    def count(*phases):
        model = make_model()
        model.compile(keras.optimizers.Adam(0.1), counting_loss)
        traces.clear()
        fit(model, [Phases(phases, verbose=0)] if phases else [], epochs=3)
        return len(traces)

    plain = count()
    head = Phase(TrainHead(), epochs=1)
    slower = Phase(TrainHead(), epochs=1, learning_rate=0.01)
    assert count(head, slower, slower) == plain
    assert count(head, Phase(TrainLastBlocks(1), epochs=1), TrainEverything()) == plain + 2


def falling_then_rising():
    """A training rate so high that the loss gets worse after a while."""
    return Phase(TrainEverything(), patience=2, monitor="val_loss", learning_rate=3.0)


def test_a_plateau_ends_a_phase_and_its_best_weights_come_back():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phases = Phases([falling_then_rising(), Phase(TrainHead(), learning_rate=1e-30)], verbose=0)
    by_epoch = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: by_epoch.append((logs["phase"], arrays(model)))
    )
    history = fit(model, [phases, record], epochs=12, validation_data=make_data(seed=2)).history
    pairs = zip(history["val_loss"], history["phase"], strict=True)
    first = [loss for loss, phase in pairs if phase == 1]
    best = int(np.argmin(first))
    assert len(first) == best + 3  # two epochs without a better one
    assert history["phase"][len(first) :] == [2] * (12 - len(first))
    assert phases.endings[0] == (
        f"val_loss did not improve on {first[best]:.4g} (epoch {best + 1}) for 2 epochs; the "
        f"weights of its epoch {best + 1} are back"
    )
    # The second phase's steps are too small for a float, so its weights are those it began with.
    for path, value in by_epoch[-1][1].items():
        np.testing.assert_array_equal(value, by_epoch[best][1][path], err_msg=path)


def test_the_best_weights_stay_behind_if_asked_for():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phase = falling_then_rising()
    phase.restore_best_weights = False
    last = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: last.append(arrays(model))
    )
    fit(model, [Phases([phase], verbose=0), record], 12, validation_data=make_data(seed=2))
    for path, value in arrays(model).items():
        np.testing.assert_array_equal(value, last[-1][path])


def test_the_last_phase_ends_the_fit_and_restores():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    values = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: values.append(arrays(model))
    )
    phases = Phases([falling_then_rising()], verbose=0)
    losses = fit(model, [phases, record], 30, validation_data=make_data(seed=2)).history["val_loss"]
    assert len(losses) == np.argmin(losses) + 3 < 30
    for path, value in arrays(model).items():
        np.testing.assert_array_equal(value, values[int(np.argmin(losses))][path])


def test_a_function_ends_a_phase():
    seen = []

    def enough(epochs, logs):
        seen.append((epochs, sorted(logs)))
        return epochs == 2

    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phases = Phases([Phase(TrainHead(), until=enough), Phase(TrainEverything())], verbose=0)
    assert fit(model, [phases], epochs=4).history["phase"] == [1, 1, 2, 2]
    assert seen == [(1, ["loss"]), (2, ["loss"])]
    assert phases.endings[0] == "enough ended it"


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=4))
def test_any_list_of_phases_runs_as_it_says(told):
    """Each phase is told as its epochs and how many blocks train with the head."""
    policies = [TrainHead(), TrainLastBlocks(1), TrainLastBlocks(2), TrainEverything()]
    phases = [Phase(policies[depth], epochs=epochs) for epochs, depth in told]
    model = make_model()
    model.compile(keras.optimizers.Adam(0.01), LOSS, run_eagerly=True)
    changed = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.before = arrays(self.model)

        def on_epoch_end(self, epoch, logs=None):
            after = arrays(self.model)
            changed.append(
                {p.split("/")[0] for p, v in after.items() if (v != self.before[p]).any()}
            )

    epochs = sum(epochs for epochs, _ in told)
    data = make_data(BATCH)
    history = fit(model, [Phases(phases, verbose=0), Watch()], epochs, data)
    expected = [(number, depth) for number, (n, depth) in enumerate(told, 1) for _ in range(n)]
    assert history.history["phase"] == [number for number, _ in expected]
    for seen, (_, depth) in zip(changed, expected, strict=True):
        blocks = NAMES[len(NAMES) - depth :]
        assert seen == {"top", *blocks, *(f"{name}_norm" for name in blocks)}


def test_gradual_unfreezing_in_one_line():
    model = make_model()
    model.compile(keras.optimizers.Adam(0.01), LOSS, run_eagerly=True)
    phases = Phases([Phase(TrainGradually(), epochs=1)], verbose=0)
    trainable = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: trainable.append(len(model.trainable_variables))
    )
    history = fit(model, [phases, count], epochs=5).history
    # Four weights in each block: it begins with the head, and ends when its last stage does.
    assert trainable == [2, 6, 10, 14]
    assert history["phase"] == [1, 2, 3, 4]


def test_first_the_head_then_everything_at_a_rate_each():
    model = make_model()
    model.compile(keras.optimizers.Adam(0.01), LOSS, run_eagerly=True)
    phase = Phase(TrainHeadThenEverything(), epochs=2, learning_rate=[0.1, 0.001], name="LP-FT")
    rates = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: rates.append(
            round(float(model.optimizer.learning_rate), 6)
        )
    )
    phases = Phases([phase], verbose=0)
    fit(model, [phases, note], epochs=4)
    assert rates == [0.1, 0.1, 0.001, 0.001]
    assert phases.begun == {0: "LP-FT 1", 2: "LP-FT 2"}


def test_early_stopping_beside_it_restores_what_an_earlier_phase_had():
    """The best epoch of the whole fit may lie in an earlier phase than the weights that moved."""
    model = make_model()
    model.compile(keras.optimizers.SGD(0.01), LOSS, run_eagerly=True)
    phases = Phases(
        [Phase(TrainHead(), epochs=2), Phase(TrainEverything(), learning_rate=50.0)], verbose=0
    )
    values = []
    record = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: values.append(arrays(model))
    )
    stopping = EarlyStopping(monitor="loss", patience=2, restore_best_weights=True)
    losses = fit(model, [phases, stopping, record], epochs=9).history["loss"]
    best = int(np.argmin(losses))
    assert best < 2
    for path, value in arrays(model).items():
        np.testing.assert_array_equal(value, values[best][path], err_msg=path)


def test_it_says_what_it_does(capsys):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    never = Phase(TrainLastBlocks(1), learning_rate=0.02, until=lambda epochs, logs: False)
    fit(model, [Phases([PHASES[0], never, TrainEverything()])], epochs=4)
    printed = capsys.readouterr().out
    assert (
        "Phase 1 of 3, from epoch 1: TrainHead(), 21 of 177 parameters train, learning rate 0.05."
    ) in printed
    assert (
        "Phase 2 of 3, from epoch 3: TrainLastBlocks(count=1), 75 of 177 parameters train, "
        "learning rate 0.02. (Phase 1: it had its 2 epochs.)"
    ) in printed
    assert "The fit ended in phase 2 of 3." in printed


# Bad input: the model stays as it was.


def unchanged(model, phases, error, match, **arguments):
    flags = [v.trainable for v in model.variables]
    before, optimizer = arrays(model), model.optimizer
    with pytest.raises(error, match=match):
        fit(model, [Phases(phases, verbose=0)], **arguments)
    assert flags == [v.trainable for v in model.variables]
    assert Plan.of(model) is None
    assert model.optimizer is optimizer
    for path, value in arrays(model).items():
        np.testing.assert_array_equal(value, before[path])


@pytest.mark.parametrize(
    ("later", "error", "match"),
    [
        (TrainLastBlocks(7), PlanError, "at most the number of blocks, 3. Received: count=7"),
        (TrainSelected("stemm"), ArgumentError, "The nearest paths are stem"),
        (TrainSelected("stem", and_head=False), None, None),
    ],
    ids=str,
)
def test_a_later_phase_that_does_not_fit_is_found_before_the_first(later, error, match):
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phases = [Phase(TrainHead(), epochs=1), Phase(later)]
    if error is None:
        fit(model, [Phases(phases, verbose=0)], epochs=2)
    else:
        unchanged(model, phases, error, match)


def test_a_phase_that_leaves_nothing_to_train():
    class TrainNothing(kerasft.FreezePolicy):
        def trains(self, layer):
            return False

    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    unchanged(model, [Phase(TrainHead(), epochs=1), TrainNothing()], PlanError, "leave something")


def test_a_plan_of_another_model():
    inputs = keras.Input((5,))
    other = keras.Model(inputs, keras.layers.Dense(2, name="other")(inputs))
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phases = [Phase(TrainHead(), epochs=1), Phase(TrainEverything().plan(other))]
    unchanged(model, phases, PlanError, "'other/kernel'")


def test_a_schedule_as_the_rate():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model = make_model()
    model.compile(keras.optimizers.SGD(schedule), LOSS, run_eagerly=True)
    unchanged(model, PHASES, ArgumentError, "Phase 1 sets a rate, which CosineDecay does not let")
    phases = [Phase(TrainHead(), epochs=1), Phase(TrainEverything())]
    fit(model, [Phases(phases, verbose=0)], epochs=2)  # without rates it goes


def test_rates_and_stages_must_agree():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    phases = [Phase(TrainGradually(), epochs=1, learning_rate=[0.1, 0.2])]
    unchanged(model, phases, ArgumentError, "one number, or 4: one for each stage")


def test_several_optimizers_in_one():
    several = keras.optimizers.MultiOptimizer(lambda variable: keras.optimizers.SGD(0.1))
    model = make_model()
    model.compile(several, LOSS, run_eagerly=True)
    phases = [Phase(TrainHead(), epochs=1), Phase(TrainEverything())]
    unchanged(model, phases, UnsupportedError, "must be a single one")


def test_an_unknown_metric_is_named_after_the_first_epoch():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, metrics=["accuracy"], run_eagerly=True)
    phases = Phases([Phase(TrainHead(), patience=1, monitor="val_acuracy")], verbose=0)
    with pytest.raises(ArgumentError, match="Did you mean 'val_accuracy'"):
        fit(model, [phases], validation_data=make_data(seed=2))


def test_phases_that_cannot_begin_are_told():
    model = make_model()
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    with pytest.warns(
        UserWarning, match=r"Phase 3 \(TrainEverything\(\)\) cannot begin: the phases"
    ):
        fit(model, [Phases(PHASES, verbose=0)], epochs=3)


@pytest.mark.parametrize(
    ("phases", "match"),
    [
        ([], "at least one Phase"),
        (Phase(TrainHead()), "Put a single one in brackets"),
        ([TrainHead(), TrainEverything()], "Give phase 1 `epochs`, `patience` or `until`"),
        ([3], "Phases, or policies"),
        (None, "a list of Phases"),
    ],
    ids=str,
)
def test_what_is_no_list_of_phases(phases, match):
    with pytest.raises(ArgumentError, match=match):
        Phases(phases)


# Written down, edited, read again.


def test_phases_go_round(tmp_path):
    model = make_model()
    phases = Phases(
        [
            Phase(TrainGradually(), epochs=1, learning_rate=[0.1, 0.2, 0.3, 0.4], name="up"),
            Phase(TrainSelected("stem"), patience=3, mode="min", min_delta=0.1),
            Phase(TrainHead().plan(model)),
        ],
        verbose=0,
    )
    phases.save(tmp_path / "phases.json")
    read = Phases.load(tmp_path / "phases.json")
    assert read.phases == phases.phases
    assert read.verbose == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "phases.json"]


def test_a_schedule_is_written_out_edited_and_used(tmp_path):
    model = make_model()
    path = tmp_path / "phases.json"
    Phases([Phase(TrainGradually(), epochs=1)], verbose=0).for_model(model, plans=True).save(path)
    config = json.loads(path.read_text())
    assert len(config["phases"]) == 4
    config["phases"][0]["policy"]["layers"]["stem"]["trains"] = True
    config["phases"][1]["epochs"] = 2
    path.write_text(json.dumps(config))
    phases = Phases.load(path)
    model.compile(keras.optimizers.SGD(0.1), LOSS, run_eagerly=True)
    trainable = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: trainable.append(len(model.trainable_variables))
    )
    fit(model, [phases, note], epochs=5)
    assert trainable == [4, 6, 6, 10, 14]


@pytest.mark.parametrize(
    ("content", "error", "match"),
    [
        ("not JSON", PlanError, "No phases could be read from"),
        ("[]", PlanError, "No phases could be read from"),
        ('{"format": 1}', PlanError, "KeyError: 'phases'"),
        ('{"format": 2, "phases": [], "verbose": 0}', PlanError, "format"),
        ('{"format": 1, "phases": [], "verbose": 0}', ArgumentError, "at least one Phase"),
    ],
)
def test_a_file_that_is_no_schedule(tmp_path, content, error, match):
    (tmp_path / "phases.json").write_text(content)
    with pytest.raises(error, match=match):
        Phases.load(tmp_path / "phases.json")


def test_the_table():
    printed = str(Phases([*PHASES[:2], Phase(TrainEverything(), patience=2, name="the rest")]))
    assert printed.splitlines()[0].split() == [
        "phase",
        "what",
        "trains",
        "ends",
        "learning",
        "rate",
    ]
    assert "the rest" in printed
    assert "after 2 without a better val_loss" in printed
    assert "<table>" in Phases(PHASES)._repr_html_()
