"""A backbone: heads that go on it, what it tells of itself, and the user's division."""

import json

import keras
import numpy as np
import pytest
from backbone_parts import chain, head, numbers
from models import SubclassedModel, text_batch, tiny_bert

import kerasft
from kerasft import Backbone, TrainHead, TrainLastBlocks
from kerasft.errors import ArgumentError
from kerasft.structure import say, take_apart

pytest.importorskip("keras_hub")


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


# All of it.


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
