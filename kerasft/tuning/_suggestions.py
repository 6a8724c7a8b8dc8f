"""What the curve of a learning-rate range test says: arrays in, places and doubts out."""

from typing import NamedTuple

import numpy as np

# A curve of fewer losses says nothing.
FEWEST = 10
# How many standard errors the fall must have: pure noise has one so deep in 3 of 100 searches.
_NOISE = 3.0
_LITTLE_MORE_THAN_NOISE = 4.5


def smooth(losses: np.ndarray, smoothing: float) -> np.ndarray:
    """A mean over the losses around each, of which one k steps away weighs `smoothing ** k`.

    It looks both ways, so that nothing shifts to higher rates, as it does in a running mean. A
    loss that explodes would be felt far before its place, so none counts as more than is ever
    seen at the lowest rates, or than as far above their mean as the lowest loss lies below.
    """
    return _weights(len(losses), smoothing) @ capped(losses)


def capped(losses: np.ndarray) -> np.ndarray:
    """The losses, with those that exploded brought down to where they are still seen."""
    start = losses[: _start_size(losses)]
    mirrored = start.mean() + abs(start.mean() - losses.min())
    return np.minimum(losses, max(start.max(), mirrored))


class Fall(NamedTuple):
    """How far the smoothed loss falls.

    Attributes:
        start: The mean loss at the lowest rates.
        lowest: The lowest smoothed loss.
        place: The step of the lowest.
        errors: The difference in standard errors of the noise from step to step.
        start_steps: How many steps stand for the start.
    """

    start: float
    lowest: float
    place: int
    errors: float
    start_steps: int

    @property
    def is_real(self) -> bool:
        """Whether it is more than noise, and comes after the steps that stand for the start."""
        return self.errors > _NOISE and self.place >= self.start_steps

    @property
    def is_faint(self) -> bool:
        """Whether it is little more than noise."""
        return self.errors < _LITTLE_MORE_THAN_NOISE


def find_fall(losses: np.ndarray, smoothing: float) -> Fall:
    """Compare the lowest smoothed loss with the losses at the lowest rates."""
    weights = _weights(len(losses), smoothing)
    seen = capped(losses)
    smoothed = weights @ seen
    place = int(smoothed.argmin())
    size = _start_size(losses)
    start = float(seen[:size].mean())
    # Neighbours differ by noise and hardly by trend; after the minimum they differ by explosion.
    before = seen[: max(place + 1, len(seen) // 2, size)]
    variance = float((np.diff(before) ** 2).mean()) / 2.0 if len(before) > 1 else 0.0
    error = np.sqrt(variance * (float((weights[place] ** 2).sum()) + 1.0 / size))
    drop = start - float(smoothed[place])
    rounding = 1e-9 * max(abs(start), abs(float(smoothed[place])))
    errors = drop / max(error, 1e-12 * abs(drop)) if drop > rounding else 0.0
    return Fall(start, float(smoothed[place]), place, float(errors), size)


def valley(smoothed: np.ndarray) -> int:
    """The step in the middle of the longest fall.

    As fastai's `valley` finds it: the longest decreasing subsequence of the losses, counted back
    from its end as if it had no gaps; theirs then takes the middle, which was ESRI's rule.
    """
    length = np.ones(len(smoothed), dtype=int)
    for index in range(1, len(smoothed)):
        higher = smoothed[:index] > smoothed[index]
        if higher.any():
            length[index] = length[:index][higher].max() + 1
    end = int(length.argmax())
    start = end - int(length[end]) + 1
    return (start + end) // 2


def steepest(rates: np.ndarray, smoothed: np.ndarray) -> int:
    """The step, up to the lowest loss, at which it falls fastest by the logarithm of the rate."""
    place = int(smoothed.argmin())
    slopes = np.gradient(smoothed, np.log(rates))
    return int(slopes[: place + 1].argmin())


def _weights(size: int, smoothing: float) -> np.ndarray:
    apart = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    weights = np.power(float(smoothing), apart)
    return weights / weights.sum(axis=1, keepdims=True)


def _start_size(losses: np.ndarray) -> int:
    """A tenth of the steps stand for the start, where the rate is too low to do anything."""
    return min(len(losses), max(3, len(losses) // 10))
