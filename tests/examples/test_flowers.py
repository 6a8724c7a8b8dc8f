"""Flowers in their small form, on random pictures: all rows run, and errors say what to do."""

import json
import logging
import runpy
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasft
from kerasft.errors import SourceError

SCRIPT = Path(__file__).parents[2] / "examples" / "flowers.py"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the script in this process; gives its names."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    monkeypatch.delenv("KERASFT_FLOWERS_WEIGHTS", raising=False)
    monkeypatch.delenv("KERASFT_FLOWERS_PHOTOGRAPHS", raising=False)
    tf.config.run_functions_eagerly(True)  # tracing costs more than the few steps

    def run(*arguments):
        output = ["--quick", "--output", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments), *output])
        return runpy.run_path(str(SCRIPT))

    yield run
    logger.setLevel(level)
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def photographs(tmp_path):
    random = np.random.default_rng(0)
    for name in ("thistle", "aster"):
        folder = tmp_path / "photographs" / name
        folder.mkdir(parents=True)
        for number in range(9):
            pixels = random.integers(0, 256, (40, 52, 3)).astype("uint8")
            keras.utils.save_img(folder / f"{number}.png", pixels, scale=False)
        (folder / "notes.txt").write_text("no photograph")
    return folder.parent


@pytest.mark.filterwarnings("ignore:Even though the .tf.config.*tf.data functions:UserWarning")
def test_the_story_on_random_pictures(run, photographs, tmp_path, capsys):
    names = run("--photographs", photographs, "--weights", "none")
    assert names["class_names"] == ["aster", "thistle"]
    assert names["images"].shape == (16, 32, 32, 3)  # eight of a class, and no text file
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(rows) == [
        "from nothing",
        "frozen features",
        "last two blocks",
        "last two, statistics kept",
    ]
    trained = {name: found[0]["trained"] for name, found in rows.items()}
    assert trained["frozen features"] == 256 * 2 + 2
    assert trained["from nothing"] > trained["last two blocks"] > trained["frozen features"]
    assert trained["last two blocks"] == trained["last two, statistics kept"]
    for found in rows.values():
        assert 0 <= found[0]["test_accuracy"] <= 1
    for name in ("learning_curves", "rows", "confusion_matrix", "mistakes"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 4000, name
    told = capsys.readouterr().out
    assert "16 photographs of 2 kinds: aster, thistle." in told
    assert str(tmp_path) not in told

    # What was learned behind the cache, the saved model has; and the last row kept statistics.
    model = kerasft.load_model(tmp_path / "out" / "flowers.keras")
    fresh = kerasft.Backbone.from_application(
        "MobileNet", weights=None, alpha=0.25, input_shape=(32, 32, 3)
    ).model
    moved, still = "conv_pw_13", "conv_pw_13_bn"
    there = model.get_layer(still)
    assert np.array_equal(there.moving_mean, fresh.get_layer(still).moving_mean)
    assert not np.array_equal(there.gamma, fresh.get_layer(still).gamma)
    kept = np.array(names["model"].get_layer(moved).kernel)
    assert np.array_equal(model.get_layer(moved).kernel, kept)


@pytest.mark.parametrize("what", ["photographs", "weights"])
def test_offline_it_names_both_ways_out(run, photographs, monkeypatch, what):
    def fail(*args, **kwargs):
        raise SourceError("no such host")

    if what == "photographs":
        monkeypatch.setattr("tensorflow_datasets.load", fail)
        arguments = ()
    else:
        monkeypatch.setattr(kerasft.Backbone, "from_application", fail)
        arguments = ("--photographs", photographs)
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    told = str(stopped.value)
    assert what in told.split(" could not be fetched (SourceError: no such host)")[0]
    assert "--weights FILE" in told
    assert "--photographs FOLDER" in told


def test_a_folder_that_is_none_or_holds_too_little_is_refused(run, tmp_path):
    with pytest.raises(SystemExit, match="must be tf_flowers or a folder that exists"):
        run("--photographs", tmp_path / "nowhere")
    (tmp_path / "one").mkdir()
    with pytest.raises(SystemExit, match="has 0 photographs in 0"):
        run("--photographs", tmp_path)
