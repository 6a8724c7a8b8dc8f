"""Carrying an optimizer on, against one that knew all variables from the start."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import UnsupportedError
from kerasft.freezing.optimizer_state import births_of, carry_over

pytestmark = pytest.mark.core

OPTIMIZERS = {
    "SGD momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "Adam": lambda: keras.optimizers.Adam(0.1, amsgrad=True),
    "AdamW": lambda: keras.optimizers.AdamW(0.1, weight_decay=0.1),
    "RMSprop": lambda: keras.optimizers.RMSprop(0.1, momentum=0.5, centered=True),
    "Lion": lambda: keras.optimizers.Lion(0.1),
    "Adafactor": lambda: keras.optimizers.Adafactor(0.1),
    "accumulation": lambda: keras.optimizers.Adam(0.1, gradient_accumulation_steps=2),
    "EMA": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.Adam(0.1), initial_scale=8.0, dynamic_growth_steps=2
    ),
}
if keras.backend.backend() == "jax":
    del OPTIMIZERS["loss scale"]  # outside of a train step Keras's own leaks a traced value there
SHAPES = [(3, 4), (4,), (4, 2), (2,)]


def new_variables():
    random = np.random.default_rng(0)
    return [keras.Variable(random.normal(size=shape), dtype="float32") for shape in SHAPES]


def step(optimizer, variables, number):
    random = np.random.default_rng(number)
    gradients = [keras.ops.convert_to_tensor(random.normal(size=s), "float32") for s in SHAPES]
    scale = getattr(optimizer, "dynamic_scale", None)
    if scale is not None:
        gradients = [gradient * scale for gradient in gradients]
    chosen = [(g, v) for g, v in zip(gradients, ALL[id(optimizer)], strict=True) if v in variables]
    optimizer.apply([g for g, _ in chosen], [v for _, v in chosen])


ALL = {}


def as_arrays(variables):
    return [keras.ops.convert_to_numpy(variable).copy() for variable in variables]


def in_list(variables, chosen):
    return [variables[index] for index in sorted(chosen)]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_goes_on_training_is_carried_exactly(name):
    """Freezing and keeping: the kept variables move as if nothing had happened."""
    results = []
    for rebuild in (True, False):
        variables, optimizer = new_variables(), OPTIMIZERS[name]()
        ALL[id(optimizer)] = _Identity(variables)
        optimizer.build(variables)
        for number in range(4):
            step(optimizer, _Identity(variables), number)
        kept = _Identity(variables[1:])
        if rebuild:
            count = len(optimizer.variables)
            carry_over(optimizer, list(kept))
            assert len(optimizer.variables) < count  # no slot is left behind
        for number in range(4, 9):
            step(optimizer, kept, number)
        results.append(as_arrays(variables))
    for ours, reference in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, reference)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sets(st.integers(0, 3), min_size=1), min_size=2, max_size=4))
def test_any_sequence_of_plans_leaves_the_others_alone(phases):
    """Momentum against the formula, worked by hand; what leaves is forgotten."""
    variables, optimizer = new_variables(), keras.optimizers.SGD(0.1, momentum=0.9)
    ALL[id(optimizer)] = _Identity(variables)
    optimizer.build(in_list(variables, phases[0]))
    momentum = {index: np.zeros(SHAPES[index]) for index in range(4)}
    expected = as_arrays(variables)
    known = set(phases[0])
    for number, phase in enumerate(phases):
        if number:
            carry_over(optimizer, in_list(variables, phase))
            for left in known - phase:
                momentum[left][:] = 0.0  # what left is forgotten
            known = set(phase)
        step(optimizer, _Identity(in_list(variables, phase)), number)
        random = np.random.default_rng(number)
        gradients = [random.normal(size=shape) for shape in SHAPES]
        for index in phase:
            momentum[index] = 0.9 * momentum[index] - 0.1 * gradients[index]
            expected[index] = expected[index] + momentum[index]
    for value, wanted in zip(as_arrays(variables), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-6)


def test_a_late_average_starts_at_the_present_value():
    variables = new_variables()
    optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    ALL[id(optimizer)] = _Identity(variables)
    optimizer.build(variables[:1])
    step(optimizer, _Identity(variables[:1]), 0)
    carry_over(optimizer, variables)
    averages = as_arrays(optimizer._model_variables_moving_average)
    np.testing.assert_array_equal(averages[3], as_arrays(variables)[3])


@pytest.mark.skipif("loss scale" not in OPTIMIZERS, reason="Keras's own does not step eagerly")
def test_a_loss_scale_is_kept():
    variables = new_variables()
    optimizer = OPTIMIZERS["loss scale"]()
    ALL[id(optimizer)] = _Identity(variables)
    optimizer.build(variables)
    for number in range(3):
        step(optimizer, _Identity(variables), number)
    scale = float(optimizer.dynamic_scale)
    assert scale > 8.0
    count = len(optimizer.variables)
    carry_over(optimizer, variables)
    assert float(optimizer.dynamic_scale) == scale
    assert len(optimizer.variables) == count


STEPS_BEFORE = 40
OF_KERAS = [
    "SGD",
    "RMSprop",
    "Adam",
    "AdamW",
    "Adadelta",
    "Adagrad",
    "Adamax",
    "Adafactor",
    "Ftrl",
    "Lion",
    "Lamb",
    "Muon",
    "ScheduleFreeAdamW",
]


def _values_by_step(optimizer, seed, births):
    """What a variable is after each step, one that begins after `births[0]` steps of another."""
    early, variable = new_variables()[0], new_variables()[2]
    if births:
        optimizer.build([early])
    random = np.random.default_rng(5)
    for _ in range(births[0] if births else 0):
        optimizer.apply([keras.ops.convert_to_tensor(random.normal(size=(3, 4)), "float32")])
    if births:
        carry_over(optimizer, [early, variable])
    else:
        optimizer.build([early, variable])
    random, values = np.random.default_rng(seed), as_arrays([variable])
    for _ in range(12):
        gradients = [random.normal(size=(3, 4)), random.uniform(0.5, 1.5, size=(4, 2))]
        optimizer.apply([keras.ops.convert_to_tensor(g, "float32") for g in gradients])
        values += as_arrays([variable])
    return np.stack(values)


@pytest.mark.parametrize("name", OF_KERAS)
def test_a_late_variable_takes_the_steps_of_a_fresh_optimizer(name):
    """Adam's bias correction among them: by the count of all steps they would be larger."""
    late = _values_by_step(getattr(keras.optimizers, name)(0.01), 7, [STEPS_BEFORE])
    fresh = _values_by_step(getattr(keras.optimizers, name)(0.01), 7, [])
    np.testing.assert_array_equal(late, fresh)


def test_under_nadam_a_late_variable_takes_no_larger_steps():
    """Its product of momenta is one number for all variables, so its steps are smaller at first."""
    late = _values_by_step(keras.optimizers.Nadam(0.01), 7, [STEPS_BEFORE])
    fresh = _values_by_step(keras.optimizers.Nadam(0.01), 7, [])
    assert np.all(np.abs(np.diff(late, axis=0)) <= np.abs(np.diff(fresh, axis=0)) * (1 + 1e-5))


def test_what_comes_back_counts_anew_and_what_stayed_counts_on():
    variables = new_variables()
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.build(variables[:2])

    def steps(count, trained):
        for number in range(count):
            random = np.random.default_rng(number)
            optimizer.apply(
                [
                    keras.ops.convert_to_tensor(random.normal(size=v.shape), "float32")
                    for v in trained
                ]
            )

    steps(3, variables[:2])
    carry_over(optimizer, variables[:3])
    steps(2, variables[:3])
    assert births_of(optimizer) == {id(variables[2]): 3}
    carry_over(optimizer, variables[1:])
    assert births_of(optimizer) == {id(variables[2]): 3, id(variables[3]): 5}
    carry_over(optimizer, variables)
    assert births_of(optimizer) == {
        id(variables[0]): 5,
        id(variables[2]): 3,
        id(variables[3]): 5,
    }


def test_an_optimizer_of_several_is_refused():
    first, second = keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.1)
    several = keras.optimizers.MultiOptimizer(lambda v: first if len(v.shape) > 1 else second)
    with pytest.raises(UnsupportedError, match=r"must be a single one\. Received: MultiOptimizer"):
        carry_over(several, new_variables())


class _Identity(list):
    """A list that finds its members by identity: comparing variables compares their values."""

    def __contains__(self, item):
        return any(item is member for member in self)
