import json

import numpy as np
import pytest
from tiny_bert import write_tiny_bert

from kerasft.data.tokenizers import KerasHubTokenizer
from kerasft.errors import MissingDependencyError, SourceError

hub = pytest.importorskip("keras_hub")
SENTENCES = ["the quick brown fox"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def roberta_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("roberta")
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "Ġa", "b", "Ġb", "x", "Ġ"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    tokenizer = hub.models.RobertaTokenizer(vocabulary=vocabulary, merges=["Ġ a", "Ġ b"])
    backbone = hub.models.RobertaBackbone(11, 1, 1, 4, 4, max_sequence_length=16)
    hub.models.RobertaTextClassifierPreprocessor(tokenizer).save_to_preset(folder)
    backbone.save_to_preset(folder)
    return folder


def test_special_tokens_are_those_of_the_classifier(folder):
    tokenizer = KerasHubTokenizer.from_preset(str(folder))
    assert (tokenizer.prefix_ids, tokenizer.suffix_ids, tokenizer.pad_id) == ((2,), (3,), 0)


def test_another_family_in_keras_hubs_own_layout(roberta_folder):
    tokenizer = KerasHubTokenizer.from_preset(str(roberta_folder))
    packer = hub.models.TextClassifierPreprocessor.from_preset(
        str(roberta_folder), sequence_length=9
    )
    packed = packer(["a a b"])
    ids = [*tokenizer.prefix_ids, *tokenizer.encode_batch(["a a b"])[0], *tokenizer.suffix_ids]
    expected = np.asarray(packed["token_ids"])[0]
    assert expected[: len(ids)].tolist() == ids
    assert set(expected[len(ids) :]) == {tokenizer.pad_id}


def test_a_family_without_a_classifier_gets_its_start_and_end(tmp_path):
    vocabulary = {"<|endoftext|>": 0, "a": 1, "Ġa": 2, "Ġ": 3}
    hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=["Ġ a"]).save_to_preset(tmp_path)
    hub.models.GPT2Backbone(4, 1, 1, 4, 4, max_sequence_length=8).save_to_preset(tmp_path)
    tokenizer = KerasHubTokenizer.from_preset(str(tmp_path))
    assert tokenizer.prefix_ids == (0,)
    assert tokenizer.suffix_ids == (0,)
    assert tokenizer.encode_batch(["a a"]) == [[1, 2]]


def test_identity_tells_vocabularies_and_settings_apart():
    vocabulary = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]", "a"]

    def identity(extra=(), **options):
        tokenizer = hub.models.BertTokenizer(vocabulary=[*vocabulary, *extra], **options)
        return KerasHubTokenizer(tokenizer, [1], [2], 3).identity

    assert identity() == identity()
    assert identity() != identity(["b"])
    assert identity() != identity(lowercase=True)
    assert json.loads(json.dumps(identity())) == identity()


def test_a_missing_vocabulary_is_a_source_error(tmp_path):
    folder = write_tiny_bert(tmp_path)
    (folder / "vocab.txt").unlink()
    with pytest.raises(SourceError, match=r"cannot be loaded. KerasHub was tried.*vocab.txt"):
        KerasHubTokenizer.from_preset(str(folder))


def test_without_keras_hub_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "keras_hub", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "kerasft\[hub\]"'):
        KerasHubTokenizer.from_preset(str(folder))


def test_no_texts_no_ids(folder):
    assert KerasHubTokenizer.from_preset(str(folder)).encode_batch([]) == []
