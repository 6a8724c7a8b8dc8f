"""The learning-rate range test: what rate is this model to be trained with?"""

from contextlib import closing, nullcontext
from typing import Any

import keras
import numpy as np

from kerasft._checks import check_int, check_number, check_type, fail
from kerasft._progress import progress
from kerasft._update_steps import innermost
from kerasft.errors import ArgumentError, DataError, UnsupportedError
from kerasft.tuning._optimizer_copy import copy_optimizer
from kerasft.tuning._random_state import remember_random_state
from kerasft.tuning._range_test import RangeTest
from kerasft.tuning._search_data import SearchBatches, first_inputs, search_data
from kerasft.tuning._untouched import set_quietly, untouched, untouched_data
from kerasft.tuning.learning_rate_curve import LearningRateCurve

_FEWEST_STEPS = 10


def find_learning_rate(
    model: keras.Model,
    data: Any,
    *,
    lowest: float = 1e-7,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.8,
    stop_factor: float = 4.0,
    batch_size: int = 32,
    class_weight: dict[int, float] | None = None,
    seed: int = 0,
    verbose: str | int = "auto",
) -> LearningRateCurve:
    """Find a learning rate by a range test: train for a moment while the rate rises.

    Each step trains the compiled model, as it is and as its plan says, at a rate that is a constant
    factor higher than the last, until the loss explodes. From the curve come three suggestions,
    which `LearningRateCurve` describes, with how far to trust each. They are where to begin, not
    where to end: a hundred steps know nothing of overfitting, and the best rate for a long
    training is often lower. Search again when something else trains, when the batch size changes,
    or the optimizer.

    Afterwards everything is as it was, bit for bit, so that a `fit` after a search is the `fit`
    without it: weights, moving statistics, seeds, metrics, the optimizer with its slots and rate,
    the compiled functions, the data set's place, and the random state of Python, NumPy, Keras and
    the backend. That holds, too, for a search that is interrupted. Only a model that was not built
    is built now. A `tf.data.Dataset` that reshuffles counts its passes inside TensorFlow, where
    they cannot be put back: give the search one of its own. So it is with a data set that a `fit`
    is reading at the same time.

    What trains is a fresh copy of the optimizer, made from its config: its slots are empty and its
    count of steps zero, as in a new training. A learning-rate schedule gives way to the rising
    rate, compiled metrics are left out, and each step is executed by itself. With a
    `LayerwiseOptimizer` the rate is that of multiplier 1. Where the optimizer accumulates
    gradients, a step is as many batches as it accumulates, all at one rate.

    Args:
        model: A compiled model.
        data: What it trains on: batches from `kerasft.data` or another `keras.utils.PyDataset`, a
            `tf.data.Dataset` of batches, or a tuple of arrays `(inputs, labels)` or `(inputs,
            labels, sample_weight)`. Data with fewer batches than steps are gone through again.
        lowest: The first step's rate.
        highest: The rate that the last step would have.
        steps: The number of steps, at least 10. More make a smoother curve.
        smoothing: From 0 to below 1: in the smoothed curve a loss that is k steps away counts
            `smoothing ** k` times as much. The same share of the past tells when to stop.
        stop_factor: Above 1: stop when the running mean of the loss exceeds its lowest value so
            many times.
        batch_size: Of arrays; the rows of each pass are shuffled, and a last batch that is not
            full is left out.
        class_weight: By class, the weight of its examples in the loss, as in `fit`.
        seed: Of the order in which rows or batches are visited.
        verbose: 0 for no progress bar.

    Returns:
        A `LearningRateCurve`: the rates, the losses, and the suggestions.

    Raises:
        ArgumentError: for an argument that breaks its rule, or a model in which nothing trains.
        DataError: for data that cannot be used, or a loss that is not finite from the start.
        UnsupportedError: for an optimizer that cannot be copied, or inside a `fit` on JAX.

    Example:
        >>> import keras, kerasft, numpy as np
        >>> keras.utils.set_random_seed(0)
        >>> x = np.random.normal(size=(256, 4))
        >>> y = x @ np.array([[1.0], [-2.0], [0.5], [0.0]])
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(keras.optimizers.SGD(), "mse", run_eagerly=True)
        >>> curve = kerasft.find_learning_rate(model, (x, y), lowest=1e-4, steps=50, verbose=0)
        >>> curve.diverged, 0.01 < curve.valley < 0.5
        (True, True)

    References:
        - Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3 (the
          range test; arXiv:1506.01186, first in 2015).
        - fastai's `lr_find` (the stop rule, and the suggestions).
    """
    _check_model(model)
    check_number("lowest", lowest, above=0.0)
    hint = "The rate rises from `lowest` to `highest`."
    check_number("highest", highest, above=float(lowest), hint=hint)
    hint = "Fewer make no curve."
    check_int("steps", steps, minimum=_FEWEST_STEPS, hint=hint)
    check_number("smoothing", smoothing, minimum=0.0, below=1.0)
    check_number("stop_factor", stop_factor, above=1.0)
    check_int("batch_size", batch_size, minimum=1)
    if class_weight is not None:
        check_type("class_weight", class_weight, dict, "a dict of classes and weights, or None")
    check_int("seed", seed, minimum=0)
    if verbose not in ("auto", 0, 1, 2):
        fail("verbose", verbose, '"auto", 0, 1 or 2, as in `fit`')
    rates = np.geomspace(lowest, highest, steps).tolist()
    accumulated = innermost(model.optimizer).gradient_accumulation_steps or 1
    with untouched_data(data):
        batches = search_data(data, steps * accumulated, batch_size, seed)
        _build(model, batches)
        with _scope(model):
            optimizer = copy_optimizer(model.optimizer, rates[0], model.trainable_variables)
        bar: Any = progress(range(steps), "Searching", steps, 0 if verbose else steps + 1, 1)
        test = RangeTest(rates, accumulated, smoothing, stop_factor, bar)
        with untouched(model), closing(bar):
            _run(model, optimizer, batches, class_weight, test)
    if not test.losses:
        what = "a loss that is not finite" if test.ended == "not finite" else "no batch"
        raise DataError(
            f"`data` must give a finite loss at the lowest rate. Received: {what}. Look for "
            "missing values in the inputs, labels outside the classes, and a loss that expects "
            "logits where it gets probabilities, or the other way round."
        )
    return LearningRateCurve(
        rates=np.array(rates[: len(test.losses)]),
        losses=np.array(test.losses),
        smoothing=float(smoothing),
        ended=test.ended,
    )


def _check_model(model: Any) -> None:
    check_type("model", model, keras.Model, "a keras.Model")
    hint = "Call `model.compile(...)` with the optimizer whose rate you look for."
    if not model.compiled or model.optimizer is None:
        fail("model", model, "compiled with an optimizer", hint)
    if getattr(model, "_jax_state", None) is not None:
        raise UnsupportedError(
            "On the JAX backend no search can run inside `fit`, for Keras holds the weights "
            "outside the model there. Search before `fit`, or after it."
        )


def _scope(model: keras.Model) -> Any:
    strategy = getattr(model, "distribute_strategy", None)
    return nullcontext() if strategy is None else strategy.scope()


def _build(model: keras.Model, batches: Any) -> None:
    """See to it that there are weights to put back, and some to train."""
    if not model.built:
        # What the data draw is not drawn; what initializers draw is, as in a first `fit`.
        put_random_state_back = remember_random_state()
        inputs = first_inputs(batches)
        put_random_state_back()
        with _scope(model):
            model(inputs)
    if not model.trainable_variables:
        raise ArgumentError(
            f"`model` must have something to train. Received: model {model.name!r}, whose "
            f"{len(model.variables)} variables are all frozen. Apply a policy that trains "
            "something, such as kerasft.TrainHead()."
        )


def _run(
    model: keras.Model, optimizer: Any, batches: Any, class_weight: Any, test: RangeTest
) -> None:
    """Train with the copy of the optimizer, by the model's own `fit`."""
    # In the user's place only as long as the search goes on: `untouched` puts theirs back. The
    # user's metrics would cost time and be built; `fit` builds a loss that has not been.
    set_quietly(model, "optimizer", optimizer)
    set_quietly(model, "train_function", None)
    set_quietly(model, "steps_per_execution", 1)
    set_quietly(model, "_compile_metrics", None)
    loss = model._compile_loss
    if loss is not None and not loss.built:
        fresh = type(loss)(loss._user_loss, loss._user_loss_weights, output_names=loss.output_names)
        set_quietly(model, "_compile_loss", fresh)
    own = isinstance(batches, SearchBatches)
    try:
        model.fit(
            batches,
            epochs=1,
            steps_per_epoch=None if own else len(test.rates) * test.batches_per_step,
            shuffle=False,
            class_weight=class_weight,
            callbacks=[test],
            verbose=0,
        )
    except BaseException:
        if own and batches.error is not None:
            raise batches.error from None
        raise
    finally:
        if own:
            batches.close()
