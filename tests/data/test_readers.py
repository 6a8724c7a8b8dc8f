import csv
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.data import read_csv, read_jsonl
from kerasft.errors import DataError, SourceError

TEXTS = st.lists(
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1
    ).filter(str.strip),
    min_size=1,
    max_size=6,
)


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_text(content, encoding=encoding)
        return path

    return write


@settings(deadline=None, max_examples=30)
@given(TEXTS)
def test_both_formats_give_back_what_was_written(tmp_path_factory, texts):
    folder = tmp_path_factory.mktemp("round")
    labels = [n % 2 for n in range(len(texts))]
    with open(folder / "a.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    for examples in (read_csv(folder / "a.csv"), read_jsonl(folder / "a.jsonl")):
        assert examples.texts == texts
        assert examples.labels.tolist() == labels
        assert examples.labels.dtype == "int32"


def test_columns_delimiter_weights_and_byte_order_mark(write):
    path = write("id\ttitle\tstars\tw\n1\tGood.\t0.5\t2\n2\tBad.\t-1\t1\n", encoding="utf-8-sig")
    examples = read_csv(path, text="title", label="stars", sample_weight="w", delimiter="\t")
    assert examples.texts == ["Good.", "Bad."]
    assert examples.labels.tolist() == [0.5, -1.0]
    assert examples.labels.dtype == "float32"
    assert examples.sample_weight.tolist() == [2.0, 1.0]


def test_class_names_are_sorted_unless_given(write):
    path = write("text,label\na,pos\nb,neg\n")
    assert read_csv(path).class_names == ("neg", "pos")
    given = read_csv(path, class_names=["pos", "neg"])
    assert given.class_names == ("pos", "neg")
    assert given.labels.tolist() == [0, 1]


def test_numbers_stay_numbers_where_class_names_are_given(write):
    examples = read_csv(write("text,label\na,1\nb,0\n"), class_names=["neg", "pos"])
    assert examples.labels.tolist() == [1, 0]


def test_several_label_columns(write):
    path = write("text,rude,spam\na,0,1\nb,1,1\n")
    examples = read_csv(path, label=["rude", "spam"])
    assert examples.labels.tolist() == [[0, 1], [1, 1]]
    assert examples.class_names == ("rude", "spam")
    path = write('{"text": "a", "labels": [0, 1]}\n\n{"text": "b", "labels": [1, 1]}\n', "x.jsonl")
    assert np.array_equal(read_jsonl(path, label="labels").labels, [[0, 1], [1, 1]])


def test_blank_texts_are_dropped_on_demand(write):
    path = write('text,label\na,0\n"  ",1\nb,1\n')
    with pytest.raises(DataError, match=r"must not be blank.*row 1.*drop_blank=True"):
        read_csv(path)
    assert read_csv(path, drop_blank=True).texts == ["a", "b"]


def test_a_text_longer_than_csv_expects_and_its_limit_is_left_alone(write):
    limit = csv.field_size_limit()
    assert len(read_csv(write("text,label\n" + "x" * 200_000 + ",1\n")).texts[0]) == 200_000
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("Texts,label\na,1\n", {}, r"must have the column 'text'.*mean 'Texts'"),
        ("text,label\na,1\n", {"sample_weight": "w"}, r"the column 'w'.*\['text', 'label'\]"),
        ("text,label\na,1,2\n", {}, r"the 2 columns.*more or fewer in the row.* line 2.*quotes"),
        ("text,label\na,1\nb\n", {}, r"more or fewer in the row that ends in line 3"),
        ("text,label\na,1\nb,\n", {}, r"must not be missing.*empty cell in line 3"),
        ("text,label\na,x\nb,y\n", {"class_names": ["x", "z"]}, r"Received: 'y' in row 1"),
        ("text,label\na,nan\n", {}, r"must be finite"),
        ("text,label\n", {}, r"no rows"),
        ("", {}, r"at least one text"),
        ('text,label\n"a,1\n', {}, r"must be a CSV file"),
    ],
)
def test_a_csv_file_that_is_wrong_is_named_with_the_place(write, content, options, message):
    path = write(content)
    with pytest.raises(DataError, match=message) as error:
        read_csv(path, **options)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            '{"text": "a", "label": 1}\n{"text": "b", "lable": 1}\n',
            r"'label'.*line 2.*mean 'lable'",
        ),
        ('{"text": "a", "label": 1}\n{"text": \n', r"one JSON object per line.*in line 2"),
        ("[1, 2]\n", r"one JSON object per line. Received: '\[1, 2\]' in line 1"),
        ('{"text": 3, "label": 1}\n', r"`texts\[0\]` must be a text"),
        ('{"text": "a", "label": null}\n', r"none may be missing"),
    ],
)
def test_a_jsonl_file_that_is_wrong_is_named_with_the_place(write, content, message):
    path = write(content, "x.jsonl")
    with pytest.raises(DataError, match=message) as error:
        read_jsonl(path)
    assert str(path) in str(error.value)


def test_another_encoding_is_said(write):
    path = write("text,label\ncafé,1\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"encoded as 'utf-8-sig'.*encoding='latin-1'"):
        read_csv(path)
    assert read_csv(path, encoding="latin-1").texts == ["café"]


@pytest.mark.parametrize("read", [read_csv, read_jsonl])
def test_an_absent_file_is_a_source_error(read, tmp_path):
    with pytest.raises(SourceError, match=r"Cannot read .*absent"):
        read(tmp_path / "absent")
