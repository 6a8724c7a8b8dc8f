"""Selectors are values: what they print, equal, combine to, and are saved as."""

import dataclasses
import json

import keras
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kerasft import select
from kerasft.errors import ArgumentError, SelectorError, UnsupportedError
from kerasft.structure import take_apart

pytestmark = pytest.mark.core

PATTERNS = st.text(min_size=1, max_size=8) | st.sampled_from(["a", "a/*", "*/bias", "b/kernel"])
NUMBERS = st.integers(1, 9)
ATOMS = st.one_of(
    st.builds(select.Path, PATTERNS),
    st.builds(select.LayerClass, PATTERNS),
    st.builds(select.Block, st.integers(-9, 9)),
    st.builds(select.LastBlocks, NUMBERS),
    st.builds(select.FirstBlocks, NUMBERS),
    *(
        st.builds(kind)
        for kind in (
            select.Norms,
            select.Biases,
            select.Embeddings,
            select.Head,
            select.Backbone,
            select.Everything,
        )
    ),
)


def combined(inner):
    return st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
        st.builds(lambda a, b: a & b, inner, PATTERNS),
        st.builds(lambda a, b: a | b, PATTERNS, inner),
    )


SELECTORS = st.recursive(ATOMS, combined, max_leaves=6)


def small_model():
    layers = [keras.layers.Embedding(6, 4, name="words")]
    for name in ("a", "b"):
        layers += [keras.layers.Dense(4, name=name), keras.layers.LayerNormalization()]
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2, name="top")])


STRUCTURE = take_apart(small_model())


def paths(selector):
    return {v.path for v in STRUCTURE.variables if selector.matches(v)}


EVERYTHING = paths(select.Everything())


@given(SELECTORS)
@example(select.Norms() & (select.Head() & select.Biases()))
@example((select.Norms() | select.Head()) & ~(select.Biases() & "a"))
@example(select.Path("it's") | select.Path('"\\\n'))
def test_a_selector_is_written_as_it_prints(selector):
    assert eval(repr(selector), vars(select).copy()) == selector


@given(SELECTORS, SELECTORS)
def test_what_prints_alike_is_equal_and_nothing_else(one, other):
    assert (one == other) == (repr(one) == repr(other))
    assert one == eval(repr(one), vars(select).copy())
    assert hash(one) == hash(eval(repr(one), vars(select).copy()))
    assert len({one, other}) == (1 if one == other else 2)


@given(SELECTORS)
def test_configs_go_round_through_json(selector):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(selector)))
    assert keras.saving.deserialize_keras_object(config) == selector
    names = {field.name for field in dataclasses.fields(selector)}
    assert set(selector.get_config()) == names
    assert type(selector).from_config(selector.get_config()) == selector


def test_files_of_the_time_when_all_selectors_were_one_module_load():
    block = {
        "module": "kerasft.select",
        "class_name": "LastBlocks",
        "config": {"count": 2},
        "registered_name": "kerasft>LastBlocks",
    }
    negation = {**block, "class_name": "Not", "registered_name": "kerasft>Not"}
    config = {**negation, "config": {"selector": block}}
    assert keras.saving.deserialize_keras_object(config) == ~select.LastBlocks(2)


@given(SELECTORS, SELECTORS)
def test_and_or_not_are_those_of_sets(one, other):
    assert paths(one & other) == paths(one) & paths(other)
    assert paths(one | other) == paths(one) | paths(other)
    assert paths(~one) == EVERYTHING - paths(one)
    assert paths(~~one) == paths(one)


def test_equality_goes_by_what_is_said():
    assert select.Block(1) == select.Block(1) != select.Block(2)
    assert select.Block(1) != select.LastBlocks(1)
    assert select.Norms() | select.Biases() != select.Biases() | select.Norms()
    assert select.Norms() != select.Biases()
    assert select.Path("a") != "a"


@given(SELECTORS, PATTERNS)
def test_a_string_is_a_pattern_on_either_side(selector, pattern):
    assert selector | pattern == select.Or(selector, select.Path(pattern))
    assert pattern | selector == select.Or(select.Path(pattern), selector)
    assert selector & pattern == select.And(selector, select.Path(pattern))
    assert pattern & selector == select.And(select.Path(pattern), selector)
    assert select.as_selector(pattern) == select.Path(pattern)
    assert select.as_selector(selector) is selector


def test_a_selector_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        select.Block(1).index = 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: select.Path(3), "`pattern` must be a path pattern, as a string"),
        (lambda: select.Path(""), "`pattern` must be a path pattern, not empty"),
        (lambda: select.Norms() | "", "`pattern` must be a path pattern, not empty"),
        (lambda: select.Block("1"), "`index` must be a whole number"),
        (lambda: select.Block(1.0), "`index` must be a whole number"),
        (lambda: select.LastBlocks(0), "`count` must be a whole number, at least 1"),
        (lambda: select.FirstBlocks(True), "`count` must be a whole number, at least 1"),
        (lambda: select.LayerClass(keras.layers.Dense), "the name of a layer class, as a string"),
        (lambda: select.Norms() & 3, "`selector` must be a selector or a path pattern"),
        (lambda: None | select.Norms(), "`selector` must be a selector or a path pattern"),
        (lambda: select.as_selector(None), "`selector` must be a selector or a path pattern"),
        (lambda: select.And("a", select.Norms()), "`left` must be a selector"),
        (lambda: select.Or(select.Norms(), "a"), "`right` must be a selector"),
        (lambda: select.Not("a"), "`selector` must be a selector"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()


def test_a_selector_of_ones_own():
    @keras.saving.register_keras_serializable(package="kerasft_tests")
    @dataclasses.dataclass(frozen=True)
    class Larger(select.Selector):
        size: int

        def matches(self, variable):
            return variable.size > self.size

    found = select.resolve(Larger(16) & ~select.Head(), STRUCTURE)
    assert [v.path for v in found] == ["words/embeddings"]
    config = keras.saving.serialize_keras_object(~Larger(100))
    assert keras.saving.deserialize_keras_object(config) == ~Larger(100)
    with pytest.raises(SelectorError, match=r"Larger\(size=1000000\)"):
        select.resolve(select.Head() | Larger(10**6), STRUCTURE)

    class Plain(select.Selector):
        def matches(self, variable):
            return True

    assert Plain.from_config(Plain().get_config()).matches(STRUCTURE.variables[0])
    with pytest.raises(UnsupportedError, match=r"Override `matches"):
        select.resolve(select.Selector(), STRUCTURE)
