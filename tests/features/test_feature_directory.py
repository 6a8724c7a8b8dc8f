"""Features in a directory: found again, gone on with, made anew, never half there."""

import errno
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from models import tiny_bert
from test_feature_cache import Texts

import kerasft
from kerasft import FeatureCache, TrainHead, TrainLastBlocks
from kerasft._digests import digest_of_weights
from kerasft.errors import ArgumentError, DataError, SourceError
from kerasft.features import _directory
from kerasft.features._frozen_run import FrozenRun
from kerasft.features._index import Index
from kerasft.features._layout import Layout
from kerasft.features._store import Store
from kerasft.features._values import FileValues

INPUTS = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
LABELS = (INPUTS.sum(axis=1) > 0).astype("int32")


def dense(seed=0, units=5, activation="tanh"):
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((6,))
    x = keras.layers.Dense(units, activation=activation)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    kerasft.TrainHead().apply(model)
    return model


def text_model(seed=0, policy=None, **head):
    keras.utils.set_random_seed(seed)
    backbone = kerasft.Backbone.from_model(tiny_bert(num_layers=2))
    model = backbone.attach(kerasft.ClassificationHead(num_classes=2, name="head", **head))
    (policy or TrainLastBlocks(1)).apply(model)
    return model


class Counting:
    """How many batches the frozen part was run over."""

    def __init__(self, monkeypatch, stop_after=None):
        self.batches = 0
        original = FrozenRun.for_batches

        def for_batches(*args):
            run = original(*args)

            def counted(inputs):
                if stop_after is not None and self.batches >= stop_after:
                    raise KeyboardInterrupt
                self.batches += 1
                return run(inputs)

            return counted

        monkeypatch.setattr(FrozenRun, "for_batches", for_batches)


def entries(directory):
    return sorted(path.name for path in Path(directory).iterdir())


def all_of(batches):
    return [keras.tree.flatten(inputs) for inputs, *_ in batches.unshuffled()]


def check_equal(one, other):
    for left, right in zip(all_of(one), all_of(other), strict=True):
        for a, b in zip(left, right, strict=True):
            np.testing.assert_array_equal(a, b)


def test_the_second_time_nothing_is_computed(tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    first = FeatureCache(dense(), tmp_path / "new").batches(INPUTS, LABELS, batch_size=8)
    assert counting.batches == 5
    again = FeatureCache(dense(), tmp_path / "new").batches(INPUTS, LABELS, batch_size=8)
    assert counting.batches == 5
    check_equal(first, again)
    memory = FeatureCache(dense()).batches(INPUTS, LABELS, batch_size=8)
    check_equal(first, memory)
    np.testing.assert_array_equal(again.labels, LABELS)


@pytest.mark.parametrize("policy", [TrainHead(), TrainLastBlocks(1)])
def test_texts_with_other_batches_another_head_and_other_rates(tmp_path, monkeypatch, policy):
    texts = Texts()
    counting = Counting(monkeypatch)
    FeatureCache(text_model(policy=policy), tmp_path).batches(texts.batches())
    run = counting.batches
    other = text_model(policy=policy, hidden_units=3, dropout=0.1)
    data = Texts().batches(batch_size=2, pad_to_multiple_of=1, seed=5)
    cache = FeatureCache(other, tmp_path)
    cached = cache.batches(data)
    assert counting.batches == run > 0
    np.testing.assert_allclose(
        cache.model.predict(cached.unshuffled(), verbose=0),
        other.predict(data.unshuffled(), verbose=0),
        atol=1e-5,
    )


def test_in_bfloat16_two_computations_differ_by_rounding_alone(tmp_path, monkeypatch):
    """Found again, although the probe computes them in a batch of another shape."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        counting = Counting(monkeypatch)
        for policy in (TrainHead(), TrainLastBlocks(1)):
            model = text_model(policy=policy)
            FeatureCache(model, tmp_path).batches(Texts().batches())
            run = counting.batches
            stores = FeatureCache(model, tmp_path).batches(Texts().batches()).collate.stores
            assert counting.batches == run
            assert not any(store.layout.keeps_padding for store in stores)
    finally:
        keras.config.set_dtype_policy("float32")


def test_what_they_depend_on_makes_another_entry(tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    made = 0
    changes = [
        (lambda: dense(), INPUTS, None),
        (lambda: dense(seed=1), INPUTS, None),  # the weights
        (lambda: dense(activation="relu"), INPUTS, None),  # the graph
        (lambda: dense(), INPUTS + 1e-6, None),  # the data
        (lambda: dense(), INPUTS[::-1], None),  # their order
        (lambda: dense(), INPUTS, "float16"),  # the dtype
    ]
    for number, (make, inputs, dtype) in enumerate(changes, start=1):
        cache = FeatureCache(make(), tmp_path, dtype=dtype)
        expected = cache._cut.frozen.predict(inputs, verbose=0)
        cached = cache.batches(inputs, LABELS)
        np.testing.assert_allclose(
            np.concatenate([batch for (batch,) in all_of(cached)]), expected, atol=1e-2
        )
        assert len(entries(tmp_path)) == number
        assert counting.batches > made
        made = counting.batches
    for make, inputs, dtype in changes:
        FeatureCache(make(), tmp_path, dtype=dtype).batches(inputs, LABELS)
    assert counting.batches == made  # the former ones are all still there


def test_the_reason_is_told(tmp_path):
    def why(cache, inputs=INPUTS):
        identity = {
            "weights": digest_of_weights(cache._cut.frozen),
            "graph": kerasft.features._identity.digest_of_graph(cache._cut.frozen),
            "inputs": _examples(inputs).digest(),
            "dtypes": kerasft.features._identity.digest_of_layouts(cache._layouts),
        }
        return _directory.what_changed(tmp_path, identity)

    def _examples(inputs):
        return kerasft.features._examples.examples_of(inputs, LABELS, None, 32, False, 0)

    assert why(FeatureCache(dense(), tmp_path)) is None
    FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    assert why(FeatureCache(dense(seed=1), tmp_path)) == "the frozen weights have changed"
    assert why(FeatureCache(dense(activation="relu"), tmp_path)) == "the frozen layers are others"
    assert "another dtype" in why(FeatureCache(dense(), tmp_path, dtype="bfloat16"))
    assert why(FeatureCache(dense(), tmp_path), INPUTS + 1) is None  # a second data set


def test_names_that_keras_makes_up_do_not_matter(tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    [keras.layers.Dense(1) for _ in range(3)]
    FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    assert counting.batches == 2
    assert len(entries(tmp_path)) == 1


def test_an_interrupted_run_is_gone_on_with(tmp_path, monkeypatch):
    texts = Texts(examples=30)
    with monkeypatch.context() as patched:
        Counting(patched, stop_after=4)
        with pytest.raises(KeyboardInterrupt):
            FeatureCache(text_model(), tmp_path).batches(texts.batches())
    (part,) = entries(tmp_path)
    assert part.endswith(".part")
    counting = Counting(monkeypatch)
    cached = FeatureCache(text_model(), tmp_path).batches(texts.batches())
    assert counting.batches == 6
    assert entries(tmp_path) == [part.removesuffix(".part")]
    check_equal(cached, FeatureCache(text_model()).batches(texts.batches()))


@pytest.mark.parametrize("torn", ["values", "index"])
def test_what_a_killed_run_left_half_written_is_made_again(tmp_path, monkeypatch, torn):
    texts = Texts(examples=30)
    with monkeypatch.context() as patched:
        Counting(patched, stop_after=4)
        with pytest.raises(KeyboardInterrupt):
            FeatureCache(text_model(), tmp_path).batches(texts.batches())
    for path in tmp_path.glob(f"*.part/*.{torn}"):
        content = path.read_bytes()
        path.write_bytes(content[:-5])
    counting = Counting(monkeypatch)
    cached = FeatureCache(text_model(), tmp_path).batches(texts.batches())
    assert counting.batches == 7
    check_equal(cached, FeatureCache(text_model()).batches(texts.batches()))


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "0.values").write_bytes(b""),
        lambda folder: flip(folder / "0.values"),
        lambda folder: flip(folder / "0.index"),
        lambda folder: (folder / "0.index").unlink(),
        lambda folder: (folder / "manifest.json").write_text("{"),
        lambda folder: (folder / "manifest.json").write_text("[]"),
    ],
    ids=["emptied", "a byte", "a byte of the index", "no index", "torn manifest", "no manifest"],
)
def test_what_is_damaged_is_made_again(tmp_path, monkeypatch, damage):
    FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    (name,) = entries(tmp_path)
    damage(tmp_path / name)
    counting = Counting(monkeypatch)
    cached = FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    assert counting.batches == 2
    assert entries(tmp_path) == [name]
    check_equal(cached, FeatureCache(dense()).batches(INPUTS, LABELS))


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@keras.saving.register_keras_serializable(package="kerasft_tests")
class HiddenSetting(keras.layers.Layer):
    """Computes something that its config does not tell."""

    factor = 1.0

    def build(self, shape):
        self.scale = self.add_weight(shape=(shape[-1],), initializer="ones", name="scale")

    def call(self, x):
        return x * self.scale * self.factor


def test_zeros_of_both_signs_are_not_taken_for_damage(tmp_path):
    layout = Layout("features", "float32", "float32", rank=1, shared=False)
    values = FileValues(tmp_path / "values", layout.raw)
    store = Store(layout, values, Index(1, 2, tmp_path / "index"))
    store.put(np.arange(2), np.array([[0.0, 1.0], [-0.0, 1.0]], "float32"))
    store.index.close()
    values.close()
    read = Index(1, path=tmp_path / "index")
    read.load(values.array())
    assert len(read) == 2


def test_code_that_changed_is_noticed(tmp_path, monkeypatch):
    """The digests do not see it; two examples that are computed again do."""

    def make():
        inputs = keras.Input((6,))
        x = HiddenSetting()(inputs)
        model = keras.Model(inputs, keras.layers.Dense(2)(x))
        kerasft.TrainHead().apply(model)
        return model

    FeatureCache(make(), tmp_path).batches(INPUTS, LABELS)
    monkeypatch.setattr(HiddenSetting, "factor", 2.0)
    cached = FeatureCache(make(), tmp_path).batches(INPUTS, LABELS)
    np.testing.assert_array_equal(all_of(cached)[0][0], 2 * INPUTS[:32])


def test_two_at_once_make_the_same_entry(tmp_path):
    """As two processes would: the second does not write into what the first is making."""
    identity = {"weights": "1"}
    first = _directory.NewEntry(tmp_path, identity)
    second = _directory.NewEntry(tmp_path, identity)
    third = _directory.NewEntry(tmp_path, identity)
    assert len({first._part, second._part, third._part}) == 3
    second.discard()
    # Interrupted: a later run finds the first one's folder by its name, and no other.
    third.interrupt()
    first.interrupt()
    assert list(tmp_path.iterdir()) == [first._part]
    again = _directory.NewEntry(tmp_path, identity)
    assert again._part == first._part
    again.discard()
    assert entries(tmp_path) == []


# What cannot be written.


def test_a_directory_that_cannot_be_written(tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"`directory` must be a folder. Received: .* is a file"):
        FeatureCache(dense(), tmp_path / "file")
    with pytest.raises(SourceError, match=r"must be a folder that can be written.*name another"):
        FeatureCache(dense(), tmp_path / "file" / "below").batches(INPUTS, LABELS)
    with pytest.raises(ArgumentError, match=r"`directory` must be the path of a folder, or None"):
        FeatureCache(dense(), 3)
    assert counting.batches == 0


def test_too_little_room_is_known_before_the_work(tmp_path, monkeypatch):
    FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    before = entries(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(_directory.shutil, "disk_usage", lambda path: usage._replace(free=100))
    counting = Counting(monkeypatch)
    with pytest.raises(SourceError, match=r"needs room .* MiB free in .* take dtype="):
        FeatureCache(dense(seed=1), tmp_path).batches(INPUTS, LABELS)
    assert counting.batches == 0
    assert entries(tmp_path) == before


def test_a_disk_that_fills_up_leaves_nothing_and_the_former_cache(tmp_path, monkeypatch):
    former = FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS)
    before = entries(tmp_path)

    def full(file, values):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(kerasft.features._values, "_write", full)
        with pytest.raises(SourceError, match=r"No space left on device. Make room"):
            FeatureCache(dense(seed=1), tmp_path).batches(INPUTS, LABELS)
    assert entries(tmp_path) == before
    check_equal(former, FeatureCache(dense(), tmp_path).batches(INPUTS, LABELS))


# How they are kept.


@pytest.mark.parametrize("directory", [True, False])
@pytest.mark.parametrize(
    ("dtype", "itemsize", "error"),
    [("float32", 4, 0), ("bfloat16", 2, 2**-8), ("float16", 2, 2**-11)],
)
def test_the_dtype_in_which_they_are_kept(tmp_path, directory, dtype, itemsize, error):
    cache = FeatureCache(dense(), tmp_path if directory else None, dtype=dtype)
    cached = cache.batches(INPUTS, LABELS)
    expected = cache._cut.frozen.predict(INPUTS, verbose=0)
    found = np.concatenate([batch for (batch,) in all_of(cached)])
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, expected, rtol=error, atol=1e-6)
    assert cached.collate.stores[0].nbytes == 40 * 5 * itemsize
    if error:
        assert not np.array_equal(found, expected)


def test_values_beyond_float16(tmp_path):
    cache = FeatureCache(dense(activation=None), dtype="float16")
    with pytest.raises(kerasft.errors.UnsupportedError, match=r'float16 ends .*dtype="bfloat16"'):
        cache.batches(INPUTS * 1e6, LABELS)


def test_beyond_the_budget_they_lie_in_files_as_long_as_they_are_used():
    cache = FeatureCache(dense(), memory_budget=40 * 5 * 4 - 1)
    cached = cache.batches(INPUTS, LABELS)
    values = cached.collate.stores[0].values.array()
    assert isinstance(values, np.memmap)
    folder = Path(values.filename).parents[1]
    check_equal(cached, FeatureCache(dense(), memory_budget=40 * 5 * 4).batches(INPUTS, LABELS))
    del cache, cached, values
    assert not folder.exists()
    within = FeatureCache(dense(), memory_budget=40 * 5 * 4).batches(INPUTS, LABELS)
    assert not isinstance(within.collate.stores[0].values.array(), np.memmap)


def test_shuffled_and_unshuffled_batches_share_their_features(monkeypatch):
    counting = Counting(monkeypatch)
    cache = FeatureCache(text_model())
    data = Texts().batches()
    one = cache.batches(data)
    made = counting.batches
    other = cache.batches(data.unshuffled())
    assert counting.batches == made
    assert one.collate.stores is other.collate.stores
    assert "for 1 data set so far" in str(cache)
    assert "Computed once" in cache._repr_html_()


@pytest.mark.parametrize("directory", [True, False])
def test_weights_that_were_loaded_since_are_noticed(tmp_path, directory):
    model, other = dense(), dense(seed=1)
    cache = FeatureCache(model, tmp_path if directory else None)
    data = kerasft.data.LengthGroupedBatches(
        lambda rows, length: INPUTS[rows], np.ones(40, int), labels=LABELS
    )
    before = cache.batches(data)
    model.set_weights(other.get_weights())
    after = cache.batches(data)
    check_equal(after, FeatureCache(other).batches(data))
    assert not np.array_equal(all_of(before)[0][0], all_of(after)[0][0])


def test_wrong_arguments():
    with pytest.raises(ArgumentError, match=r"`dtype` must be one of .* Did you mean 'bfloat16'"):
        FeatureCache(dense(), dtype="bfloat")
    with pytest.raises(ArgumentError, match=r"`memory_budget` must be"):
        FeatureCache(dense(), memory_budget=-1)
    with pytest.raises(DataError, match=r"`labels` must be as many as the examples, 40"):
        FeatureCache(dense()).batches(INPUTS, LABELS[:-1])
