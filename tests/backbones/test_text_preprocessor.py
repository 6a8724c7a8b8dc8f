import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bert import write_tiny_bert

from kerasft.backbones.text_preprocessor import TextPreprocessor, _tokenizer_json
from kerasft.data import Batches
from kerasft.data.tokenizers import KerasHubTokenizer, RustTokenizer
from kerasft.errors import ArgumentError, DataError, SourceError

hub = pytest.importorskip("keras_hub")

TEXTS = [
    "The QUICK brown fox!",
    "Cafés, naïve: über-good films... [SEP] [MASK]",
    "unbelievable " * 30,
    "a" * 100 + " " + "a" * 101,
    "中文 and\ttabs\nand\u3000spaces",
    "x",
]


class Numbers:
    """Texts of numbers are their own ids, between two special tokens before and one after."""

    prefix_ids, suffix_ids, pad_id, identity = (901, 902), (903,), 900, {"kind": "numbers"}

    def encode_batch(self, texts):
        return [[int(word) for word in text.split()] for text in texts]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def backbone(folder):
    return hub.models.Backbone.from_preset(str(folder))


@pytest.mark.parametrize("sequence_length", [3, 7, 32])
def test_inputs_are_those_of_keras_hubs_classifier(folder, backbone, sequence_length):
    preprocessor = TextPreprocessor.from_preset(folder, backbone, sequence_length)
    assert isinstance(preprocessor.tokenizer, RustTokenizer)
    reference = hub.models.TextClassifierPreprocessor.from_preset(
        str(folder), sequence_length=sequence_length
    )(TEXTS)
    ours = preprocessor.pad(preprocessor.encode(TEXTS), sequence_length)
    assert set(ours) == set(reference)
    for name, values in ours.items():
        assert np.array_equal(values, np.asarray(reference[name])), name
        assert values.dtype == "int32"


def test_without_a_tokenizer_json_keras_hub_gives_the_same(folder, backbone, tmp_path):
    write_tiny_bert(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    slow = TextPreprocessor.from_preset(tmp_path, backbone, 16)
    assert isinstance(slow.tokenizer, KerasHubTokenizer)
    fast = TextPreprocessor.from_preset(folder, backbone, 16)
    for one, other in zip(fast.encode(TEXTS), slow.encode(TEXTS), strict=True):
        assert np.array_equal(one, other)


def test_a_tokenizer_json_that_differs_from_keras_hub_is_not_used(backbone, tmp_path):
    write_tiny_bert(tmp_path)
    definition = json.loads((tmp_path / "tokenizer.json").read_text())
    definition["normalizer"]["lowercase"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(definition))
    preprocessor = TextPreprocessor.from_preset(tmp_path, backbone, 16)
    assert isinstance(preprocessor.tokenizer, KerasHubTokenizer)


def test_keras_hubs_own_layout_has_a_tokenizer_json_of_its_own(folder, backbone, tmp_path):
    hub.models.Tokenizer.from_preset(str(folder)).save_to_preset(tmp_path)
    backbone.save_to_preset(tmp_path)
    assert (tmp_path / "tokenizer.json").exists()
    preprocessor = TextPreprocessor.from_preset(tmp_path, backbone, 16)
    assert isinstance(preprocessor.tokenizer, KerasHubTokenizer)
    fast = TextPreprocessor.from_preset(folder, backbone, 16)
    assert preprocessor.encode(TEXTS)[1].tolist() == fast.encode(TEXTS)[1].tolist()


def test_the_files_own_reading_strips_accents(folder, backbone):
    own = TextPreprocessor.from_preset(folder, backbone, 16, reading="tokenizer_json")
    assert own.encode(["Cafés"])[0].tolist() == own.encode(["cafes"])[0].tolist()
    default = TextPreprocessor.from_preset(folder, backbone, 16)
    assert default.encode(["Cafés"])[0].tolist() != default.encode(["cafes"])[0].tolist()
    assert own.identity != default.identity


def test_the_model_predicts_on_what_it_gives(folder, backbone):
    preprocessor = TextPreprocessor.from_preset(folder, backbone, 16)
    assert backbone.predict(preprocessor(TEXTS), verbose=0)["pooled_output"].shape == (6, 8)
    narrow = preprocessor(["x", "the fox"])
    assert narrow["token_ids"].shape == (2, 4)
    batches = Batches(preprocessor, batch_size=2)(TEXTS)
    assert backbone.predict(batches, verbose=0)["pooled_output"].shape == (6, 8)


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 99), min_size=1, max_size=40),
    st.integers(4, 30),
    st.sampled_from(["end", "both_ends"]),
)
def test_the_cut_keeps_special_tokens_and_what_it_says(ids, sequence_length, truncation):
    preprocessor = TextPreprocessor(Numbers(), ["token_ids"], sequence_length, truncation)
    (encoded,) = preprocessor.encode([" ".join(map(str, ids))])
    body = encoded[2:-1].tolist()
    assert encoded[:2].tolist() == [901, 902]
    assert encoded[-1] == 903
    room = sequence_length - 3
    assert len(body) == min(len(ids), room)
    if len(ids) <= room or truncation == "end":
        assert body == ids[:room]
    else:
        head = room - room // 2
        assert body[:head] == ids[:head]
        assert body[head:] == ids[len(ids) - (room - head) :]


def test_padding_is_after_the_text_with_the_tokenizers_own_id():
    preprocessor = TextPreprocessor(Numbers(), ["segment_ids", "token_ids", "padding_mask"], 9)
    inputs = preprocessor.pad(preprocessor.encode(["1 2", "3"]), 6)
    assert list(inputs) == ["segment_ids", "token_ids", "padding_mask"]
    assert inputs["token_ids"].tolist() == [
        [901, 902, 1, 2, 903, 900],
        [901, 902, 3, 903, 900, 900],
    ]
    assert inputs["padding_mask"].tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]]
    assert not inputs["segment_ids"].any()
    with pytest.raises(ArgumentError, match="`length` must be a whole number, at least 5"):
        preprocessor.pad(preprocessor.encode(["1 2"]), 4)


def test_identity_holds_all_that_decides():
    def identity(**options):
        options = {"input_names": ["token_ids"], "sequence_length": 9, **options}
        return TextPreprocessor(Numbers(), **options).identity

    assert identity() == identity()
    assert json.loads(json.dumps(identity())) == identity()
    for change in (
        {"sequence_length": 8},
        {"truncation": "both_ends"},
        {"input_names": ["token_ids", "padding_mask"]},
    ):
        assert identity() != identity(**change)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sequence_length": 3}, r"`sequence_length`.*at least 4.*3 special tokens"),
        ({"sequence_length": 64, "maximum_length": 32}, r"at most 32.*the model has 32 positions"),
        ({"sequence_length": "9"}, "`sequence_length` must be a whole number"),
        ({"truncation": "both"}, r"`truncation` must be one of 'end', 'both_ends'.*'both_ends'"),
        ({"input_names": ["token_ids", "padding_masks"]}, r"mean 'padding_mask'"),
        ({"input_names": ["token_ids", "image"]}, r"'image' cannot be made from a text"),
        ({"input_names": ["padding_mask"]}, r"a list with 'token_ids'"),
        ({"tokenizer": object()}, r"`tokenizer` must be a tokenizer with `encode_batch`"),
    ],
)
def test_arguments_are_checked(options, message):
    options = {
        "tokenizer": Numbers(), "input_names": ["token_ids"], "sequence_length": 9, **options
    }  # fmt: skip
    with pytest.raises(ArgumentError, match=message):
        TextPreprocessor(**options)


def test_more_tokens_than_the_model_has_positions_are_refused(folder, backbone):
    with pytest.raises(ArgumentError, match=r"at most 32.*the model has 32 positions"):
        TextPreprocessor.from_preset(folder, backbone, 33)


def test_positions_are_found_in_models_that_do_not_name_them(folder, backbone):
    model = keras.Model(backbone.input, backbone.output)
    with pytest.raises(ArgumentError, match="at most 32"):
        TextPreprocessor.from_preset(folder, model, 33)


def test_a_model_with_other_inputs_is_refused(folder):
    inputs = keras.Input((4,), name="pixels")
    with pytest.raises(ArgumentError, match="'pixels' cannot be made from a text"):
        TextPreprocessor.from_preset(folder, keras.Model(inputs, inputs + 1), 16)
    with pytest.raises(ArgumentError, match="`model` must be a functional model"):
        TextPreprocessor.from_preset(folder, object(), 16)


def test_a_tokenizer_json_cut_off_is_a_source_error(backbone, tmp_path):
    write_tiny_bert(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    (tmp_path / "tokenizer.json").write_text(text[: len(text) // 2])
    with pytest.raises(SourceError, match=r"tokenizer.json' cannot be read.*cut off or damaged"):
        TextPreprocessor.from_preset(tmp_path, backbone, 16)


def test_the_files_own_reading_needs_the_file(backbone, tmp_path):
    write_tiny_bert(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(ArgumentError, match=r"`preset` must be one with a tokenizer.json"):
        TextPreprocessor.from_preset(tmp_path, backbone, 16, reading="tokenizer_json")
    with pytest.raises(ArgumentError, match="`reading` must be one of 'keras_hub'"):
        TextPreprocessor.from_preset(tmp_path, backbone, 16, reading="hf")


def test_blank_texts_are_refused_and_it_shows_itself():
    preprocessor = TextPreprocessor(Numbers(), ["token_ids"], 9)
    with pytest.raises(DataError, match="must not be blank"):
        preprocessor(["1", " "])
    assert "at most 9 tokens, truncation='end'" in repr(preprocessor)


@pytest.mark.parametrize("reachable", [True, False])
def test_a_hubs_tokenizer_json_is_fetched_where_it_can_be(folder, monkeypatch, reachable):
    def download(repository, name):
        assert (repository, name) == ("organization/model", "tokenizer.json")
        if not reachable:
            raise OSError("offline")
        return str(folder / name)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(hf_hub_download=download))
    path = _tokenizer_json("hf://organization/model")
    assert path == (folder / "tokenizer.json" if reachable else None)
