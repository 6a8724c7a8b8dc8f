"""The search: what it measures, and that nothing is left of it."""

import itertools
import random
import sys
import threading

import keras
import numpy as np
import pytest

import kerasft
from kerasft.data import LengthGroupedBatches
from kerasft.errors import ArgumentError, DataError, UnsupportedError
from kerasft.optimizers import L2SP, LayerwiseOptimizer
from kerasft.structure import changeable_variables
from kerasft.tuning import LearningRateCurve, find_learning_rate
from kerasft.tuning._search_data import SearchBatches, search_data
from kerasft.tuning._untouched import _at_risk

ROWS = 32
ON_JAX = keras.backend.backend() == "jax"


def small_model(norm=False, **kwargs):
    """Weights, and what else keeps state: dropout's seeds, metrics, and moving statistics."""
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    x = keras.layers.Dense(6, activation="relu", name="stem")(inputs)
    if norm:
        x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Dropout(0.3, name="dropout")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, name="top")(x))
    compile_it(model, **kwargs)
    return model


def compile_it(model, optimizer=None, run_eagerly=True, **kwargs):
    make = optimizer or (lambda model: keras.optimizers.Adam(0.01))
    model.compile(
        make(model),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        run_eagerly=run_eagerly,
        **kwargs,
    )


def arrays(rows=ROWS, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 4)).astype("float32")
    return x, (x[:, 0] > 0).astype("int32") + (x[:, 1] > 0)


def length_grouped(**kwargs):
    x, y = arrays(20)
    lengths = np.arange(20) % 5 + 1

    def collate(rows, length):
        return np.repeat(x[rows][:, :1, None], length, axis=1)

    return LengthGroupedBatches(
        collate, lengths, labels=y, batch_size=4, pad_to_multiple_of=1, shuffle=True, **kwargs
    )


def model_of_lengths(**kwargs):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((None, 1))
    x = keras.layers.Dropout(0.3)(keras.layers.Dense(4)(inputs))
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, keras.layers.Dense(3)(x))
    compile_it(model, **kwargs)
    return model


def search(model, data, **kwargs):
    given = {"steps": 10, "lowest": 1e-4, "verbose": 0, "batch_size": 16}
    return find_learning_rate(model, data, **{**given, **kwargs})


def everything(model):
    """All that training changes, as bytes, in the model's and the optimizer's order."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    return [keras.ops.convert_to_numpy(variable).tobytes() for variable in variables]


def assert_a_search_changes_no_fit(make_model, make_data):
    """Search and fit, twice, so that the first search meets a model that never trained."""

    def train(with_search):
        model, data = make_model(), make_data()
        x, y = data if isinstance(data, tuple) else (data, None)
        told = []
        for _ in range(2):
            if with_search:
                assert len(search(model, data).losses) > 3
            told.append(model.fit(x, y, batch_size=16, verbose=0).history)
        return told, everything(model)

    assert train(with_search=True) == train(with_search=False)


OPTIMIZERS = {
    "sgd": lambda model: keras.optimizers.SGD(0.1, momentum=0.9),
    "schedule": lambda model: keras.optimizers.AdamW(
        keras.optimizers.schedules.ExponentialDecay(0.05, 3, 0.5), clipnorm=1.0
    ),
    "ema": lambda model: keras.optimizers.Adam(
        0.01, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2
    ),
    "accumulation": lambda model: keras.optimizers.Adam(0.01, gradient_accumulation_steps=2),
    "layerwise": lambda model: LayerwiseOptimizer(
        keras.optimizers.AdamW(0.01), model, multipliers={"stem/*": 0.1}
    ),
    "l2-sp": lambda model: L2SP(
        LayerwiseOptimizer(keras.optimizers.SGD(0.1), model, decay_biases_and_norms=True),
        model,
        0.5,
        head_strength=0.1,
    ),
}


class TestNothingIsLeft:
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_a_fit_after_a_search_is_the_fit_without(self, name):
        assert_a_search_changes_no_fit(lambda: small_model(optimizer=OPTIMIZERS[name]), arrays)

    def test_with_several_steps_per_execution(self):
        def make():
            return small_model(run_eagerly=False, steps_per_execution=4)

        assert_a_search_changes_no_fit(make, arrays)

    def test_with_jit_compile(self):
        def make():
            keras.utils.set_random_seed(1)
            model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
            compile_it(model, OPTIMIZERS["sgd"], run_eagerly=False, jit_compile=True)
            return model

        assert_a_search_changes_no_fit(make, arrays)

    def test_on_batches_whose_order_goes_by_epoch(self):
        assert_a_search_changes_no_fit(model_of_lengths, length_grouped)

    def test_under_a_plan_that_changes_later(self):
        def train(with_search):
            model = small_model(norm=True)
            plan = kerasft.TrainHead().apply(model)
            for number in range(2):
                if with_search:
                    search(model, arrays())
                model.fit(*arrays(), verbose=0)
                if number == 0:
                    plan.undo()
                    kerasft.TrainSelected("stem/*").apply(model)
            return everything(model)

        assert train(True) == train(False)

    def test_in_half_precision(self):
        def make():
            keras.config.set_dtype_policy("mixed_float16")
            try:
                return small_model(optimizer=OPTIMIZERS["layerwise"])
            finally:
                keras.config.set_dtype_policy("float32")

        assert isinstance(make().optimizer, keras.optimizers.LossScaleOptimizer)
        assert_a_search_changes_no_fit(make, arrays)

    @pytest.mark.skipif(ON_JAX, reason="it is refused there")
    def test_from_a_callback_in_the_middle_of_fit(self):
        def train(with_search):
            model = small_model(norm=True)
            seek = keras.callbacks.LambdaCallback(
                on_train_batch_end=lambda batch, logs: batch == 1 and search(model, arrays(seed=2))
            )
            history = model.fit(
                *arrays(),
                batch_size=16,
                validation_data=arrays(seed=1),
                callbacks=[seek] if with_search else [],
                verbose=0,
            )
            return history.history, everything(model)

        assert train(True) == train(False)

    @pytest.mark.skipif(ON_JAX, reason="it is refused there")
    def test_between_two_epochs_on_the_same_data(self):
        def train(with_search):
            model, data = model_of_lengths(), length_grouped()
            seek = keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: search(model, data) and None
            )
            callbacks = [seek] if with_search else []
            history = model.fit(data, epochs=2, callbacks=callbacks, verbose=0)
            return history.history, everything(model), data.epoch

        assert train(True) == train(False)

    @pytest.mark.skipif(not ON_JAX, reason="only there the values are outside the model")
    def test_inside_of_fit_on_jax_it_is_refused(self):
        model = small_model()
        seek = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: search(model, arrays())
        )
        with pytest.raises(UnsupportedError, match="no search can run inside `fit`"):
            model.fit(*arrays(), callbacks=[seek], verbose=0)

    @pytest.mark.parametrize("trained_before", [False, True])
    def test_every_attribute_is_the_same_object(self, trained_before):
        model = small_model(norm=True)
        if trained_before:
            model.fit(*arrays(), verbose=0)
            model.evaluate(*arrays(), verbose=0)
        optimizer, compiled_loss = model.optimizer, model._compile_loss
        before = [dict(vars(one)) for one in (model, optimizer, compiled_loss)]
        search(model, arrays())
        after = [vars(one) for one in (model, optimizer, compiled_loss)]
        for old, new in zip(before, after, strict=True):
            assert old.keys() == new.keys()
            assert [name for name in old if old[name] is not new[name]] in ([], ["_called"])
        assert optimizer.built is trained_before
        assert model._compile_metrics.built is trained_before

    def test_a_traced_train_function_stays_traced(self):
        model = small_model(run_eagerly=False)
        traces = count_train_steps(model)
        model.fit(*arrays(), batch_size=16, verbose=0)
        before = len(traces)
        search(model, arrays())
        assert len(traces) == before + 1
        model.fit(*arrays(), batch_size=16, verbose=0)
        assert len(traces) == before + 1

    @pytest.mark.skipif(ON_JAX, reason="JAX compiles once for each shape, in any fit")
    def test_one_trace_for_batches_of_all_lengths(self):
        model = model_of_lengths(run_eagerly=False)
        traces = count_train_steps(model)
        search(model, length_grouped())
        assert len(traces) == 1

    @pytest.mark.parametrize("drawn_before", [False, True])
    def test_global_random_states(self, drawn_before):
        tf = pytest.importorskip("tensorflow")

        class Noisy(keras.utils.PyDataset):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                x, y = arrays(16, seed=random.randrange(5))
                noise = np.random.normal(size=x.shape) + tf.random.normal(x.shape).numpy()
                return x + noise.astype("float32"), y

        class Unseeded(keras.layers.Layer):
            def call(self, x):
                return x + keras.random.normal(keras.ops.shape(x))

        model = keras.Sequential([keras.Input((4,)), Unseeded(), keras.layers.Dense(3)])
        compile_it(model)

        def draw():
            return [
                random.random(),
                np.random.random(),
                *tf.random.normal((2,)).numpy(),
                *keras.ops.convert_to_numpy(keras.random.uniform((2,))),
            ]

        def drawn(with_search):
            keras.utils.clear_session()  # with it goes Keras's own generator
            keras.utils.set_random_seed(3)
            if drawn_before:
                draw()
            if with_search:
                search(model, Noisy())
            return draw() + draw()

        assert drawn(with_search=True) == drawn(with_search=False)

    def test_a_data_set_keeps_its_place_and_its_generator(self):
        class Augmented(keras.utils.PyDataset):
            def __init__(self):
                super().__init__()
                self.hooks = 0
                self.reads = 0
                self.generator = np.random.default_rng(0)
                self.other = random.Random(0)
                self.third = np.random.RandomState(0)

            def __len__(self):
                return 4

            def __getitem__(self, index):
                self.reads += 1
                return arrays(8, seed=int(self.generator.integers(9)) + self.other.randrange(9))

            def on_epoch_begin(self):
                self.hooks += 1

            on_epoch_end = on_epoch_begin

        data = Augmented()
        search(small_model(), data)
        assert (data.reads, data.hooks) == (0, 0)
        fresh = Augmented()
        assert data.generator.integers(1000) == fresh.generator.integers(1000)
        assert data.other.random() == fresh.other.random()

        grouped = length_grouped()
        grouped.epoch = 5
        order = [grouped.rows(index).tolist() for index in range(len(grouped))]
        search(model_of_lengths(), grouped)
        assert grouped.epoch == 5
        assert [grouped.rows(index).tolist() for index in range(len(grouped))] == order

    @pytest.mark.skipif(ON_JAX, reason="there fit takes all values out of the model")
    def test_no_copy_is_made_of_what_is_frozen(self):
        model = small_model(norm=True)
        whole = {id(variable) for variable in _at_risk(model)}
        assert whole >= {id(variable) for variable in model.variables}
        kerasft.TrainHead().apply(model)
        remembered = {id(variable) for variable in _at_risk(model)}
        weights = {id(variable) for variable in model.weights}
        assert remembered & weights == {id(variable) for variable in changeable_variables(model)}
        assert len(remembered & weights) == 2


def count_train_steps(model):
    """A list that grows whenever the train step is traced."""
    traces = []
    own = model.train_step

    def train_step(*state_and_data):
        traces.append(1)
        return own(*state_and_data)

    vars(model)["train_step"] = train_step
    return traces


class FailingBatches(keras.utils.PyDataset):
    def __init__(self, at, error):
        super().__init__()
        self.at, self.error = at, error

    def __len__(self):
        return 9

    def __getitem__(self, index):
        if index == self.at:
            raise self.error
        return arrays(8, seed=index)


class TestInterrupted:
    @pytest.mark.parametrize(
        ("error", "at", "run_eagerly"),
        [
            (OSError("gone"), 0, True),
            (OSError("gone"), 7, False),
            (KeyboardInterrupt(), 7, True),
        ],
        ids=["at once", "later", "by key"],
    )
    def test_by_the_data(self, error, at, run_eagerly):
        model = small_model(run_eagerly=run_eagerly)
        before, attributes = everything(model), {**vars(model), "_called": True}
        with pytest.raises(type(error)) as raised:
            search(model, FailingBatches(at, error))
        assert raised.value is error
        assert everything(model) == before
        assert {**vars(model), "_called": True} == attributes

    def test_by_an_error_in_the_first_trace(self):
        model = small_model(run_eagerly=False)
        before = everything(model)
        x, y = arrays()
        with pytest.raises(ValueError, match="shape"):
            search(model, (x, np.stack([y, y], axis=-1)))
        assert everything(model) == before
        model.fit(x, y, verbose=0)

    def test_by_the_train_step(self):
        model = small_model()
        model.fit(*arrays(), batch_size=16, verbose=0)
        before, attributes = everything(model), dict(vars(model))
        counter = itertools.count()
        own = model.train_step

        def train_step(*state_and_data):
            if next(counter) == 5:
                raise KeyboardInterrupt
            return own(*state_and_data)

        attributes["train_step"] = vars(model)["train_step"] = train_step
        state = random.getstate()
        with pytest.raises(KeyboardInterrupt):
            search(model, arrays())
        assert next(counter) == 6
        assert everything(model) == before
        assert vars(model) == attributes
        assert random.getstate() == state


def linear_model(optimizer, **kwargs):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, name="only")])
    model.layers[0].kernel.assign(KERNEL)
    model.compile(optimizer(model), "mse", run_eagerly=True, **kwargs)
    return model


def linear_data(rows=8, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, 3))
    return x, x @ np.array([[1.0], [2.0], [3.0]]) + 1.0


KERNEL = np.array([[0.5], [-1.0], [2.0]])


def descend(batches, rates, kernel_times=1.0, bias_times=1.0, kernel=KERNEL, bias=0.0, pull=0.0):
    """The range test by hand: the loss of each batch, then a step of gradient descent."""
    losses = []
    for group, rate in zip(batches, rates, strict=True):
        gradients = []
        loss = []
        for x, y in group:
            error = x @ kernel + bias - y
            loss.append((error**2).mean())
            gradients.append((2.0 * x.T @ error / len(x), 2.0 * error.mean(axis=0)))
        losses.append(np.mean(loss))
        of_kernel, of_bias = (np.mean(part, axis=0) for part in zip(*gradients, strict=True))
        of_kernel = of_kernel + pull * (kernel - KERNEL)
        kernel = kernel - rate * kernel_times * of_kernel
        bias = bias - rate * bias_times * (of_bias + pull * bias)
    return losses


class TestWhatItMeasures:
    rates = np.geomspace(1e-4, 0.1, 15)
    between = {"lowest": 1e-4, "highest": 0.1, "steps": 15, "verbose": 0, "batch_size": 8}

    def sgd(self, model):
        return keras.optimizers.SGD(0.7)

    def test_the_raw_losses_of_gradient_descent_at_rising_rates(self):
        model = linear_model(self.sgd, metrics=["mae"])
        curve = find_learning_rate(model, linear_data(), **self.between)
        np.testing.assert_allclose(curve.rates, self.rates)
        expected = descend([[linear_data()]] * 15, self.rates)
        np.testing.assert_allclose(curve.losses, expected, rtol=1e-4)
        assert (curve.ended, curve.smoothing) == ("complete", 0.8)

    def test_a_schedule_gives_way(self):
        def scheduled(model):
            return keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 3))

        curve = find_learning_rate(linear_model(scheduled), linear_data(), **self.between)
        expected = descend([[linear_data()]] * 15, self.rates)
        np.testing.assert_allclose(curve.losses, expected, rtol=1e-4)

    @pytest.mark.parametrize("scaled", [False, True])
    def test_multipliers_hold_in_the_search(self, scaled):
        def layerwise(model):
            made = LayerwiseOptimizer(
                keras.optimizers.SGD(0.7),
                model,
                multipliers={"only/bias": 0.25, "only/kernel": 2.0},
            )
            return keras.optimizers.LossScaleOptimizer(made) if scaled else made

        curve = find_learning_rate(linear_model(layerwise), linear_data(), **self.between)
        expected = descend([[linear_data()]] * 15, self.rates, 2.0, 0.25)
        np.testing.assert_allclose(curve.losses, expected, rtol=1e-4)

    def test_multipliers_hold_where_paths_repeat(self):
        """By paths alone a copy made from a config could not tell these two apart."""

        def losses(optimizer):
            keras.utils.set_random_seed(1)
            inputs = [keras.Input((3,)) for _ in range(2)]
            parts = [
                keras.Model(tensor, keras.layers.Dense(3, name="same")(tensor), name=name)
                for tensor, name in zip(inputs, ("one", "two"), strict=True)
            ]
            model = keras.Sequential([keras.Input((3,)), *parts, keras.layers.Dense(1)])
            model.layers[-1].trainable = False
            model.compile(optimizer(model), "mse", run_eagerly=True)
            assert model.layers[0].variables[0].path == model.layers[1].variables[0].path
            return find_learning_rate(model, linear_data(), **self.between).losses

        def only_two(model):
            return LayerwiseOptimizer(self.sgd(model), model, multipliers={"one/*": 1e-20})

        def frozen_one(model):
            model.layers[0].trainable = False
            return self.sgd(model)

        np.testing.assert_allclose(losses(only_two), losses(frozen_one), rtol=1e-5)

    def test_a_step_is_as_many_batches_as_are_accumulated(self):
        def accumulating(model):
            return keras.optimizers.SGD(0.7, gradient_accumulation_steps=2)

        parts = [linear_data(seed=0), linear_data(seed=1)]

        class InOrder(keras.utils.PyDataset):
            def __len__(self):
                return 2

            def __getitem__(self, index):
                return parts[index]

        curve = find_learning_rate(linear_model(accumulating), InOrder(), **self.between)
        expected = descend([parts] * 15, self.rates)
        np.testing.assert_allclose(curve.losses, expected, rtol=1e-4)

    def test_weight_decay_exclusions_go_along(self):
        def losses(exclude):
            optimizer = keras.optimizers.SGD(0.1, weight_decay=0.5)
            model = linear_model(lambda model: optimizer)
            if exclude:
                optimizer.exclude_from_weight_decay(var_list=model.trainable_variables)
            return find_learning_rate(model, linear_data(), **self.between).losses

        expected = descend([[linear_data()]] * 15, self.rates)
        np.testing.assert_allclose(losses(exclude=True), expected, rtol=1e-4)
        assert not np.allclose(losses(exclude=False), expected, rtol=1e-4)

    @pytest.mark.parametrize("trained_before", [False, True])
    def test_the_pull_is_towards_the_pretrained_values(self, trained_before):
        def pulled(model):
            return L2SP(keras.optimizers.SGD(0.1), model, 3.0, selector="only/*", decoupled=False)

        model = linear_model(pulled)
        if trained_before:
            model.fit(*linear_data(), epochs=3, verbose=0)
        kernel, bias = model.get_weights()
        curve = find_learning_rate(model, linear_data(), **self.between)
        expected = descend([[linear_data()]] * 15, self.rates, kernel=kernel, bias=bias, pull=3.0)
        np.testing.assert_allclose(curve.losses, expected, rtol=1e-4)

    def test_it_begins_with_empty_slots_from_the_present_weights(self):
        model = linear_model(lambda model: keras.optimizers.SGD(0.01, momentum=0.9))
        first = find_learning_rate(model, linear_data(), **self.between).losses
        weights = model.get_weights()
        model.fit(*linear_data(), epochs=3, verbose=0)
        assert find_learning_rate(model, linear_data(), **self.between).losses[0] < first[0]
        model.set_weights(weights)
        again = find_learning_rate(model, linear_data(), **self.between).losses
        assert again.tolist() == first.tolist()

    def test_only_what_the_plan_trains_is_trained(self):
        model = small_model()
        plan = kerasft.TrainHead().apply(model)  # and dropout, before it, is off
        behind = keras.Model(model.input, model.get_layer("stem").output)
        x, y = arrays()
        features = behind.predict(x, verbose=0)
        head = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
        head.set_weights(model.get_layer("top").get_weights())
        compile_it(head)
        expected = search(head, (features, y))
        np.testing.assert_allclose(search(model, (x, y)).losses, expected.losses, rtol=1e-4)
        plan.undo()

    def test_class_weight_and_sample_weight(self):
        x, y = arrays()
        weights = {0: 3.0, 1: 0.5, 2: 0.0}
        by_class = search(small_model(), (x, y), class_weight=weights).losses
        by_row = np.array([weights[label] for label in y], "float32")
        assert search(small_model(), (x, y, by_row)).losses.tolist() == by_class.tolist()
        assert search(small_model(), (x, y)).losses.tolist() != by_class.tolist()

    def test_the_loss_of_other_outputs_and_of_regularizers_counts(self):
        inputs = keras.Input((4,))
        x = keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(1.0))(inputs)
        model = keras.Model(inputs, {"a": keras.layers.Dense(1)(x), "b": keras.layers.Dense(1)(x)})
        model.compile("sgd", {"a": "mse", "b": "mae"}, run_eagerly=True)
        x, y = arrays()
        data = (x, {"a": y.astype("float32"), "b": -y.astype("float32")})
        curve = search(model, data, batch_size=ROWS)
        whole = model.evaluate(*data, batch_size=ROWS, verbose=0, return_dict=True)["loss"]
        assert curve.losses[0] == pytest.approx(whole, rel=1e-5)


class TestHowItEnds:
    def test_it_stops_when_the_loss_has_exploded(self):
        model = linear_model(lambda model: keras.optimizers.SGD())
        curve = find_learning_rate(
            model, linear_data(), lowest=1e-3, highest=1e3, steps=30, smoothing=0.0, verbose=0
        )
        assert curve.ended == "diverged"
        assert curve.diverged
        assert len(curve.losses) < 30
        assert curve.losses[-1] > 4.0 * curve.losses.min()
        assert (curve.losses[:-1] <= 4.0 * np.minimum.accumulate(curve.losses)[:-1]).all()
        assert curve.valley < 0.5

    def test_the_factor_is_the_users(self):
        def steps(stop_factor):
            model = linear_model(lambda model: keras.optimizers.SGD())
            arguments = {"lowest": 1e-3, "highest": 10.0, "steps": 30, "verbose": 0}
            return len(
                find_learning_rate(
                    model, linear_data(), stop_factor=stop_factor, **arguments
                ).losses
            )

        assert steps(1.5) < steps(1e6)

    def test_losses_below_zero(self):
        """Four times a negative loss is lower, not higher."""
        model = linear_model(lambda model: keras.optimizers.SGD())
        model.compile(
            "sgd", lambda y, p: keras.ops.mean((y - p) ** 2, axis=-1) - 100.0, run_eagerly=True
        )
        curve = find_learning_rate(
            model, linear_data(), lowest=1e-3, highest=1e3, steps=30, verbose=0
        )
        assert curve.losses[0] < 0
        assert curve.ended == "diverged"
        assert curve.losses[-1] > 200.0

    def test_a_loss_that_is_not_finite_ends_it_and_is_no_point(self):
        model = linear_model(lambda model: keras.optimizers.SGD())
        curve = find_learning_rate(
            model, linear_data(), lowest=1e-3, highest=1e30, steps=30, stop_factor=1e300, verbose=0
        )
        assert curve.ended == "not finite"
        assert curve.diverged
        assert np.isfinite(curve.losses).all()
        assert len(curve.losses) < 30

    def test_no_loss_to_begin_with(self):
        model = small_model()
        x, y = arrays()
        before = everything(model)
        with pytest.raises(
            DataError, match=r"finite loss at the lowest rate. Received: a loss that"
        ):
            search(model, (np.full_like(x, np.nan), y))
        assert everything(model) == before

    def test_never_diverging_is_told(self):
        model = linear_model(lambda model: keras.optimizers.SGD())
        curve = find_learning_rate(
            model, linear_data(), lowest=1e-5, highest=0.01, steps=40, verbose=0
        )
        assert not curve.diverged
        assert "still falling at the highest rate" in curve.caveats[0]

    def test_only_growing_is_told(self):
        model = linear_model(lambda model: keras.optimizers.SGD())
        curve = find_learning_rate(
            model, linear_data(), lowest=10.0, highest=20.0, steps=40, stop_factor=1e9, verbose=0
        )
        assert curve.suggestions == {}
        with pytest.raises(UnsupportedError, match="no learning rate to suggest"):
            _ = curve.valley


class TestData:
    def test_the_same_rows_as_arrays_data_set_or_dict(self):
        x, y = linear_data(16)
        own = linear_model(lambda model: keras.optimizers.SGD())
        expected = search(own, (x, y)).losses  # one batch: the order of its rows is no matter

        class OneBatch(keras.utils.PyDataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return x, y

        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, (x, y))
        for data in (OneBatch(), tensors):
            np.testing.assert_allclose(search(own, data).losses, expected, rtol=1e-4)

        x, y = arrays(16)
        inputs = {"a": keras.Input((4,), name="a"), "b": keras.Input((4,), name="b")}
        model = keras.Model(inputs, keras.layers.Dense(3)(inputs["a"] + inputs["b"]))
        compile_it(model)
        assert len(search(model, ({"a": x, "b": x}, y)).losses) > 3

    def test_tf_data(self):
        tf = pytest.importorskip("tensorflow")
        x, y = linear_data(16)
        own = linear_model(lambda model: keras.optimizers.SGD())
        expected = search(own, (x, y)).losses
        dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
        for data in (dataset, dataset.repeat()):
            np.testing.assert_allclose(search(own, data).losses, expected, rtol=1e-4)
        nothing = dataset.take(0)
        with pytest.raises(DataError, match="at least one batch"):
            search(own, nothing)
        nothing = dataset.unbatch().filter(lambda x, y: False).batch(2)
        with (
            pytest.warns(UserWarning, match="ran out of data"),
            pytest.raises(DataError, match="Received: no batch"),
        ):
            search(own, nothing)

    def test_arrays_are_gone_through_in_full_batches(self):
        seen = []
        model = small_model()
        own = model.train_step

        def train_step(*state_and_data):
            seen.append(keras.ops.convert_to_numpy(state_and_data[-1][0])[:, 0])
            return own(*state_and_data)

        vars(model)["train_step"] = train_step
        x, y = arrays(21)
        search(model, (x, y), batch_size=10, steps=12, highest=1e-3)
        assert [len(batch) for batch in seen] == [10] * 12
        for first, second in zip(seen[::2], seen[1::2], strict=True):
            assert len(np.unique(np.concatenate([first, second]))) == 20
        assert len({tuple(batch) for batch in seen}) == 12
        orders = [np.concatenate(seen)]
        for seed in (0, 1):
            seen.clear()
            search(model, (x, y), batch_size=10, steps=12, highest=1e-3, seed=seed)
            orders.append(np.concatenate(seen))
        assert (orders[0] == orders[1]).all()
        assert (orders[0] != orders[2]).any()

    def test_every_batch_of_a_data_set_once_before_any_again(self):
        asked = []

        class Asked(keras.utils.PyDataset):
            def __len__(self):
                return 5

            def __getitem__(self, index):
                asked.append(index)
                return arrays(4, seed=index)

        batches = search_data(Asked(), 15, 32, seed=0)
        for index in range(len(batches)):
            batches[index]
        passes = [asked[start : start + 5] for start in (0, 5, 10)]
        assert all(sorted(one) == list(range(5)) for one in passes)
        # Keras on TensorFlow takes the shapes of all from the first two.
        assert passes[0][:2] == [0, 1]

    def test_a_data_set_without_an_end(self):
        class Endless(keras.utils.PyDataset):
            num_batches = None

            def __getitem__(self, index):
                return arrays(8, seed=index)

        assert len(search(small_model(), Endless()).losses) > 3

    def test_nothing_is_read_once_the_search_has_ended(self, monkeypatch):
        """Keras reads ahead on a thread, which would change what was put back already."""
        made = []

        def spy(*arguments):
            made.append(search_data(*arguments))
            return made[0]

        module = sys.modules[find_learning_rate.__module__]
        monkeypatch.setattr(module, "search_data", spy)
        search(small_model(), arrays(), highest=1e4, steps=50)
        with pytest.raises(RuntimeError, match="Nothing more is read"):
            made[0][49]

    def test_the_end_waits_for_a_batch_that_is_being_read(self):
        told = []
        begun, may_end = threading.Event(), threading.Event()

        def read(index):
            begun.set()
            may_end.wait(10)
            told.append("read")

        batches = SearchBatches(read, 1)
        reader = threading.Thread(target=lambda: batches[0])
        closer = threading.Thread(target=lambda: (batches.close(), told.append("closed")))
        reader.start()
        begun.wait(10)
        closer.start()
        may_end.set()
        for thread in (reader, closer):
            thread.join(10)
        assert told == ["read", "closed"]

    def test_a_model_that_is_not_built_yet(self):
        model = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(3)])
        compile_it(model)
        assert len(search(model, arrays()).losses) > 3
        assert model.built
        assert len(model.trainable_variables) == 4

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            ([1, 2], "must be arrays"),
            (np.ones((4, 4)), "Labels and inputs go together in one tuple"),
            ((batch for batch in [arrays()]), "generator would be used up"),
            ((np.ones((4, 4)), np.ones(3)), "one row for each example. Received: arrays of 3, 4"),
            ((np.ones((0, 4)), np.ones(0)), "arrays without rows"),
            ((np.ones((4, 4)), "labels"), "This part is no array"),
            (({}, {}), "arrays of no rows"),
        ],
    )
    def test_what_cannot_be_used_is_refused_before_a_step(self, data, told):
        model = small_model()
        vars(model)["train_step"] = None
        with pytest.raises(DataError, match=told):
            search(model, data)
        assert model.train_function is None

    def test_a_data_set_with_nothing_in_it(self):
        class Empty(keras.utils.PyDataset):
            def __len__(self):
                return 0

        with pytest.raises(DataError, match="at least one batch"):
            search(small_model(), Empty())


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ({"lowest": 0.0}, "`lowest` must be a number, above 0"),
            ({"lowest": 1.0, "highest": 1.0}, "`highest` must be a number, above 1. .* rises from"),
            ({"highest": float("inf")}, "`highest` must be a number"),
            ({"steps": 9}, "`steps` must be a whole number, at least 10"),
            ({"smoothing": 1.0}, "`smoothing` must be a number, at least 0 and below 1"),
            ({"stop_factor": 1.0}, "`stop_factor` must be a number, above 1"),
            ({"batch_size": 0}, "`batch_size` must be a whole number, at least 1"),
            ({"class_weight": [1.0]}, "`class_weight` must be a dict"),
            ({"seed": -1}, "`seed` must be"),
            ({"verbose": "loud"}, "`verbose` must be"),
        ],
    )
    def test_arguments(self, arguments, told):
        with pytest.raises(ArgumentError, match=told):
            search(small_model(), arrays(), **arguments)

    def test_models(self):
        with pytest.raises(ArgumentError, match=r"`model` must be a keras.Model"):
            search("model", arrays())
        with pytest.raises(ArgumentError, match=r"compiled with an optimizer. .*model.compile"):
            search(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), arrays())
        model = small_model()
        model.trainable = False
        with pytest.raises(ArgumentError, match=r"must have something to train.*all frozen"):
            search(model, arrays())

    def test_optimizers_that_cannot_be_copied(self):
        class Stubborn(keras.optimizers.SGD):
            def __init__(self, something):
                super().__init__(0.1)

        model = small_model(optimizer=lambda model: Stubborn(1))
        with pytest.raises(UnsupportedError, match=r"Received: Stubborn, which raised .*_config"):
            search(model, arrays())
        several = keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.SGD())
        )
        model = small_model(optimizer=lambda model: several)
        with pytest.raises(UnsupportedError, match=r"Use kerasft.optimizers.LayerwiseOptimizer"):
            search(model, arrays())

    def test_a_users_own_optimizer_needs_no_registration(self):
        class Own(keras.optimizers.SGD):
            pass

        def wrapped(model):
            return keras.optimizers.LossScaleOptimizer(Own(0.1))

        assert len(search(small_model(optimizer=wrapped), arrays()).losses) > 3

    def test_a_train_step_without_a_loss(self):
        class Silent(keras.Sequential):
            def train_step(self, *state_and_data):
                result = super().train_step(*state_and_data)
                logs = result if isinstance(result, dict) else result[0]
                logs["other"] = logs.pop("loss")
                return result

        model = Silent([keras.Input((4,)), keras.layers.Dense(3)])
        compile_it(model)
        with pytest.raises(UnsupportedError, match=r"gives its `loss`. .* gives \['other'\]"):
            search(model, arrays())


def test_the_bar_counts_steps_and_can_be_left_out(capsys):
    search(small_model(), arrays(), highest=1e-3, verbose="auto")
    shown = capsys.readouterr()
    assert "10/10" in shown.err
    assert shown.out == ""
    search(small_model(), arrays(), highest=1e-3)
    assert capsys.readouterr() == ("", "")


def test_it_is_a_public_name():
    assert kerasft.find_learning_rate is find_learning_rate
    assert isinstance(search(small_model(), arrays()), LearningRateCurve)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own seeds")
def test_in_a_process_where_no_seed_was_set(monkeypatch):
    from tensorflow.python.eager import context

    from kerasft.tuning._random_state import remember_random_state

    monkeypatch.delattr(context.context(), "_rng", raising=False)
    remember_random_state()()
