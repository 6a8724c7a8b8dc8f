"""The gap where the training data are evaluated as the validation data are."""

import keras
import numpy as np
import pytest

from kerasft.callbacks import GeneralizationGap


class Notes(keras.callbacks.Callback):
    """Evaluates by itself, independently."""

    def __init__(self, data):
        super().__init__()
        self.data = data
        self.figures = []

    def on_epoch_end(self, epoch, logs=None):
        figures = self.model.evaluate(*self.data, verbose=0, return_dict=True)
        self.figures.append(figures["accuracy"])


def test_training_data_are_evaluated_as_the_validation_data_are(kit):
    data = kit.data(count=40)
    notes = Notes(data)
    watching = GeneralizationGap(max_gap=0.9, train_data=data, verbose=0)
    history = (
        kit.tiny_model()
        .fit(
            *data,
            epochs=2,
            validation_data=kit.data(seed=1),
            callbacks=[watching, notes],
            verbose=0,
        )
        .history
    )
    assert history["train_accuracy"] == pytest.approx(notes.figures)
    expected = np.array(notes.figures) - np.array(history["val_accuracy"])
    assert history["accuracy_gap"] == pytest.approx(expected.tolist())
    assert history["train_accuracy"] != history["accuracy"]  # dropout, and a moving model


def test_evaluating_does_not_disturb_the_training(kit):
    data = kit.data()
    weights = []
    for train_data in (None, data):
        model = kit.tiny_model()
        model.fit(
            *data,
            epochs=2,
            validation_data=kit.data(seed=1),
            callbacks=[GeneralizationGap(max_gap=0.9, train_data=train_data, verbose=0)],
            verbose=0,
        )
        weights.append(model.get_weights())
    for without, with_it in zip(*weights, strict=True):
        assert np.array_equal(without, with_it)


def test_training_data_as_a_py_dataset(kit):
    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, index):
            x, y = kit.data()
            return x[index * 16 : index * 16 + 16], y[index * 16 : index * 16 + 16]

    histories = []
    for train_data in (Batches(), kit.data()):
        watching = GeneralizationGap(max_gap=0.9, train_data=train_data, verbose=0)
        history = kit.tiny_model().fit(
            *kit.data(), validation_data=kit.data(seed=1), callbacks=[watching], verbose=0
        )
        histories.append(history.history["train_accuracy"])
    assert histories[0] == pytest.approx(histories[1])
