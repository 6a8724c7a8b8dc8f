"""kerasft: the fine-tuning library for Keras 3.

Small classes for your own `model.fit` scripts: load a pretrained `Backbone`, attach a head, freeze
what should not change, group texts by length, stop before it overfits, and see in words whether
the result is any good. What you get is always a plain `keras.Model`.
"""

import importlib
from typing import TYPE_CHECKING, Any

# What Keras must know to load a saved model is here from the start.
from kerasft import errors, freezing, heads, optimizers, select, structure
from kerasft.freezing import (
    FreezePolicy,
    Plan,
    TrainBiases,
    TrainEverything,
    TrainGradually,
    TrainHead,
    TrainHeadThenEverything,
    TrainLastBlocks,
    TrainLastLayers,
    TrainNorms,
    TrainSelected,
)
from kerasft.heads import ClassificationHead, Head, RegressionHead

if TYPE_CHECKING:
    from kerasft import (
        backbones,
        callbacks,
        data,
        evaluation,
        features,
        sklearn,
        sources,
        testing,
        tuning,
    )
    from kerasft.backbones import Backbone
    from kerasft.features import FeatureCache
    from kerasft.saving import load_model
    from kerasft.tuning import evaluate, find_learning_rate

__version__ = "0.1.0"

__all__ = [
    "Backbone",
    "ClassificationHead",
    "FeatureCache",
    "FreezePolicy",
    "Head",
    "Plan",
    "RegressionHead",
    "TrainBiases",
    "TrainEverything",
    "TrainGradually",
    "TrainHead",
    "TrainHeadThenEverything",
    "TrainLastBlocks",
    "TrainLastLayers",
    "TrainNorms",
    "TrainSelected",
    "backbones",
    "callbacks",
    "data",
    "errors",
    "evaluate",
    "evaluation",
    "features",
    "find_learning_rate",
    "freezing",
    "heads",
    "load_model",
    "optimizers",
    "select",
    "sklearn",
    "sources",
    "structure",
    "testing",
    "tuning",
]

# The rest loads when it is used, so that `import kerasft` stays quick as it grows.
_MODULES_WHEN_USED = (
    "backbones",
    "callbacks",
    "data",
    "evaluation",
    "features",
    "sklearn",
    "sources",
    "testing",
    "tuning",
)
_NAMES_WHEN_USED = {
    "Backbone": "kerasft.backbones",
    "FeatureCache": "kerasft.features",
    "evaluate": "kerasft.tuning",
    "find_learning_rate": "kerasft.tuning",
    "load_model": "kerasft.saving",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES_WHEN_USED:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _NAMES_WHEN_USED:
        return getattr(importlib.import_module(_NAMES_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES_WHEN_USED, *_NAMES_WHEN_USED})
