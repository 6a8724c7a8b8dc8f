"""Rules, rows, and how rows are found again."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft import select
from kerasft.errors import ArgumentError, SelectorError
from kerasft.optimizers.rate_table import RateRow, RateRules, printed_rows
from kerasft.optimizers.variable_row import match_rows
from kerasft.structure import say, take_apart

pytestmark = pytest.mark.core


def stack(blocks, head=True, norms=False):
    """Dense blocks under a dense head, divided by the user's word."""
    inputs = keras.Input((4,))
    x, names = inputs, []
    for i in range(blocks):
        x = keras.layers.Dense(4, name=f"block_{i}")(x)
        names.append([f"block_{i}"])
        if norms:
            x = keras.layers.LayerNormalization(name=f"norm_{i}")(x)
            names[-1].append(f"norm_{i}")
    if head:
        x = keras.layers.Dense(2, name="top")(x)
    model = keras.Model(inputs, x)
    say(model, blocks=names, head=["top"] if head else [])
    return model


def rows_of(model, **rules):
    return RateRules(**rules).apply(take_apart(model))


def multipliers(model, **rules):
    return {row.path: row.multiplier for row in rows_of(model, **rules)}


def timm_scales(layer_ids, decay):
    """timm's `param_groups_layer_decay`: names to layer ids in, names to scales out."""
    num_layers = max(layer_ids.values()) + 1
    layer_max = num_layers - 1
    scales = [max(0.0, decay ** (layer_max - i)) for i in range(num_layers)]
    return {name: scales[i] for name, i in layer_ids.items()}


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 6), st.booleans(), st.floats(0.05, 1.0))
def test_decay_gives_timms_multipliers(blocks, head, decay):
    if blocks + head < 2:
        return
    model = stack(blocks, head)
    ids = {f"block_{i}/{name}": i for i in range(blocks) for name in ("kernel", "bias")}
    if head:
        ids |= {"top/kernel": blocks, "top/bias": blocks}
    found, expected = multipliers(model, decay=decay), timm_scales(ids, decay)
    assert found.keys() == expected.keys()
    for path, scale in expected.items():
        assert found[path] == pytest.approx(scale, rel=1e-12)


def test_decay_on_a_bert_counts_embeddings_as_the_lowest_layer():
    keras_hub = pytest.importorskip("keras_hub")
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=100,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=16,
    )
    logits = keras.layers.Dense(2, name="logits")(backbone.output["pooled_output"])
    model = keras.Model(backbone.input, logits)

    def layer_id(path):
        # As timm's ViTs have it: what embeds is 0, block i is i + 1, what follows the last block
        # goes with it, and the rest is the head.
        if path.startswith("transformer_layer_"):
            return int(path.split("/")[0].rpartition("_")[2]) + 1
        return {"logits": 4, "pooled_dense": 3}.get(path.split("/")[0], 0)

    found = multipliers(model, decay=0.8)
    assert found == pytest.approx(timm_scales({path: layer_id(path) for path in found}, 0.8))
    assert len(found) == 57


@settings(deadline=None, max_examples=10)
@given(st.integers(1, 6), st.floats(1e-4, 1.0), st.floats(1e-2, 10.0))
def test_slices_are_spaced_as_fastai_spaces_them(blocks, first, top):
    found = multipliers(stack(blocks), slices=(first, top))
    step = (top / first) ** (1 / blocks)  # fastai's even_mults over blocks + 1 groups
    for i in range(blocks):
        assert found[f"block_{i}/kernel"] == pytest.approx(first * step**i)
    assert found["top/kernel"] == pytest.approx(top)


def test_the_head_is_multiplied_further_and_a_row_overrides_all():
    model = stack(2)
    found = multipliers(
        model, decay=0.5, head_multiplier=5.0, multipliers={"block_0": 0.1, "top/bias": 3}
    )
    assert found == {
        "block_0/kernel": 0.1,
        "block_0/bias": 0.1,
        "block_1/kernel": 0.5,
        "block_1/bias": 0.5,
        "top/kernel": 5.0,
        "top/bias": 3.0,
    }


def test_rows_may_agree_but_not_contradict():
    model = stack(2)
    agreed = multipliers(model, multipliers=[(select.Biases(), 0.5), ("block_0", 0.5)])
    assert agreed["block_0/bias"] == agreed["block_0/kernel"] == agreed["top/bias"] == 0.5
    with pytest.raises(ArgumentError) as error:
        multipliers(model, multipliers={select.Biases(): 0.5, "block_0": 0.25})
    message = str(error.value)
    assert "no two rows give one variable different multipliers" in message
    assert "'block_0' (0.25) both match 'block_0/bias'" in message


def test_a_pattern_without_a_match_offers_the_nearest():
    with pytest.raises(SelectorError, match="block_0"):
        multipliers(stack(2), multipliers={"blok_0": 0.5})
    with pytest.raises(SelectorError, match="Block"):
        multipliers(stack(2), no_weight_decay=select.Block(7))


def test_biases_norms_and_everything_with_one_axis_do_not_decay():
    model = stack(1, norms=True)
    decaying = {row.path for row in rows_of(model) if row.weight_decay}
    assert decaying == {"block_0/kernel", "top/kernel"}
    assert all(row.weight_decay for row in rows_of(model, decay_biases_and_norms=True))
    further = {row.path for row in rows_of(model, no_weight_decay="top") if row.weight_decay}
    assert further == {"block_0/kernel"}


def test_a_bias_with_two_axes_is_still_a_bias():
    inputs = keras.Input((3, 4))
    outputs = keras.layers.MultiHeadAttention(2, 2, name="attention")(inputs, inputs)
    rows = rows_of(keras.Model(inputs, outputs))
    biases = [row for row in rows if row.path.endswith("bias")]
    assert {len(row.shape) for row in biases} == {1, 2}
    assert not any(row.weight_decay for row in biases)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"decay": 0.0}, "`decay` must be a number, above 0 and at most 1. Received: decay=0.0"),
        ({"decay": 1.5}, "at most 1"),
        ({"decay": True}, "of type bool"),
        ({"head_multiplier": -1}, "`head_multiplier` must be a number, above 0"),
        ({"head_multiplier": float("nan")}, "`head_multiplier`"),
        ({"slices": 0.1}, "`slices` must be two multipliers"),
        ({"slices": (0.1,)}, "`slices` must be two multipliers"),
        ({"slices": (0.1, 0)}, "`slices` must be a number, above 0"),
        ({"slices": (0.1, 1.0), "decay": 0.5}, "left out where `decay` is given"),
        ({"multipliers": {"top": 0}}, "To hold a variable still, freeze it."),
        ({"multipliers": {"top": "1"}}, "multipliers['top']"),
        ({"multipliers": "top"}, "`multipliers` must be a dict of selectors"),
        ({"multipliers": ["top"]}, "`multipliers` must be a dict of selectors"),
        ({"multipliers": {3: 1.0}}, "a selector or a path pattern"),
        ({"no_weight_decay": 3}, "a selector or a path pattern"),
    ],
)
def test_bad_rules_are_refused(rules, message):
    with pytest.raises(ArgumentError) as error:
        RateRules(**rules)
    assert message in str(error.value)


def test_rules_about_parts_that_a_model_lacks_are_refused():
    with pytest.raises(ArgumentError, match=r"1\.0 for a model without a head"):
        rows_of(stack(2, head=False), head_multiplier=2.0)
    for rule in ({"decay": 0.5}, {"slices": (0.1, 1.0)}):
        with pytest.raises(ArgumentError, match="left out for a model that has only one part"):
            rows_of(stack(1, head=False), **rule)


def test_rows_go_round_as_json():
    import json

    for row in rows_of(stack(2), decay=0.7):
        assert RateRow.from_config(json.loads(json.dumps(row.get_config()))) == row


class Named:
    """As much of a Keras variable as matching reads."""

    def __init__(self, path, shape):
        self.path, self.shape = path, shape


def row(path, multiplier, shape=(2, 2), variable_path=None):
    return RateRow(path, variable_path or path, shape, 0, multiplier, True, True)


def found_multipliers(rows, variables):
    return [found and found.multiplier for found in match_rows(rows, variables)]


def test_rows_are_found_by_path_whatever_the_order_or_part():
    rows = [row("a/kernel", 1.0), row("b/kernel", 2.0), row("c/kernel", 3.0)]
    variables = [Named("c/kernel", (2, 2)), Named("a/kernel", (2, 2))]
    assert found_multipliers(rows, variables) == [3.0, 1.0]


def test_rows_are_found_by_order_where_names_drifted():
    rows = [row("m/dense_4/kernel", 1.0), row("m/dense_5/kernel", 2.0)]
    variables = [Named("m/dense_5/kernel", (2, 2)), Named("m/dense_6/kernel", (2, 2))]
    assert found_multipliers(rows, variables) == [1.0, 2.0]


def test_rows_are_found_by_order_where_two_towers_share_paths():
    rows = [row(f"tower_{i}/e/kernel", float(i + 1), (2, 2), "e/kernel") for i in range(2)]
    variables = [Named("e/kernel", (2, 2))] * 2
    assert found_multipliers(rows, variables) == [1.0, 2.0]


def test_rows_are_found_by_the_end_of_the_path_where_a_prefix_went():
    rows = [row("s/a/kernel", 1.0), row("s/b/kernel", 2.0), row("s/b/bias", 3.0, (2,))]
    variables = [Named("b/kernel", (2, 2)), Named("b/bias", (2,))]
    assert found_multipliers(rows, variables) == [2.0, 3.0]


def test_rows_are_not_guessed():
    rows = [
        row("a/kernel", 1.0),
        row("b/kernel", 2.0),
        row("t/x/kernel", 3.0),
        row("x/kernel", 4.0),
    ]
    for variable in (
        Named("c/kernel", (2, 2)),  # the name alone
        Named("a/kernel", (2, 3)),  # another shape
        Named("a/lora", (2, 2)),  # a new one
    ):
        assert found_multipliers(rows, [variable]) == [None]


def test_the_printed_table_groups_by_part_and_multiplier():
    rows = rows_of(stack(1), multipliers={"top/bias": 2.0})
    assert printed_rows(rows, 0.1) == [
        ("block 0", 2, 20, "1", "0.1", "1 of 2"),
        ("head", 1, 8, "1", "0.1", "1 of 1"),
        ("head", 1, 2, "2", "0.2", "0 of 1"),
    ]


def test_rules_leave_the_model_alone():
    model = stack(2)
    before = [np.array(value) for value in model.get_weights()]
    rows_of(model, decay=0.5)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
