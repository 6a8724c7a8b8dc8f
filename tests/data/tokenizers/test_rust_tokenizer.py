import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_bert import vocabulary, write_tiny_bert

from kerasft.data.tokenizers import KerasHubTokenizer, RustTokenizer
from kerasft.errors import SourceError

pytest.importorskip("keras_hub")
VOCABULARY = vocabulary()

# Letters of the vocabulary, and what tokenizers disagree about: accents, composed and not, spaces
# of all kinds, controls, ideographs, ligatures, and the spelling of special tokens.
WORDS = st.one_of(
    st.sampled_from(
        ["the", "Quick", "cafés", "unbelievable", "[SEP]", "[MASK]", "中文", "ﬁlm", "İ"]
    ),
    st.text("aé\u0301 \t\n\r\x0b\x0c\x1f\x7f\x85\xa0\u200b\u2028\u3000ß½…\u2019-_.!", max_size=8),
    st.text(max_size=6),
)
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=6).map(" ".join), max_size=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tiny_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def keras_hub(folder):
    return KerasHubTokenizer.from_preset(str(folder))


@pytest.fixture(scope="module")
def rust(folder, keras_hub):
    return make(folder, other=keras_hub)


def make(folder, other=None):
    return RustTokenizer((folder / "tokenizer.json").read_text(), [2], [3], 0, other)


def tokens(ids):
    return [VOCABULARY[number] for number in ids]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS)
def test_the_ids_are_keras_hubs_for_any_text(rust, keras_hub, texts):
    assert rust.encode_batch(texts) == keras_hub.encode_batch(texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The QUICK fox's", ["the", "quick", "fox", "'", "s"]),
        ("unbelievable films", ["un", "##believ", "##able", "film", "##s"]),
        ("[SEP]", ["[", "s", "##e", "##p", "]"]),
        ("the " * 20, ["the"] * 20),
        ("a" * 101, ["[UNK]"]),
        ("a~b", ["a", "~", "b"]),
    ],
)
def test_ids_of_plain_texts(rust, text, expected):
    assert tokens(rust.encode_batch([text])[0]) == expected


def test_without_another_one_the_files_own_rules_hold(folder, rust):
    assert tokens(make(folder).encode_batch(["cafés"])[0]) == ["cafe", "##s"]
    assert tokens(rust.encode_batch(["cafés"])[0]) == ["c", "##a", "##f", "##é", "##s"]


def test_only_words_beyond_ascii_go_to_the_other_one(folder):
    class Other:
        identity = {"kind": "other"}
        asked = ()

        def encode_batch(self, texts):
            self.asked = texts
            return [[99] for _ in texts]

    other = Other()
    ids = make(folder, other).encode_batch(["the café é the", "fox", "é"])
    assert other.asked == ["café", "é"]
    the, fox = VOCABULARY.index("the"), VOCABULARY.index("fox")
    assert ids == [[the, 99, 99, the], [fox], [99]]


def test_an_alphabet_of_spaces_goes_over_as_a_whole(folder):
    definition = json.loads((folder / "tokenizer.json").read_text())
    definition["model"] = {"type": "WordLevel", "vocab": {"[UNK]": 0, "a": 1}, "unk_token": "[UNK]"}
    definition["added_tokens"] = []
    definition["post_processor"] = None

    class Other:
        def encode_batch(self, texts):
            return [[len(text)] for text in texts]

    tokenizer = RustTokenizer(json.dumps(definition), [], [], 0, Other())
    assert tokenizer.encode_batch(["a a", "a é a"]) == [[1, 1], [5]]


def test_identity_tells_definitions_and_readings_apart(folder, rust):
    assert rust.identity == make(folder, rust.other).identity
    assert rust.identity != make(folder).identity
    assert json.loads(json.dumps(rust.identity)) == rust.identity


def test_a_definition_cut_off_is_a_source_error(folder):
    text = (folder / "tokenizer.json").read_text()
    with pytest.raises(SourceError, match=r"tokenizer.json cannot be read.*Fetch it again"):
        RustTokenizer(text[: len(text) // 2], [], [], 0)


def test_no_texts_no_ids(rust):
    assert rust.encode_batch([]) == []
