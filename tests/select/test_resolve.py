"""What each selector means in a model; what matches nothing raises."""

import fnmatch
import itertools

import keras
import pytest
from models import flat_bert, small_resnet

from kerasft import select
from kerasft.errors import SelectorError
from kerasft.structure import take_apart

pytestmark = pytest.mark.core

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


def paths(selector, structure=BERT):
    return {v.path for v in structure.variables if selector.matches(v)}


EVERYTHING = paths(select.Everything())


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


def test_resolve_gives_what_matches_in_the_models_order():
    raised = 0
    for one, other in itertools.product(ATOMS, ATOMS):
        for selector in (one & ~other, one | other, ~(one & other)):
            wanted = [v.path for v in BERT.variables if selector.matches(v)]
            try:
                assert [v.path for v in select.resolve(selector, BERT)] == wanted
            except SelectorError:
                parts = [one, other, one & other, one & ~other, ~other, selector]
                assert not all(map(paths, parts))
                raised += 1
    assert 0 < raised < 300


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
        (select.Path("*/kernal"), r"The nearest paths are \*/kernel\."),
        (select.Path("transformer_layer_?/*/quey"), r"are transformer_layer_\?/\*/query\."),
        (select.Path("xxx"), "Paths look like token_embedding"),
        (select.LayerClass("LayerNorm"), "does not have. Did you mean 'LayerNormalization'"),
        (select.LayerClass("GRU"), "It has: Dense"),
        (
            select.Block(4),
            r"number of a block must be one that the model has. Received: Block\(index=4\) .*came "
            r"apart into 4 blocks \(3 numbered layers .*They are numbered 0 to 3, or -1 to -4 from",
        ),
        (select.Block(-5), r"Received: Block\(index=-5\) .* into 4 blocks"),
        (select.LastBlocks(5), r"Received: LastBlocks\(count=5\) .* into 4 blocks"),
        (select.FirstBlocks(5), r"Received: FirstBlocks\(count=5\) .* into 4 blocks"),
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
    with pytest.raises(SelectorError, match=r"it has 1 block and no head\."):
        select.resolve(select.Head(), take_apart(model))
    with pytest.raises(SelectorError, match=r"into 1 block \(one block, for .*`kerasft.structure"):
        select.resolve(select.Block(1), take_apart(model))
    assert select.resolve(select.Block(-1), take_apart(model))


def test_a_string_resolves():
    assert [v.path for v in select.resolve("top", BERT)] == ["top/kernel", "top/bias"]
