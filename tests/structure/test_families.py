"""Slow: every family of KerasHub and `keras.applications` that a tiny configuration can be had of.

`pytest tests/structure/test_families.py --slow -s` prints a table of how each came apart.
"""

import keras
import pytest
from families import APPLICATIONS, FAMILIES
from test_take_apart import check_whole

from kerasft._tables import text_table

hub = pytest.importorskip("keras_hub")

_rows = []


@pytest.fixture(scope="module", autouse=True)
def table():
    yield
    if _rows:
        columns = ["model", ">blocks", ">layers", ">parameters", "first and last", "how"]
        print("\n" + text_table(columns, _rows))


def tell(name, model, least):
    structure = check_whole(model)
    blocks = structure.blocks
    _rows.append(
        (
            name,
            len(blocks),
            len(structure.modules),
            model.count_params(),
            f"{blocks[0].name} ... {blocks[-1].name}",
            structure.rule,
        )
    )
    assert len(blocks) >= least, (structure.rule, [block.name for block in blocks])
    assert all(block.parameters for block in blocks)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # KerasHub's T5 is full of them
@pytest.mark.parametrize("name", FAMILIES)
def test_keras_hub_families(name):
    kind, arguments, least = FAMILIES[name]
    tell(name, getattr(hub.models, kind)(**arguments), least)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications(name):
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(96, 96, 3)
    )
    tell(name, model, APPLICATIONS[name])


def test_there_are_enough_of_them():
    assert len(FAMILIES) >= 20
    assert all(hasattr(hub.models, kind) for kind, _, _ in FAMILIES.values())
    assert all(hasattr(keras.applications, name) for name in APPLICATIONS)
