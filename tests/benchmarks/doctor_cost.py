"""What the doctor costs: seconds per step with it and without, and per epoch on a large model.

Run it with `python tests/benchmarks/doctor_cost.py`. Fits with and without take turns, so that a
machine that slows down slows both; what is compared are the medians over the rounds. A third
variant has another callback that does nothing after each batch, as a measure of the noise.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from kerasft._tables import text_table
from kerasft.callbacks import Doctor
from kerasft.callbacks._weights_watch import WeightsWatch, spoilt

FEATURES = 384
VARIANTS = {
    "without": list,
    "with a callback that does nothing": lambda: [Nothing()],
    "with the doctor": lambda: [Doctor(verbose=0)],
}


class Nothing(keras.callbacks.Callback):
    """Called as often as the doctor is."""

    def on_train_batch_begin(self, batch, logs=None):
        pass

    def on_train_batch_end(self, batch, logs=None):
        pass


def make_model(hidden):
    """A head of some hidden units over features of 384 numbers."""
    layers = [keras.layers.Dense(units, "relu") for units in hidden]
    model = keras.Sequential([keras.Input((FEATURES,)), *layers, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def time_fits(hidden, args):
    """Seconds per step of each variant, one number for each round."""
    random = np.random.default_rng(0)
    rows = args.steps * args.batch_size
    y = random.integers(0, 2, rows)
    x = (random.normal(size=(rows, FEATURES)) + y[:, None] * 0.1).astype("float32")
    valid = x[:1000], y[:1000]
    models = {name: make_model(hidden) for name in VARIANTS}
    seconds = {name: [] for name in VARIANTS}
    for number in range(args.rounds + 1):  # the first round traces
        for name, callbacks in VARIANTS.items():
            start = time.perf_counter()
            models[name].fit(
                x,
                y,
                validation_data=valid,
                batch_size=args.batch_size,
                validation_batch_size=1000,
                epochs=2,
                verbose=0,
                callbacks=callbacks(),
            )
            if number:
                seconds[name].append((time.perf_counter() - start) / (2 * args.steps))
    return seconds


def time_weights(millions):
    """Seconds for what the doctor does with the weights of a large model."""
    width = 1000
    layers = [keras.layers.Dense(width) for _ in range(millions)]
    model = keras.Sequential([keras.Input((width,)), *layers])

    def timed(function):
        start = time.perf_counter()
        function()
        return time.perf_counter() - start

    watch = WeightsWatch(model)
    watch.moved()
    return {
        "before the first epoch: values of each weight": timed(lambda: WeightsWatch(model)),
        "before the first epoch: NaN in any weight": timed(lambda: spoilt(model.weights)),
        "after each epoch: how far they moved": timed(watch.moved),
        "after the first epoch: which have changed": timed(watch.changed),
    }


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=500, help="steps of each epoch")
    parser.add_argument("--rounds", type=int, default=15, help="fits of each variant")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--millions", type=int, default=20, help="weights of the large model")
    args = parser.parse_args()
    rows = []
    for title, hidden in (("linear", ()), ("a head with 64 units", (64,))):
        seconds = time_fits(hidden, args)
        plain = seconds["without"]
        for name, values in seconds.items():
            ratios = [value / other for value, other in zip(values, plain, strict=True)]
            low, _, high = statistics.quantiles(ratios, n=4)
            rows.append(
                (
                    title,
                    name,
                    f"{1e6 * statistics.median(values):.0f}",
                    f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f})",
                )
            )
    print(
        text_table(
            ("model", "fit", ">microseconds", ">ratio (middle half)"),
            rows,
            title=f"A step of {args.batch_size} rows of {FEATURES} features: median of "
            f"{args.rounds} fits of 2 epochs of {args.steps} steps, validation included",
        )
    )
    print()
    print(
        text_table(
            ("what is done", ">milliseconds"),
            [[name, f"{1e3 * value:.1f}"] for name, value in time_weights(args.millions).items()],
            title=f"A model of {args.millions} million weights in {2 * args.millions} variables",
        )
    )


if __name__ == "__main__":
    main()
