"""Generated texts against references."""

from kerasft.evaluation.texts.evaluate_texts import evaluate_texts
from kerasft.evaluation.texts.judged_text import JudgedText
from kerasft.evaluation.texts.text_report import TextReport

__all__ = ["JudgedText", "TextReport", "evaluate_texts"]
