"""What weighs an example comes through batches by length as through batches made by hand."""

import keras
import numpy as np
import pytest

from kerasft.data import LengthGroupedBatches, class_weights, sample_weights
from kerasft.errors import DataError

RANDOM = np.random.default_rng(0)
LENGTHS = RANDOM.integers(1, 30, 40)
CLASSES = RANDOM.integers(0, 3, 40).astype("int32")
TAGS = RANDOM.integers(0, 2, (40, 3)).astype("float32")
CLASS_WEIGHTS = class_weights(CLASSES)
ONE_WEIGHT_EACH = RANDOM.uniform(0, 3, 40).astype("float32")
ONE_PER_LABEL = sample_weights(TAGS, class_weights(TAGS), per_label=True)

SPARSE = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
BINARY = keras.losses.BinaryCrossentropy(from_logits=True)
BINARY_PER_LABEL = keras.losses.BinaryCrossentropy(from_logits=True, axis=())

# The labels, the weights that the batches are given, class_weight, and the loss.
CASES = {
    "class weights": (CLASSES, None, CLASS_WEIGHTS, SPARSE),
    "weights of examples": (CLASSES, ONE_WEIGHT_EACH, None, SPARSE),
    "weights of several labels": (TAGS, ONE_WEIGHT_EACH, None, BINARY),
    "a weight for each label": (TAGS, ONE_PER_LABEL, None, BINARY_PER_LABEL),
}
PLANS = {
    "batch size": {"batch_size": 7},
    "budget": {"max_tokens_per_batch": 120, "window": 3},
    "budget in few lengths": {"max_tokens_per_batch": 120, "padded_lengths": 2},
}


def collate(rows, length):
    values = np.sin(np.arange(length)[None] * (rows[:, None] + 1))
    return (values * (np.arange(length)[None] < LENGTHS[rows][:, None])).astype("float32")


def model_with(loss):
    inputs = keras.Input((None,))
    pooled = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, 1))(inputs))
    start = keras.initializers.GlorotUniform(seed=1)
    model = keras.Model(inputs, keras.layers.Dense(3, kernel_initializer=start)(pooled))
    model.compile(keras.optimizers.SGD(0.5), loss, run_eagerly=True)
    return model


def made(labels, weights, plan, shuffle=True):
    return LengthGroupedBatches(collate, LENGTHS, labels, weights, shuffle=shuffle, **plan)


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS.keys())
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_fit_is_the_same_as_on_batches_made_by_hand(case, plan):
    labels, weights, by_class, loss = case
    by_hand = model_with(loss)
    train = made(labels, weights, plan)
    weights_by_hand = np.array([by_class[c] for c in labels]) if by_class else weights
    for epoch in range(2):
        train.epoch = epoch
        for number in range(len(train)):
            rows = train.rows(number)
            x = collate(rows, train[number][0].shape[1])
            by_hand.train_on_batch(x, labels[rows], weights_by_hand[rows])
    for as_tf_data in (False, True) if keras.backend.backend() == "tensorflow" else (False,):
        fitted, data = model_with(loss), made(labels, weights, plan)
        data = data.as_tf_data() if as_tf_data else data
        fitted.fit(data, epochs=2, class_weight=by_class, shuffle=not as_tf_data, verbose=0)
        for one, other in zip(fitted.get_weights(), by_hand.get_weights(), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    moved = np.abs(fitted.get_weights()[0] - model_with(loss).get_weights()[0]).max()
    assert moved > 1e-3


@pytest.mark.parametrize("case", [*CASES.values()][1:], ids=[*CASES][1:])
def test_the_loss_of_an_evaluation_is_the_weighted_mean_whatever_the_batches(case):
    labels, weights, _, loss = case
    model = model_with(loss)
    for plan in PLANS.values():
        data = made(labels, weights, {**plan, "pad_to_multiple_of": 1}, shuffle=False)
        total = 0.0
        for number, (x, y, w) in enumerate(data):
            logits = model.predict_on_batch(x).astype("float64")
            assert np.array_equal(w, weights[data.rows(number)])
            if y.ndim == 1:
                log_sum = np.log(np.exp(logits).sum(axis=1))
                each = log_sum - logits[np.arange(len(y)), y]
            else:
                each = np.maximum(logits, 0) - logits * y + np.log1p(np.exp(-np.abs(logits)))
                each = each if w.ndim == 2 else each.mean(axis=1)
            total += (each * w).mean() * len(y)
        assert model.evaluate(data, verbose=0) == pytest.approx(total / len(labels), rel=1e-5)


def test_a_loss_that_cannot_use_weights_per_label_fails_and_is_not_silent():
    with pytest.raises(Exception, match=r"(?i)incompatible shapes|broadcast|dimensions"):
        model_with(BINARY).fit(made(TAGS, ONE_PER_LABEL, {"batch_size": 7}), verbose=0)


@pytest.mark.parametrize(
    ("plan", "largest"),
    [
        ({"batch_size": 3}, 3),
        ({"batch_size": 1}, 1),
        ({"max_tokens_per_batch": 30, "padded_lengths": [30]}, 1),
    ],
)
def test_weights_per_label_in_batches_that_hide_a_wrong_loss_are_refused(plan, largest):
    message = (
        f"another size than 1 and the number of labels. Received: 3 labels, and at most {largest} "
        r"examples in a batch. .*`keras.losses.BinaryCrossentropy` does without axis=\(\)"
    )
    with pytest.raises(DataError, match=message):
        made(TAGS, ONE_PER_LABEL, plan)
    made(TAGS, ONE_WEIGHT_EACH, plan)
