import pytest

from kerasft._progress import in_parts, progress


@pytest.mark.parametrize("show_from", [0, 1000])
def test_everything_comes_through_in_order(show_from, capfd):
    parts = in_parts(list(range(25)), 10)
    passed = list(progress(parts, "Counting", 25, show_from, 10))
    assert [value for part in passed for value in part] == list(range(25))
    shown = capfd.readouterr()
    assert shown.out == ""
    assert ("Counting" in shown.err and "25/25" in shown.err) == (show_from == 0)
