"""Estimators for scikit-learn round a pretrained model: texts in, grids and folds as usual."""

from kerasft.sklearn.shared import clear_shared
from kerasft.sklearn.text_classifier import TextClassifier
from kerasft.sklearn.text_regressor import TextRegressor

__all__ = ["TextClassifier", "TextRegressor", "clear_shared"]
