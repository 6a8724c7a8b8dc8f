"""scikit-learn's own tools on texts, each run for real."""

import joblib
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
    learning_curve,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from text_estimators import RAN, Words, bert_for_words, new_bert, note_what_runs, reviews

from kerasft.errors import DataError
from kerasft.sklearn import TextClassifier, TextRegressor

TEXTS, NUMBERS = reviews()
LABELS = np.array(["bad", "good"])[NUMBERS]
DISTINCT = len({tuple(ids) for ids in Words().encode(TEXTS)})
# A computation begins with its shortest text, twice.
PROBES = 2


def noting_bert():
    return note_what_runs(new_bert())


def classifier(backbone=bert_for_words, **arguments):
    usual = {"learning_rate": 0.1, "epochs": 3, "batch_size": 16, "random_state": 0}
    return TextClassifier(backbone, **{**usual, **arguments})


def test_a_grid_over_heads_and_rates_runs_the_backbone_once_per_text():
    grid = {"dropout": [0.0, 0.3], "hidden_units": [None, 4], "learning_rate": [0.1]}
    search = GridSearchCV(classifier(noting_bert, epochs=2), grid, cv=2).fit(TEXTS, LABELS)
    assert len(search.cv_results_["params"]) == 4
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()
    assert set(search.predict(TEXTS)) <= {"bad", "good"}
    # Eight fits and a ninth, and as many predictions: two computations, a fold in each.
    assert DISTINCT <= len(RAN) <= DISTINCT + 2 * PROBES


def test_cross_validation():
    scores = cross_val_score(
        classifier(noting_bert, epochs=8), TEXTS, LABELS, cv=2, error_score="raise"
    )
    assert scores.shape == (2,)
    assert scores.mean() > 0.7
    assert len(RAN) <= DISTINCT + 2 * PROBES


def test_learning_curves():
    sizes, train, valid = learning_curve(
        classifier(), TEXTS, LABELS, cv=2, train_sizes=[0.5, 1.0], error_score="raise"
    )
    assert sizes.tolist() == [6, 12]
    assert train.shape == valid.shape == (2, 2)


def test_calibration():
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(TEXTS, LABELS)
    proba = calibrated.predict_proba(TEXTS)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    assert calibrated.classes_.tolist() == ["bad", "good"]


def test_a_tuned_threshold():
    tuned = TunedThresholdClassifierCV(classifier(), cv=2, scoring="balanced_accuracy")
    tuned.fit(TEXTS, LABELS)
    assert 0 <= tuned.best_threshold_ <= 1
    assert set(tuned.predict(TEXTS)) <= {"bad", "good"}


def test_a_pipeline_and_a_file(tmp_path):
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipeline = Pipeline([("lower", lower), ("classify", classifier(epochs=1))])
    shouted = [text.upper() for text in TEXTS]
    pipeline.fit(shouted, LABELS, classify__sample_weight=np.ones(len(TEXTS)))
    proba = pipeline.predict_proba(shouted)
    joblib.dump(pipeline["classify"], tmp_path / "classifier.joblib")
    loaded = joblib.load(tmp_path / "classifier.joblib")
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), proba)
    pipeline.set_params(classify__hidden_units=3)
    assert pipeline["classify"].hidden_units == 3


def test_a_regressor():
    ratings = np.where(NUMBERS, 30.0, 10.0)
    regressor = TextRegressor(
        bert_for_words, learning_rate=0.1, epochs=10, batch_size=16, random_state=0
    )
    scaled = TransformedTargetRegressor(regressor, transformer=StandardScaler())
    fitted = scaled.fit(TEXTS, ratings)
    assert fitted.score(TEXTS, ratings) > 0.5
    assert fitted.predict(TEXTS).shape == (len(TEXTS),)
    own = fitted.regressor_
    again = joblib.hash(own.predict(TEXTS))
    assert joblib.hash(own.predict(TEXTS)) == again
    with pytest.raises(DataError, match=r"`y` must hold one number per text. Received: 'a'"):
        regressor.fit(TEXTS[:2], ["a", "b"])
