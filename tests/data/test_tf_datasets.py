import pytest
import tensorflow as tf

from kerasft.data import from_tf_dataset
from kerasft.errors import DataError

TEXTS = ["café", "b", "c"]


def dataset(*columns):
    return tf.data.Dataset.from_tensor_slices(columns if len(columns) > 1 else columns[0])


@pytest.mark.parametrize(
    "data",
    [
        dataset(TEXTS, [1, 0, 1]),
        dataset(TEXTS, [1, 0, 1]).batch(2),
        dataset({"text": TEXTS, "label": [1, 0, 1], "id": [7, 8, 9]}),
        dataset({"text": TEXTS, "label": [1, 0, 1]}).batch(2),
        dataset(TEXTS, [1, 0, 1]).filter(lambda text, label: True),
    ],
)
def test_every_form_of_elements_is_read(data):
    examples = from_tf_dataset(data, class_names=["no", "yes"])
    assert examples.texts == TEXTS
    assert examples.labels.tolist() == [1, 0, 1]
    assert examples.class_names == ("no", "yes")


def test_labels_by_name_weights_and_several_labels():
    assert from_tf_dataset(dataset(TEXTS, ["x", "y", "x"])).class_names == ("x", "y")
    weighted = from_tf_dataset(dataset(TEXTS, [1, 0, 1], [0.5, 1.0, 2.0]))
    assert weighted.sample_weight.tolist() == [0.5, 1.0, 2.0]
    several = from_tf_dataset(dataset(TEXTS, [[0, 1], [1, 0], [1, 1]]).batch(3))
    assert several.labels.tolist() == [[0, 1], [1, 0], [1, 1]]


def test_keys_can_be_named():
    data = dataset({"sentence": TEXTS, "sentiment": [1, 0, 1]})
    assert from_tf_dataset(data, text="sentence", label="sentiment").texts == TEXTS


def test_blank_texts_are_dropped_on_demand():
    data = dataset(["a", " ", "b"], [1, 0, 1], [1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="must not be blank"):
        from_tf_dataset(data)
    examples = from_tf_dataset(data, drop_blank=True)
    assert examples.texts == ["a", "b"]
    assert examples.sample_weight.tolist() == [1.0, 3.0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([("a", 1)], r"`dataset` must be a tf.data.Dataset"),
        (dataset(TEXTS), r"must have labels"),
        (dataset(TEXTS, [1, 0, 1]).repeat(), r"must end.*Leave out `.repeat\(\)`"),
        (dataset([1, 2], [1, 2]), r"must have elements \(text, label\)"),
        (dataset({"texts": TEXTS, "label": [1, 0, 1]}), r"the key 'text'.*mean 'texts'"),
        (dataset((TEXTS, TEXTS), [1, 0, 1]), r"must have elements \(text, label\)"),
        (dataset(TEXTS, [1, 0, 1]).take(0), r"empty data set"),
    ],
)
def test_what_cannot_be_read_is_refused(data, message):
    with pytest.raises(DataError, match=message):
        from_tf_dataset(data)
