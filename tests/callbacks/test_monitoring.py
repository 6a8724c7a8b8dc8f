import keras
import pytest

from kerasft.callbacks._monitoring import compiled_metrics, higher_is_better, metric_of

pytestmark = pytest.mark.core


def score(y, p):
    return keras.ops.mean(p)


@pytest.fixture(scope="module")
def model(kit):
    metrics = ["accuracy", "mae", score, keras.metrics.F1Score(name="accuracy_of_f1")]
    model = kit.tiny_model(metrics=metrics)
    model.evaluate(*kit.data(), verbose=0)
    return model


def test_metrics_inside_containers_are_found(model):
    names = {metric.name for metric in compiled_metrics(model)}
    assert {"loss", "accuracy", "mae", "score", "accuracy_of_f1"} <= names


@pytest.mark.parametrize("prefix", ["", "val_", "mood_", "val_mood_"])
@pytest.mark.parametrize(
    ("name", "upwards"),
    [
        ("accuracy", True),
        ("mae", False),
        ("accuracy_of_f1", True),
        ("loss", False),
        ("score", None),
    ],
)
def test_direction(model, name, upwards, prefix):
    assert higher_is_better(model, prefix + name) is upwards


def test_unknown_names(model):
    assert metric_of(model, "accurac") is None
    assert higher_is_better(model, "accurac") is None


@pytest.mark.parametrize("name", ["accuracy", "mae", "loss", "accuracy_of_f1"])
def test_agrees_with_keras_where_keras_knows(model, name):
    theirs = keras.callbacks.EarlyStopping(monitor=f"val_{name}")
    theirs.set_model(model)
    theirs.on_train_begin()
    theirs.on_epoch_end(0, {f"val_{name}": 0.5})
    theirs.on_epoch_end(1, {f"val_{name}": 0.75})
    assert (theirs.best == 0.75) is higher_is_better(model, f"val_{name}")
