"""Reports and comparisons as text, Markdown and HTML."""

from kerasft.evaluation.rendering.comparison_document import comparison_document
from kerasft.evaluation.rendering.files import read_json, save_in_form, write_whole
from kerasft.evaluation.rendering.html import as_fragment
from kerasft.evaluation.rendering.report_document import report_document
from kerasft.evaluation.rendering.temperature_document import temperature_document
from kerasft.evaluation.rendering.text import as_rich, as_text
from kerasft.evaluation.rendering.text_document import text_document
from kerasft.evaluation.rendering.thresholds_document import thresholds_document

__all__ = [
    "as_fragment",
    "as_rich",
    "as_text",
    "comparison_document",
    "read_json",
    "report_document",
    "save_in_form",
    "temperature_document",
    "text_document",
    "thresholds_document",
    "write_whole",
]
