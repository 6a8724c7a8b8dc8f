"""scikit-learn's own estimator checks, on estimators whose texts are rows of numbers.

The checks feed matrices of numbers, and scikit-learn leaves all of them out for an estimator that
says it takes no matrices, which is what ours say. So here a subclass writes each row as a text and
says that it takes matrices; all else that is checked is the estimators' own.
"""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.validation import validate_data
from text_estimators import backbone_for_numbers

from kerasft.sklearn import TextClassifier, TextRegressor


class RowsAsTexts:
    """Texts of the numbers in each row of a matrix, after scikit-learn's own look at it."""

    def _texts(self, X):  # noqa: N803
        X = validate_data(self, X, reset=not hasattr(self, "_learned"), dtype="float64")
        return super()._texts([" ".join(f"{value:.3f}" for value in row) for row in X])

    def fit(self, X, y, sample_weight=None):  # noqa: N803
        vars(self).pop("_learned", None)
        return super().fit(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        for kind in (tags.classifier_tags, tags.regressor_tags):
            if kind is not None:
                kind.poor_score = (
                    True  # one epoch is for speed; the other tests show that it learns
                )
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags


class ClassifierOfRows(RowsAsTexts, TextClassifier):
    def __init__(self, backbone=backbone_for_numbers, *, epochs=1, learning_rate=0.1,
                 class_weight=None, batch_size=256, random_state=None):  # fmt: skip
        super().__init__(
            backbone, epochs=epochs, learning_rate=learning_rate, class_weight=class_weight,
            batch_size=batch_size, random_state=random_state, sequence_length=24,
        )  # fmt: skip


class RegressorOfRows(RowsAsTexts, TextRegressor):
    def __init__(self, backbone=backbone_for_numbers, *, epochs=1, learning_rate=0.1,
                 batch_size=256, random_state=None):  # fmt: skip
        super().__init__(
            backbone, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size,
            random_state=random_state, sequence_length=24,
        )  # fmt: skip


# Every check that is left out, and why.
LEFT_OUT = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a text of weight 2 is one row of a batch, and a text that is there twice is two: training "
        "in batches, in a random order, tells them apart, as every such training does"
    ),
    "check_methods_subset_invariance": (
        "it asks for equality to 1e-7, and a float32 sum over a batch of another size differs by "
        "5e-7; test_text_classifier.py looks at it with a tolerance of float32"
    ),
}
# What takes longer than the others; `--slow` runs it.
LONG = {
    "check_class_weight_classifiers",
    "check_classifier_data_not_an_array",
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_estimators_dtypes",
    "check_estimators_nan_inf",
    "check_estimators_overwrite_params",
    "check_f_contiguous_array_estimator",
    "check_pipeline_consistency",
    "check_regressor_data_not_an_array",
    "check_regressors_train",
    "check_supervised_y_2d",
}


def checks():
    for estimator in (ClassifierOfRows(), RegressorOfRows()):
        kind = type(estimator)
        for number, (one, check) in enumerate(estimator_checks_generator(estimator)):
            name = check.func.__name__
            if name in LEFT_OUT:
                continue
            # The two share all but a few lines: what one passes quickly, the other passes slowly.
            again = kind is RegressorOfRows and "regressor" not in name
            marks = [pytest.mark.slow] if name in LONG or again else []
            yield pytest.param(one, check, id=f"{kind.__name__}-{name}-{number}", marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_check(estimator, check):
    check(estimator)


def test_what_is_left_out_is_still_a_check_of_theirs():
    estimators = ClassifierOfRows(), RegressorOfRows()
    names = {c.func.__name__ for e in estimators for _, c in estimator_checks_generator(e)}
    assert names >= {*LEFT_OUT} | LONG
