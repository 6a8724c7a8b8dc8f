"""The state of every global source of random numbers that training draws from."""

import random
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.src.backend.common import global_state

# Keras keeps the generator of unseeded random numbers under this name, once one was asked for.
_KERAS_GENERATOR = "global_seed_generator"


def remember_random_state() -> Callable[[], None]:
    """Note the random state of Python, NumPy, Keras and the backend.

    Returns:
        A function that puts all of it back.
    """
    put_back = [_python(), _numpy(), _keras()]
    # These packages are looked at where something has imported them, and never imported here.
    if "tensorflow" in sys.modules:
        put_back.append(_tensorflow())
    if "torch" in sys.modules:
        put_back.append(_torch())

    def put_all_back() -> None:
        for function in put_back:
            function()

    return put_all_back


def _python() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _numpy() -> Callable[[], None]:
    state = np.random.get_state(legacy=False)
    return lambda: np.random.set_state(state)


def _keras() -> Callable[[], None]:
    generator = global_state.get_global_attribute(_KERAS_GENERATOR)
    state = None if generator is None else _value_of(generator.state)

    def put_back() -> None:
        global_state.set_global_attribute(_KERAS_GENERATOR, generator)
        if generator is not None:
            generator.state.assign(state)

    return put_back


def _tensorflow() -> Callable[[], None]:
    # Where `tf.random.set_seed` was called, every random operation that is made eagerly, such as
    # the shuffling of arrays by `fit`, takes its seed from here.
    from tensorflow.python.eager import context

    eager: Any = context.context()
    # Without a seed there is no such generator, and nothing that could be repeated.
    generator = getattr(eager, "_rng", None)
    if generator is None:
        return lambda: None
    state = generator.getstate()

    def put_back() -> None:
        if eager._rng.getstate() != state:
            eager._rng.setstate(state)
            # An operation that comes with the same seed again would go on where it was left.
            eager.clear_kernel_cache()

    return put_back


def _torch() -> Callable[[], None]:
    torch = sys.modules["torch"]
    state = torch.get_rng_state()
    on_devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def put_back() -> None:
        torch.set_rng_state(state)
        if on_devices:
            torch.cuda.set_rng_state_all(on_devices)

    return put_back


def _value_of(variable: Any) -> np.ndarray:
    # A copy: on some backends the array would be the variable's own memory.
    return np.array(keras.ops.convert_to_numpy(variable))


def remember_own_generators(owner: Any) -> Callable[[], None]:
    """Note an object's attributes, and the state of the random generators among them.

    Args:
        owner: A data set that keeps a generator of its own for augmentation, say.

    Returns:
        A function that puts them back.
    """
    attributes = dict(vars(owner))
    states: list[tuple[Any, Any]] = []
    for value in attributes.values():
        if isinstance(value, random.Random):
            states.append((value.setstate, value.getstate()))
        elif isinstance(value, np.random.RandomState):
            states.append((value.set_state, value.get_state(legacy=False)))
        elif isinstance(value, np.random.Generator):
            bits = value.bit_generator
            states.append((lambda state, bits=bits: setattr(bits, "state", state), bits.state))
        elif isinstance(value, keras.random.SeedGenerator):
            states.append((value.state.assign, _value_of(value.state)))

    def put_back() -> None:
        vars(owner).clear()
        vars(owner).update(attributes)
        for put, state in states:
            put(state)

    return put_back
