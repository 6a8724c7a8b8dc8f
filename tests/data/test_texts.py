import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasft.data._texts import check_texts, fold, name_rows
from kerasft.errors import DataError


@given(st.text())
def test_fold_is_idempotent_and_blind_to_case_of_ascii_and_space(text):
    assert fold(fold(text)) == fold(text)
    spaced = "  ".join(text.split())
    assert fold("\t" + spaced + " \n") == fold(text)
    assert fold("A Fine\tFilm ") == fold("a  fine film")


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
        np.array([b"a", b"b"]),
        [b"a", "b"],
    ],
)
def test_every_kind_of_list_gives_plain_strings(texts):
    checked = check_texts(texts)
    assert checked == ["a", "b"]
    assert {type(text) for text in checked} == {str}


def test_tensors_are_read_as_utf8():
    import tensorflow as tf

    assert check_texts(tf.constant(["café"])) == ["café"]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", r"`texts` must be a list of texts.*Put it into a list"),
        (7, r"`texts` must be a list, array or column of texts.*of type int"),
        ({"a": 1}, r"`texts` must be a list.*of type dict"),
        ([], r"at least one text. Received: an empty data set"),
        (["a", 3], r"`texts\[1\]` must be a text \(str\). Received: texts\[1\]=3 \(of type int\)"),
        (["a", None], r"`texts\[1\]`.*missing: leave the row out"),
        (["a", float("nan")], r"`texts\[1\]`.*missing: leave the row out"),
        (["a", " ", "", "\n"], r"must not be blank.*rows 1, 2, 3 \(counted from 0\) of 4"),
        (["a", b"\xff"], r"must be UTF-8. Received: b'\\xff' in row 1"),
        (["a", "\ud800"], r"`texts\[1\]` must be valid Unicode, without lone surrogates"),
        ([["a"], ["b"]], r"`texts\[0\]` must be a text"),
    ],
)
def test_what_is_no_text_is_refused_with_its_row(texts, message):
    with pytest.raises(DataError, match=message):
        check_texts(texts)


def test_rows_are_named_few_at_a_time():
    assert name_rows([3]) == "row 3"
    assert name_rows(range(9)) == "rows 0, 1, 2, 3, 4 and 4 more"
