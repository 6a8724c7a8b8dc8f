"""`clear_shared`: give back the memory that estimators share."""

from kerasft.sklearn._backbones import forget_backbones
from kerasft.sklearn._feature_pool import forget_features


def clear_shared() -> None:
    """Forget the backbones and the features that the estimators of this process share.

    Estimators load a backbone once per process, and keep the features that its frozen front gave
    for each text, so that a grid over heads, rates and folds runs it once per text. That stays in
    memory for the next fit. What lies in a `cache_directory` stays there.

    Example:
        >>> import kerasft
        >>> kerasft.sklearn.clear_shared()
    """
    forget_backbones()
    forget_features()
