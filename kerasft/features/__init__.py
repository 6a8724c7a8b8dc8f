"""Pay for the frozen part once: cut at the freeze boundary, compute, cache."""

from kerasft.features.cut import Cut, cut
from kerasft.features.feature_cache import FeatureCache

__all__ = ["Cut", "FeatureCache", "cut"]
