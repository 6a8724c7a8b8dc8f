"""Schedules on cached features: the same training as on the whole model, or a refusal."""

import numpy as np
import pytest
from test_feature_cache import Texts, compile_, masked, weights_of, without_dropout

import kerasft
from kerasft import FeatureCache, TrainHead, TrainLastBlocks
from kerasft.callbacks import Phase, Phases
from kerasft.errors import UnsupportedError
from kerasft.structure import take_apart, whole_of


def schedule(last):
    return Phases([Phase(TrainHead(), epochs=1), Phase(last, epochs=1)], verbose=0)


def test_a_schedule_within_the_cache_is_the_schedule_on_the_whole_model():
    whole, cached = without_dropout(masked)(), without_dropout(masked)()
    cached.set_weights(whole.get_weights())
    TrainHead().apply(whole)
    compile_(whole)
    whole.fit(Texts().batches(), epochs=2, callbacks=[schedule(TrainLastBlocks(1))], verbose=0)
    TrainLastBlocks(1).apply(cached)
    cache = FeatureCache(cached)
    data = cache.batches(Texts().batches())
    compile_(cache.model)
    cache.model.fit(data, epochs=2, callbacks=[schedule(TrainLastBlocks(1))], verbose=0)
    for (path, one), other in zip(
        weights_of(whole).items(), weights_of(cached).values(), strict=True
    ):
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=path)


@pytest.mark.parametrize(
    "policy", [TrainLastBlocks(2), kerasft.TrainEverything()], ids=["blocks", "everything"]
)
def test_a_phase_beyond_the_boundary_is_refused_before_anything_trains(policy):
    model = masked()
    TrainLastBlocks(1).apply(model)
    cache = FeatureCache(model)
    data = cache.batches(Texts().batches())
    compile_(cache.model)
    before = weights_of(model)
    with pytest.raises(
        UnsupportedError, match=r"would train .*computed already.*new `FeatureCache`"
    ):
        cache.model.fit(data, epochs=2, callbacks=[schedule(policy)], verbose=0)
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])


def test_blocks_of_the_part_are_counted_as_in_the_whole():
    model = masked()
    TrainLastBlocks(2).apply(model)
    cache = FeatureCache(model)
    assert whole_of(cache.model) is model
    TrainLastBlocks(1).apply(cache.model)
    trained = {id(v) for v in cache.model.trainable_variables}
    last = [view for view in take_apart(model).layers if view.blocks_from_end == 0]
    head = take_apart(model).head
    expected = {id(v.variable) for view in [*last, *head] for v in view.variables}
    assert trained == expected


def test_what_is_behind_the_boundary_may_change_and_the_cache_still_serves():
    model = masked()
    TrainLastBlocks(1).apply(model)
    cache = FeatureCache(model)
    TrainHead().apply(model)
    data = Texts().batches(shuffle=False)
    np.testing.assert_allclose(
        cache.model.predict(cache.batches(data), verbose=0),
        model.predict(data, verbose=0),
        atol=1e-5,
    )
