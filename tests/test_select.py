"""Selectors are values; a string is a pattern; what matches nothing raises."""

import dataclasses
import fnmatch

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st
from models import flat_bert, small_resnet

from kerasft import select
from kerasft.errors import ArgumentError, SelectorError, UnsupportedError
from kerasft.structure import take_apart

BERT = take_apart(flat_bert())
RESNET = take_apart(small_resnet())

ATOMS = [
    select.Path("transformer_layer_*"),
    select.Path("*/bias"),
    select.LayerClass("LayerNormalization"),
    select.Block(0),
    select.Block(-1),
    select.LastBlocks(2),
    select.FirstBlocks(1),
    select.Norms(),
    select.Biases(),
    select.Embeddings(),
    select.Head(),
    select.Backbone(),
    select.Everything(),
]
SELECTORS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=5,
)


def paths(selector, structure=BERT):
    return {v.path for v in structure.variables if selector.matches(v)}


EVERYTHING = paths(select.Everything())


# They are values.


@given(SELECTORS)
def test_a_selector_is_written_as_it_prints(selector):
    assert eval(repr(selector), vars(select).copy()) == selector


@given(SELECTORS)
def test_configs_go_round(selector):
    config = keras.saving.serialize_keras_object(selector)
    again = keras.saving.deserialize_keras_object(config)
    assert again == selector
    assert hash(again) == hash(selector)
    names = {field.name for field in dataclasses.fields(selector)}
    assert set(selector.get_config()) == names


@given(SELECTORS, SELECTORS)
def test_and_or_not_are_those_of_sets(one, other):
    assert paths(one & other) == paths(one) & paths(other)
    assert paths(one | other) == paths(one) | paths(other)
    assert paths(~one) == EVERYTHING - paths(one)


def test_equality_goes_by_what_is_said():
    assert select.Block(1) == select.Block(1) != select.Block(2)
    assert select.Block(1) != select.LastBlocks(1)
    assert select.Norms() | select.Biases() != select.Biases() | select.Norms()


def test_a_string_is_a_pattern_on_either_side():
    assert select.Head() | "a" == select.Or(select.Head(), select.Path("a"))
    assert "a" | select.Head() == select.Or(select.Path("a"), select.Head())
    assert "a" & select.Head() == select.And(select.Path("a"), select.Head())
    assert select.as_selector("a/*") == select.Path("a/*")
    assert select.as_selector(select.Head()) == select.Head()


# What each means.


def test_blocks_are_counted_from_either_end():
    blocks = [paths(select.Block(index)) for index in range(4)]
    assert blocks == [paths(select.Block(index - 4)) for index in range(4)]
    assert paths(select.LastBlocks(2)) == blocks[2] | blocks[3]
    assert paths(select.FirstBlocks(2)) == blocks[0] | blocks[1]
    assert set().union(*blocks) == paths(select.Backbone())
    assert paths(select.Head()) == {"top/kernel", "top/bias"}


@pytest.mark.parametrize(
    "pattern", ["transformer_layer_1", "*/kernel", "transformer_layer_?/*norm*", "*[12]", "top"]
)
def test_a_pattern_fits_a_path_in_full_or_a_layer_that_holds_it(pattern):
    def fits(path):
        parts = path.split("/")
        heads = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
        return any(fnmatch.fnmatchcase(head, pattern) for head in heads)

    found = paths(select.Path(pattern))
    assert found == {path for path in EVERYTHING if fits(path)}
    assert found


def test_part_of_a_name_is_no_match():
    assert not paths(select.Path("transformer_layer"))
    assert not paths(select.Path("ernel"))
    assert not paths(select.Path("Top"))


def test_norms_biases_embeddings_and_classes():
    norms = paths(select.Norms())
    assert len(norms) == 14  # two in each of three layers and one before, scale and offset each
    assert {path.rpartition("/")[2] for path in norms} == {"gamma", "beta"}
    assert paths(select.LayerClass("LayerNormalization")) == norms
    biases = paths(select.Biases())
    assert {path.rpartition("/")[2] for path in biases} == {"bias", "beta"}
    assert {p for p in EVERYTHING if p.endswith(("/bias", "/beta"))} == biases
    assert len(paths(select.Embeddings())) == 3
    assert paths(select.Norms(), RESNET) == {
        f"block{i}_bn/{name}"
        for i in range(2)
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    # A class is also known by one that it derives from.
    assert paths(select.LayerClass("Embedding")) < paths(select.Embeddings())


@given(SELECTORS)
def test_resolve_gives_the_models_order(selector):
    try:
        found = select.resolve(selector, BERT)
    except SelectorError:
        return
    assert [v.path for v in found] == [v.path for v in BERT.variables if selector.matches(v)]
    assert found


# What matches nothing.

WRAPPED = [
    lambda wrong: wrong,
    lambda wrong: wrong & select.Everything(),
    lambda wrong: select.Everything() | wrong,
    lambda wrong: ~wrong,
    lambda wrong: select.Head() | (select.Norms() & ~wrong),
]


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            select.Path("transformer_layr_1"),
            r"pattern must match .* Received: 'transformer_layr_1', .*The nearest paths are "
            r"transformer_layer_1",
        ),
        (select.Path("*/kernal"), "The nearest paths are"),
        (select.Path("xxx"), "Paths look like token_embedding"),
        (select.LayerClass("LayerNorm"), "does not have. Did you mean 'LayerNormalization'"),
        (select.LayerClass("GRU"), "It has: Dense"),
        (select.Block(4), r"Received: Block\(index=4\), .*; it has 4 blocks and a head"),
        (select.Block(-5), r"Received: Block\(index=-5\)"),
    ],
)
def test_what_matches_nothing_raises_wherever_it_stands(wrap, wrong, message):
    with pytest.raises(SelectorError, match=message):
        select.resolve(wrap(wrong), BERT)


@pytest.mark.parametrize(
    "wrong", [select.Head() & select.Norms(), ~select.Everything(), select.Embeddings() & "top"]
)
def test_parts_that_match_and_together_do_not(wrong):
    for selector in (wrong, wrong | select.Head()):
        with pytest.raises(SelectorError) as caught:
            select.resolve(selector, BERT)
        assert repr(wrong) in str(caught.value)


def test_no_head_is_told():
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3, name="conv")])
    with pytest.raises(SelectorError, match=r"1 blocks and no head"):
        select.resolve(select.Head(), take_apart(model))


def test_a_string_resolves():
    assert [v.path for v in select.resolve("top", BERT)] == ["top/kernel", "top/bias"]


# Bad input, and people's own.


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: select.Path(3), "`pattern` must be a path pattern, as a string"),
        (lambda: select.Path(""), "`pattern` must be a path pattern, not empty"),
        (lambda: select.Block("1"), "`index` must be a whole number"),
        (lambda: select.LastBlocks(0), "`count` must be a whole number, at least 1"),
        (lambda: select.FirstBlocks(True), "`count` must be a whole number, at least 1"),
        (lambda: select.LayerClass(keras.layers.Dense), "the name of a layer class, as a string"),
        (lambda: select.Norms() & 3, "`selector` must be a selector or a path pattern"),
        (lambda: select.as_selector(None), "`selector` must be a selector or a path pattern"),
        (lambda: select.And("a", select.Norms()), "`left` must be a selector"),
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

    assert all(v.size > 100 for v in select.resolve(Larger(100) & ~select.Head(), BERT))
    config = keras.saving.serialize_keras_object(~Larger(100))
    assert keras.saving.deserialize_keras_object(config) == ~Larger(100)
    with pytest.raises(SelectorError, match=r"Larger\(size=1000000\)"):
        select.resolve(select.Head() | Larger(10**6), BERT)

    class Plain(select.Selector):
        def matches(self, variable):
            return True

    assert Plain.from_config(Plain().get_config()).matches(BERT.variables[0])
    with pytest.raises(UnsupportedError, match=r"Override `matches"):
        select.resolve(select.Selector(), BERT)
