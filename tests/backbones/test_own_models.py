"""Backbones from people's own models and files."""

import keras
import numpy as np
import pytest
from backbone_parts import chain, head, numbers
from models import SubclassedModel, image_batch, small_resnet, text_batch, tiny_bert

import kerasft
from kerasft import Backbone, TrainLastBlocks
from kerasft.errors import ArgumentError, SourceError, UnsupportedError
from kerasft.structure import take_apart

pytest.importorskip("keras_hub")


# Models.


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
