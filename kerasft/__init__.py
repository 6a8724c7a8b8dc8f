"""kerasft: the fine-tuning library for Keras 3.

Small classes for your own `model.fit` scripts: load a pretrained `Backbone`, attach a head, freeze
what should not change, group texts by length, stop before it overfits, and see in words whether
the result is any good. What you get is always a plain `keras.Model`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from kerasft import callbacks, data, errors, freezing, heads, optimizers, select
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
    from kerasft import evaluation
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
    "callbacks",
    "data",
    "errors",
    "evaluate",
    "evaluation",
    "freezing",
    "heads",
    "load_model",
    "optimizers",
    "select",
]

# Reports are wanted at the end of a script, not at its beginning: these load when used.
_WHEN_USED = {"evaluate": "kerasft.tuning", "evaluation": None}


def __getattr__(name: str) -> Any:
    if name not in _WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _WHEN_USED[name]
    if home is None:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_WHEN_USED})
