"""Whether reading cached features keeps the trainable part busy, and what opening a cache costs.

Run it with `python tests/benchmarks/feature_reading.py`. Features of random texts are kept in
memory and in files, in each dtype. 'Reading' is the time to put one batch together; 'step' is that
of a whole training step on it, as `fit` takes it, reading included; 'ready' is a step on batches
that lie in memory already, put together before. Reading runs ahead of the step in a thread of
`tf.data`, so that it costs what the last column says, and not its own time.
"""

import argparse
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasft
from kerasft._tables import text_table
from kerasft.data import LengthGroupedBatches


class Ready(keras.utils.PyDataset):
    """Batches that were put together before."""

    def __init__(self, batches):
        super().__init__()
        self.ready = list(batches)

    def __len__(self):
        return len(self.ready)

    def __getitem__(self, index):
        return self.ready[index]


def make_model(width, policy):
    """A small BERT of two blocks in front of the boundary, and two that can train."""
    import keras_hub

    keras.utils.set_random_seed(0)
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=1000,
        num_layers=3,
        num_heads=6,
        hidden_dim=width,
        intermediate_dim=4 * width,
        max_sequence_length=256,
        dropout=0.0,
    )
    model = kerasft.Backbone.from_model(backbone).attach(kerasft.ClassificationHead(2))
    policy.apply(model)
    return model


def make_data(texts, batch_size):
    """Ids of random texts, of the lengths that film reviews have."""
    random = np.random.default_rng(0)
    lengths = np.clip(random.lognormal(3.3, 0.5, texts).astype(int), 4, 128)
    ids = [random.integers(1, 1000, length).astype("int32") for length in lengths]

    def collate(rows, length):
        tokens = np.stack([np.pad(ids[row], (0, length - len(ids[row]))) for row in rows])
        mask = (np.arange(length) < lengths[rows][:, None]).astype("int32")
        return {"token_ids": tokens, "padding_mask": mask, "segment_ids": tokens * 0}

    return LengthGroupedBatches(
        collate,
        lengths,
        labels=(lengths % 2).astype("int32"),
        batch_size=batch_size,
        shuffle=True,
        maximum_length=128,
    )


def milliseconds_per_step(model, data, rounds):
    """The median over some epochs of `fit`, after a first one that traces."""
    model.fit(data, verbose=0)
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        model.fit(data, verbose=0)
        found.append(1e3 * (time.perf_counter() - start) / len(data))
    return float(np.median(found))


def measure(model, data, where, dtype, rounds):
    """One row of the table."""
    directory = tempfile.mkdtemp() if where == "files" else None
    start = time.perf_counter()
    cache = kerasft.FeatureCache(model, directory, dtype=dtype)
    cached = cache.batches(data)
    made = time.perf_counter() - start
    opened = ""
    if directory:
        start = time.perf_counter()
        kerasft.FeatureCache(model, directory, dtype=dtype).batches(data)
        opened = f"{time.perf_counter() - start:.2f}"
    start = time.perf_counter()
    batches = list(cached)
    reading = 1e3 * (time.perf_counter() - start) / len(batches)
    cache.model.compile(keras.optimizers.Adam(1e-4), kerasft.ClassificationHead(2).default_loss())
    step = milliseconds_per_step(cache.model, cached, rounds)
    ready = milliseconds_per_step(cache.model, Ready(batches), rounds)
    megabytes = sum(store.nbytes for store in cached.collate.stores) / 2**20
    return (
        f"{made:.1f}",
        opened,
        f"{megabytes:.0f}",
        f"{reading:.2f}",
        f"{step:.1f}",
        f"{ready:.1f}",
        f"{step / ready:.2f}",
    )


def main():
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=int, default=2000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=3, help="epochs that are timed")
    args = parser.parse_args()
    data = make_data(args.texts, args.batch_size)
    rows = []
    policies = {"the head": kerasft.TrainHead(), "a block": kerasft.TrainLastBlocks(1)}
    for trains, policy in policies.items():
        for where, dtype in (
            ("memory", None),
            ("files", "float32"),
            ("files", "bfloat16"),
            ("files", "float16"),
        ):
            model = make_model(args.width, policy)
            figures = measure(model, data, where, dtype, args.rounds)
            rows.append((trains, where, dtype or "float32", *figures))
    print(
        text_table(
            (
                "trains",
                "kept in",
                "as",
                ">made, s",
                ">opened, s",
                ">MiB",
                ">reading, ms",
                ">step, ms",
                ">ready, ms",
                ">ratio",
            ),
            rows,
            title=f"{args.texts:,} texts of {data.lengths.mean():.0f} tokens on average, batches "
            f"of {args.batch_size}, features of {args.width} numbers a token",
        )
    )


if __name__ == "__main__":
    main()
