"""McNemar's test of two classifiers on the same examples."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class McNemar:
    """McNemar's exact test: could both be equally often right, given where they differ?

    Of the examples on which exactly one of the two is right, each has half under that
    hypothesis; `p_value` is the two-sided binomial probability of a split at least as uneven.

    Reference: McNemar, "Note on the sampling error of the difference between correlated
    proportions or percentages", Psychometrika 12, 1947; recommended for classifiers by
    Dietterich, "Approximate Statistical Tests", Neural Computation 10, 1998.

    Args:
        only_first: How many examples only the first model has right.
        only_second: How many examples only the second model has right.
        p_value: 1 where they never differ.

    Example:
        >>> import numpy as np
        >>> from kerasft.evaluation.mcnemar import McNemar
        >>> first, second = np.array([1, 1, 1, 1, 0], bool), np.array([0, 0, 0, 1, 0], bool)
        >>> McNemar.of(first, second)
        McNemar(only_first=3, only_second=0, p_value=0.25)
    """

    only_first: int
    only_second: int
    p_value: float

    @classmethod
    def of(cls, first_right: np.ndarray, second_right: np.ndarray) -> "McNemar":
        """The test on two bool arrays `(examples,)` that say which examples each has right."""
        from scipy.stats import binomtest

        only_first = int((first_right & ~second_right).sum())
        only_second = int((second_right & ~first_right).sum())
        differing = only_first + only_second
        p_value = float(binomtest(only_first, differing, 0.5).pvalue) if differing else 1.0
        return cls(only_first, only_second, p_value)
