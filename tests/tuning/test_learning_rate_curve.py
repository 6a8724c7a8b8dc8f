"""The curve: what it suggests, when it does not, and how it is told and kept."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasft.errors import ArgumentError, DataError, SourceError, UnsupportedError
from kerasft.tuning import LearningRateCurve
from kerasft.tuning._suggestions import capped, find_fall, smooth, steepest, valley

RATES = np.geomspace(1e-7, 10.0, 100)
NUMBERS = st.floats(-1e3, 1e3, allow_nan=False, width=32)


def classic(noise=0.0, seed=0):
    """Flat, then a fall centred on 1e-4, lowest at about 1e-2, then an explosion."""
    place = np.log10(RATES)
    losses = 0.4 + 0.6 / (1.0 + np.exp(4.0 * (place + 4.0))) + np.exp(3.0 * (place + 0.5))
    stop = int(np.argmax(losses > 4.0))
    losses = losses + noise * np.random.default_rng(seed).normal(size=len(losses))
    return LearningRateCurve(RATES[: stop + 1], losses[: stop + 1], ended="diverged")


class TestSmoothing:
    @given(st.lists(NUMBERS, min_size=1, max_size=30), st.floats(0.0, 0.99))
    def test_it_is_the_weighted_mean_of_the_capped_losses(self, losses, smoothing):
        seen = capped(np.array(losses))
        smoothed = smooth(np.array(losses), smoothing)
        for place in range(len(losses)):
            weights = [smoothing ** abs(place - other) for other in range(len(losses))]
            expected = sum(w * v for w, v in zip(weights, seen, strict=True)) / sum(weights)
            assert smoothed[place] == pytest.approx(expected, abs=1e-6 * (1 + abs(seen).max()))

    @given(st.lists(NUMBERS, min_size=10, max_size=40))
    def test_without_smoothing_it_is_the_losses_but_for_those_that_exploded(self, losses):
        losses = np.array(losses)
        smoothed = smooth(losses, 0.0)
        assert (smoothed <= losses).all()
        start = losses[: max(3, len(losses) // 10)]
        assert (smoothed[losses <= start.max()] == losses[losses <= start.max()]).all()
        assert smoothed.min() == losses.min()

    def test_an_explosion_is_not_felt_before_its_place(self):
        calm = classic()
        losses = calm.losses.copy()
        losses[-1] = 1e12
        wild = LearningRateCurve(calm.rates, losses, ended="diverged")
        assert wild.suggestions == pytest.approx(calm.suggestions)

    def test_it_shifts_nothing(self):
        losses = (np.log10(RATES) + 3.0) ** 2  # symmetric about 1e-3
        lowest = RATES[smooth(losses, 0.8)[40:60].argmin() + 40]
        assert lowest == pytest.approx(1e-3, rel=0.2)


def longest_descents(values):
    """All strictly decreasing subsequences of the greatest length, by trying every one."""
    for size in range(len(values), 0, -1):
        found = [
            places
            for places in itertools.combinations(range(len(values)), size)
            if all(values[a] > values[b] for a, b in itertools.pairwise(places))
        ]
        if found:
            return found
    return []


class TestSuggestions:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=9))
    def test_valley_is_the_middle_of_a_longest_descent(self, values):
        length = len(longest_descents(values)[0])
        ends = {places[-1] for places in longest_descents(values)}
        middle = valley(np.array(values, dtype=float))
        assert any(abs(middle - (end - (length - 1) / 2)) <= 0.5 for end in ends)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(NUMBERS, min_size=12, max_size=60))
    def test_valley_agrees_with_fastais_rule_within_a_step(self, values):
        # Told in docs.fast.ai, callback.schedule: from the end back by the length, then a third
        # and half of a third of the way.
        smoothed = np.array(values)
        lengths = [1] * len(values)
        for later in range(len(values)):
            for earlier in range(later):
                if values[later] < values[earlier]:
                    lengths[later] = max(lengths[later], lengths[earlier] + 1)
        end = int(np.argmax(lengths))
        start = end - lengths[end]
        third = (end - start) / 3
        theirs = start + int(third) + int(third / 2)
        assert abs(valley(smoothed) - theirs) <= 2

    def test_on_the_classic_curve(self):
        curve = classic()
        assert curve.suggestions.keys() == {"valley", "steepest", "minimum over ten"}
        assert 3e-6 < curve.valley < 1e-3
        assert curve.steepest == pytest.approx(1e-4, rel=0.5)
        lowest = curve.rates[curve.smoothed.argmin()]
        assert curve.minimum_over_ten == pytest.approx(lowest / 10)
        assert 1e-4 < curve.minimum_over_ten < 3e-3
        assert (curve.problem, curve.caveats, curve.diverged) == (None, (), True)

    @pytest.mark.parametrize("seed", range(5))
    def test_noise_moves_them_by_no_more_than_a_decade(self, seed):
        quiet, noisy = classic(), classic(noise=0.05, seed=seed)
        for name, rate in quiet.suggestions.items():
            assert 0.1 < noisy.suggestions[name] / rate < 10.0

    def test_the_scale_of_the_loss_and_of_the_rates_does_not_matter(self):
        curve = classic()
        other = LearningRateCurve(1e3 * curve.rates, 7.0 * curve.losses, ended="diverged")
        for name, rate in curve.suggestions.items():
            assert other.suggestions[name] == pytest.approx(1e3 * rate)

    def test_steepest_is_sought_before_the_lowest_loss_only(self):
        """Behind it the loss may fall faster still, from one explosion to the next."""
        losses = np.array([5.0, 5.0, 4.5, 3.0, 2.5, 2.4, 9.0, 30.0, 3.0, 40.0])
        rates = np.geomspace(1e-3, 1.0, 10)
        assert steepest(rates, losses) in (2, 3)


class TestNoSuggestion:
    def refuses(self, curve, told):
        assert told in curve.problem
        assert f"No suggestion: {curve.problem[:20]}" in str(curve)
        assert curve.suggestions == {}
        assert curve.caveats == ()
        for name in ("valley", "steepest", "minimum_over_ten"):
            with pytest.raises(UnsupportedError, match="There is no learning rate to suggest: the"):
                getattr(curve, name)

    def test_a_loss_that_only_grows(self):
        self.refuses(LearningRateCurve(RATES, 1.0 + RATES), "only grew")
        noise = 0.1 * np.random.default_rng(0).normal(size=100)
        self.refuses(LearningRateCurve(RATES, 1.0 + RATES + noise), "only grew")
        self.refuses(LearningRateCurve(RATES, 2.0**RATES, ended="diverged"), "only grew")

    def test_a_loss_that_stays(self):
        self.refuses(LearningRateCurve(RATES, np.full(100, 0.7)), "stayed where it was")
        self.refuses(LearningRateCurve(RATES, np.zeros(100)), "stayed where it was")

    def test_pure_noise_hardly_ever_passes_for_a_fall(self):
        generator = np.random.default_rng(0)
        searches = [LearningRateCurve(RATES, generator.normal(size=100)) for _ in range(200)]
        assert sum(curve.problem is None for curve in searches) <= 14

    def test_a_fall_of_twice_the_noise_hardly_ever_passes_for_noise(self):
        generator = np.random.default_rng(0)
        fall = np.where((RATES > 1e-4) & (RATES < 1e-1), -2.0, 0.0)
        searches = [LearningRateCurve(RATES, fall + generator.normal(size=100)) for _ in range(200)]
        assert sum(curve.problem is not None for curve in searches) <= 4

    def test_too_few_steps(self):
        curve = LearningRateCurve(RATES[:9], np.arange(9.0)[::-1], ended="not finite")
        self.refuses(curve, "exploded after 9 steps")

    @given(st.lists(NUMBERS, min_size=1, max_size=30))
    def test_whatever_the_losses_it_says_something(self, losses):
        curve = LearningRateCurve(RATES[: len(losses)], losses)
        assert bool(curve.suggestions) is (curve.problem is None)
        assert all(0.0 < rate <= RATES[-1] for rate in curve.suggestions.values())
        assert len(str(curve).splitlines()) > 2
        assert find_fall(curve.losses, 0.5).errors >= 0.0


class TestCaveats:
    def test_still_falling(self):
        curve = LearningRateCurve(RATES, 1.0 / (1.0 + RATES))
        (caveat,) = curve.caveats
        assert caveat.startswith("the loss was still falling at the highest rate")
        assert f"Caveat: {caveat[:30]}" in str(curve)

    def test_risen_without_an_explosion(self):
        curve = classic()
        rates, losses = curve.rates[:-10], curve.losses[:-10]
        (caveat,) = LearningRateCurve(rates, losses).caveats
        assert "rose again without exploding" in caveat

    def test_hardly_more_than_noise(self):
        generator = np.random.default_rng(3)
        fall = np.where((RATES > 1e-4) & (RATES < 1e-1), -1.4, 0.0)
        curve = LearningRateCurve(RATES, fall + generator.normal(size=100), ended="diverged")
        assert 3.0 < find_fall(curve.losses, 0.8).errors < 4.5
        assert any("little more than noise" in caveat for caveat in curve.caveats)

    def test_the_lowest_loss_at_the_lowest_rates(self):
        rates = np.geomspace(0.01, 1.0, 50)
        losses = np.concatenate([np.linspace(5.0, 1.0, 10), np.linspace(1.0, 6.0, 40)])
        curve = LearningRateCurve(rates, losses, smoothing=0.1, ended="diverged")
        assert any("search again with a lower `lowest`" in caveat for caveat in curve.caveats)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (([], []), "`rates` must be one-dimensional, positive, finite and rising"),
            (([1.0, 1.0], [1.0, 1.0]), "`rates` must be"),
            (([0.0, 1.0], [1.0, 1.0]), "`rates` must be"),
            (([1.0, np.inf], [1.0, 1.0]), "`rates` must be"),
            (([[1.0, 2.0]], [1.0, 1.0]), "`rates` must be"),
            (([1.0, 2.0], [1.0]), "`losses` must be 2 finite numbers, one for each rate"),
            (([1.0, 2.0], [1.0, np.nan]), "`losses` must be 2 finite numbers"),
            (([1.0, 2.0], [1.0, 2.0], 1.0), "`smoothing` must be"),
            (([1.0, 2.0], [1.0, 2.0], 0.5, "divergd"), "`ended` must be .* Did you mean 'diverged"),
        ],
    )
    def test_no_curve(self, arguments, told):
        with pytest.raises(ArgumentError, match=told):
            LearningRateCurve(*arguments)


class TestTold:
    def test_printed(self):
        lines = str(classic()).splitlines()
        assert lines[0].startswith("Learning-rate search: 87 steps from 1e-07 to")
        assert lines[0].endswith("where the loss had exploded")
        assert lines[1].split()[:2] == ["suggestion", "rate"]
        assert lines[3].startswith("valley")
        assert "if in doubt, this one" in lines[3]
        assert lines[-1].startswith("The smoothed loss fell from")
        assert max(map(len, lines)) <= 100

    def test_in_a_notebook(self):
        page = classic()._repr_html_()
        assert page.count("<tr>") == 4
        assert "minimum over ten" in page

    def test_in_short(self):
        assert repr(classic()).startswith("<LearningRateCurve of 87 steps: valley ")
        assert "no suggestion" in repr(LearningRateCurve(RATES, RATES))

    def test_drawn(self):
        assert classic().plot().axes[0].get_xscale() == "log"


class TestKept:
    @pytest.mark.parametrize("make", [classic, lambda: LearningRateCurve(RATES, RATES, 0.5)])
    def test_saved_and_loaded(self, make, tmp_path):
        curve = make()
        path = tmp_path / "curve.json"
        curve.save(path)
        loaded = LearningRateCurve.load(path)
        assert loaded.to_dict() == curve.to_dict()
        assert (loaded.rates == curve.rates).all()
        assert (loaded.losses == curve.losses).all()
        assert str(loaded) == str(curve)
        assert json.loads(path.read_text())["suggestions"] == curve.suggestions
        assert [file.name for file in tmp_path.iterdir()] == ["curve.json"]

    def test_not_saved(self, tmp_path):
        with pytest.raises(ArgumentError, match=r"ends in .json. .*curve.plot\(\).savefig"):
            classic().save(tmp_path / "curve.png")
        with pytest.raises(SourceError, match="could not be written"):
            classic().save(tmp_path / "nowhere" / "curve.json")

    def test_not_loaded(self, tmp_path):
        path = tmp_path / "curve.json"
        with pytest.raises(SourceError, match="No curve could be read"):
            LearningRateCurve.load(path)
        good = classic().to_dict()
        for content, told in (
            ("{", "it is no JSON"),
            ("[]", "holds no learning-rate curve"),
            (json.dumps({**good, "format": "other"}), "holds no learning-rate curve"),
            (json.dumps({**good, "version": 9}), "version 9, and this kerasft reads version 1"),
            (json.dumps({**good, "rates": [1.0]}), "missing or damaged parts"),
            (json.dumps({**good, "rates": None}), "missing or damaged parts"),
            (json.dumps({"format": good["format"], "version": 1}), "missing or damaged parts"),
        ):
            path.write_text(content)
            with pytest.raises(DataError, match=told):
                LearningRateCurve.load(path)
