"""A wrapper shows the inner optimizer's numbers, and saves its state once."""

import keras
import numpy as np
import pytest

from kerasft.optimizers.optimizer_wrapper import OptimizerWrapper

pytestmark = pytest.mark.core


def built(inner=None):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    inner = inner or keras.optimizers.Adam(0.1)
    optimizer = OptimizerWrapper(inner)
    optimizer.build(model.trainable_variables)
    return model, optimizer


def one_step(model, optimizer):
    variables = model.trainable_variables
    return optimizer.apply_gradients(
        [(keras.ops.ones(variable.shape), variable) for variable in variables]
    )


def test_it_updates_as_the_inner_optimizer_and_counts_steps():
    model, optimizer = built()
    reference = keras.models.clone_model(model)
    reference.set_weights(model.get_weights())
    plain = keras.optimizers.Adam(0.1)
    for step in range(3):
        assert int(one_step(model, optimizer)) == step + 1
        one_step(reference, plain)
    for a, b in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_model_is_built_by_the_first_step_too():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = OptimizerWrapper(keras.optimizers.Adam(0.1))
    one_step(model, optimizer)
    assert optimizer.built
    assert optimizer.inner_optimizer.built
    optimizer.apply([keras.ops.ones(v.shape) for v in model.trainable_variables])
    assert int(optimizer.iterations) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("weight_decay", 0.1),
        ("clipnorm", 2.0),
        ("global_clipnorm", 2.0),
        ("clipvalue", 2.0),
        ("ema_momentum", 0.5),
        ("ema_overwrite_frequency", 3),
        ("loss_scale_factor", 4.0),
        ("gradient_accumulation_steps", 2),
    ],
)
def test_hyperparameters_are_the_inner_optimizers(name, value):
    inner = keras.optimizers.Adam(0.1)
    before = getattr(inner, name)
    optimizer = OptimizerWrapper(inner)
    assert getattr(inner, name) == getattr(optimizer, name) == before
    setattr(optimizer, name, value)
    assert getattr(inner, name) == getattr(optimizer, name) == value


def test_the_learning_rate_is_read_and_set_through():
    _, optimizer = built()
    optimizer.learning_rate = 0.25
    assert float(optimizer.inner_optimizer.learning_rate) == 0.25
    assert float(optimizer.learning_rate) == 0.25


def test_the_averages_are_the_inner_optimizers_where_it_keeps_any():
    assert not hasattr(built()[1], "_model_variables_moving_average")
    _, optimizer = built(keras.optimizers.Adam(0.1, use_ema=True))
    assert optimizer.use_ema
    assert len(optimizer._model_variables_moving_average) == 2


def test_the_state_is_the_inner_optimizers_and_is_saved_once(tmp_path):
    import h5py

    model, optimizer = built()
    one_step(model, optimizer)
    variables = optimizer.variables
    assert [id(v) for v in variables] == [id(v) for v in optimizer.inner_optimizer.variables]
    model.compile(optimizer, "mse")
    model.save_weights(tmp_path / "saved.weights.h5")
    with h5py.File(tmp_path / "saved.weights.h5") as file:
        saved = []
        file["optimizer"].visititems(
            lambda name, item: saved.append(name) if isinstance(item, h5py.Dataset) else None
        )
    assert len(saved) == len(variables)
    again_model, again = built()
    again_model.compile(again, "mse")
    again_model.load_weights(tmp_path / "saved.weights.h5")
    for one, other in zip(variables, again.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))


def test_weights_can_be_set():
    model, optimizer = built()
    one_step(model, optimizer)
    values = [keras.ops.convert_to_numpy(v) for v in optimizer.variables]
    _, again = built()
    again.set_weights(values)
    for value, variable in zip(values, again.variables, strict=True):
        np.testing.assert_array_equal(value, keras.ops.convert_to_numpy(variable))


def test_variables_are_excluded_from_weight_decay_in_keras_own_words():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    optimizer = OptimizerWrapper(keras.optimizers.SGD(0.5, weight_decay=0.5))
    optimizer.exclude_from_weight_decay(var_names=["kernel"])
    before = model.get_weights()[0]
    variables = model.trainable_variables
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    np.testing.assert_array_equal(model.get_weights()[0], before)
