"""kerasft: the fine-tuning library for Keras 3.

Small classes for your own `model.fit` scripts: load a pretrained `Backbone`, attach a head, freeze
what should not change, group texts by length, stop before it overfits, and see in words whether
the result is any good. What you get is always a plain `keras.Model`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kerasft import (
    backbones,
    callbacks,
    data,
    errors,
    features,
    freezing,
    heads,
    optimizers,
    select,
    sources,
    structure,
)
from kerasft.backbones import Backbone
from kerasft.features import FeatureCache
from kerasft.freezing import (
    FreezePolicy,
    Plan,
    TrainEverything,
    TrainHead,
    TrainLastBlocks,
    TrainLastLayers,
    TrainSelected,
)
from kerasft.heads import ClassificationHead, Head, RegressionHead
from kerasft.saving import load_model

if TYPE_CHECKING:
    from kerasft import evaluation, testing
    from kerasft.tuning import evaluate

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "ClassificationHead",
    "FeatureCache",
    "FreezePolicy",
    "Head",
    "Plan",
    "RegressionHead",
    "TrainEverything",
    "TrainHead",
    "TrainLastBlocks",
    "TrainLastLayers",
    "TrainSelected",
    "backbones",
    "callbacks",
    "data",
    "errors",
    "evaluate",
    "evaluation",
    "features",
    "freezing",
    "heads",
    "load_model",
    "optimizers",
    "select",
    "sources",
    "structure",
    "testing",
]

# What is wanted at the end of a script, or in tests only, loads when it is used.
_MODULES_WHEN_USED = ("evaluation", "testing")
_NAMES_WHEN_USED = {"evaluate": "kerasft.tuning"}


def __getattr__(name: str) -> Any:
    if name in _MODULES_WHEN_USED:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES_WHEN_USED:
        return getattr(importlib.import_module(_NAMES_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES_WHEN_USED, *_NAMES_WHEN_USED})
