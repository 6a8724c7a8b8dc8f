"""Pretrained models: load one, prepare its inputs, put a head on it."""

from kerasft.backbones.backbone import Backbone
from kerasft.backbones.image_preprocessor import ImagePreprocessor
from kerasft.backbones.text_preprocessor import TextPreprocessor

__all__ = ["Backbone", "ImagePreprocessor", "TextPreprocessor"]
