"""Models of `keras.applications`, with and without weights, and files that do not fit."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from backbone_parts import head, numbers
from models import small_resnet

from kerasft import Backbone
from kerasft.errors import ArgumentError, SourceError

MOBILENET_WEIGHTS = (
    Path(__file__).parents[3] / "shared" / "data" / "mobilenet" / "mobilenet_025_224.weights.h5"
)


def test_applications_by_name_and_by_function():
    arguments = {"weights": None, "alpha": 0.25, "input_shape": (32, 32, 3)}
    for application in ("MobileNet", keras.applications.MobileNet):
        backbone = Backbone.from_application(application, **arguments)
        assert len(backbone.blocks) == 14
        assert backbone.output.shape == (None, 1, 1, 256)
        assert backbone.source == "keras.applications.MobileNet, weights random"
    model = backbone.attach(head(num_classes=5))
    assert model.output_shape == (None, 5)
    preprocessor = backbone.preprocessor()
    batch = preprocessor([np.full((40, 40, 3), 255, "uint8")])
    assert batch.shape == (1, 32, 32, 3)
    np.testing.assert_array_equal(batch, 1.0)
    assert numbers(model(batch)).shape == (1, 5)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"application": "MobileNetV4"}, ArgumentError, r"Did you mean 'MobileNetV2'"),
        ({"application": 3}, ArgumentError, r"`application` must be one of"),
        ({"weights": "imagnet"}, ArgumentError, r"Did you mean 'imagenet'"),
        (
            {"alpa": 0.25},
            ArgumentError,
            r"unexpected keyword argument 'alpa'.*Did you mean 'alpha'",
        ),
        ({"input_shape": (8, 8)}, ArgumentError, r"keras.applications.MobileNet cannot be built"),
        ({"include_top": True}, ArgumentError, r"`include_top` must be left out"),
        ({"weights": "missing.weights.h5"}, SourceError, r"weights file must exist"),
        ({"weights": Path("missing")}, SourceError, r"weights file must exist"),
    ],
)
def test_wrong_applications(arguments, error, message):
    with pytest.raises(error, match=message):
        Backbone.from_application(
            **{"application": "MobileNet", "weights": None, "input_shape": (32, 32, 3)} | arguments
        )


def test_weights_that_could_not_be_fetched(monkeypatch):
    def fail(*args, **kwargs):
        raise Exception("URL fetch failure on https://example.invalid: None -- timed out")

    module = sys.modules[keras.applications.MobileNet.__module__]
    monkeypatch.setattr(module.file_utils, "get_file", fail)
    with pytest.raises(SourceError, match=r"URL fetch failure.*give a weights file with `weights"):
        Backbone.from_application("MobileNet", alpha=0.25, input_shape=(224, 224, 3))


def tiny_application(include_top):
    return keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), include_top=include_top, classes=7
    )


@pytest.mark.parametrize("include_top", [True, False])
@pytest.mark.parametrize("name", ["own.weights.h5", "own.keras", "own.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_weights_by_file_with_and_without_the_top(tmp_path, name, include_top):
    whole = tiny_application(include_top)
    path = tmp_path / name
    whole.save_weights(path) if "weights" in name else whole.save(path)
    backbone = Backbone.from_application(
        "MobileNet", weights=path, alpha=0.25, input_shape=(32, 32, 3)
    )
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    features = keras.Model(whole.input, whole.get_layer("conv_pw_13_relu").output)
    np.testing.assert_array_equal(numbers(backbone.model(x)), numbers(features(x)))
    assert name in backbone.source


def test_a_wrong_weights_file(tmp_path):
    path = tmp_path / "own.weights.h5"
    small_resnet().save_weights(path)
    for alpha, message in ((0.25, "does not fit MobileNet"), (0.5, r"Check that the arguments")):
        with pytest.raises(SourceError, match=message):
            Backbone.from_application(
                "MobileNet", weights=path, alpha=alpha, input_shape=(32, 32, 3)
            )
    path = tmp_path / "other.weights.h5"  # Keras leaves the one it failed on open
    tiny_application(False).save_weights(path)
    path.with_name("cut.weights.h5").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SourceError, match=r"`alpha`"):
        Backbone.from_application("MobileNet", weights=path, alpha=0.5, input_shape=(32, 32, 3))
    path = tmp_path / "cut.weights.h5"
    with pytest.raises(SourceError, match=r"or is damaged"):
        Backbone.from_application("MobileNet", weights=path, alpha=0.25, input_shape=(32, 32, 3))


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_an_old_weights_file_of_another_model(tmp_path):
    path = tmp_path / "old.h5"
    small_resnet().save(path)
    with pytest.raises(SourceError, match=r"no weights for \d+ layers, the first being 'conv1'"):
        Backbone.from_application("MobileNet", weights=path, alpha=0.25, input_shape=(32, 32, 3))


@pytest.mark.skipif(
    not MOBILENET_WEIGHTS.is_file(), reason="the weights beside the repository are not there"
)
def test_real_weights_give_the_features_before_the_top():
    backbone = Backbone.from_application("MobileNet", weights=MOBILENET_WEIGHTS, alpha=0.25)
    whole = keras.applications.MobileNet(alpha=0.25, weights=None)
    whole.load_weights(MOBILENET_WEIGHTS)
    features = keras.Model(whole.input, whole.get_layer("conv_pw_13_relu").output)
    x = np.random.default_rng(0).uniform(-1, 1, size=(1, 224, 224, 3)).astype("float32")
    np.testing.assert_array_equal(numbers(backbone.model(x)), numbers(features(x)))
    assert float(np.abs(numbers(features(x))).max()) > 0
