"""The threshold of one class."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class ThresholdChoice:
    """The threshold of one class, and what it does.

    Args:
        class_name: The class that is predicted above the threshold.
        threshold: The class is predicted where its probability is above this, never where it is
            equal. It lies in the middle between two probabilities that occur.
        examples: How many of the examples are of the class.
        predicted: How many are predicted to be at this threshold: what its precision rests on.
        figures: Precision, recall, F1 and the metric at the threshold, on the examples that it was
            chosen on.
        at_half: The same figures at a threshold of 0.5.
        unseen: What to expect of other examples: the mean over the bootstrap draws of a threshold
            chosen on the draw and judged on the examples that are not in it. A little too low, for
            a draw holds 63% of the examples. Empty without draws. This is the leave-one-out
            bootstrap of Efron and Tibshirani, "Improvements on Cross-Validation: The .632+
            Bootstrap Method", JASA 92, 1997.
        intervals: The bootstrap intervals `(low, high)` of `figures`, the threshold held still.
        threshold_interval: The middle of the thresholds that the draws would have chosen.
        unreached: The share of draws in which no threshold reached the stated precision or recall;
            `unseen` and `threshold_interval` leave them out.
        curve: `"threshold"`, `"precision"`, `"recall"` and the metric, one point per threshold that
            divides the examples in another way, from the highest down; at most 1,000 of them.
        chosen: False where a label has no example, or is in all of them, so that nothing could be
            chosen: its threshold is 0.5.

    Example:
        >>> from kerasft.evaluation import choose_threshold
        >>> chosen = choose_threshold([0, 0, 1, 1], [0.1, 0.3, 0.4, 0.6], bootstrap=0)
        >>> choice = chosen.choices[0]
        >>> choice.class_name, round(choice.threshold, 2), choice.figures["recall"]
        ('1', 0.35, 1.0)
        >>> choice.at_half["recall"]
        0.5
    """

    class_name: str
    threshold: float
    examples: int
    predicted: int
    figures: dict[str, float]
    at_half: dict[str, float]
    unseen: dict[str, float] = dataclasses.field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    threshold_interval: tuple[float, float] | None = None
    unreached: float = 0.0
    curve: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)
    chosen: bool = True
