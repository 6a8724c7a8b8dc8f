"""Reports and comparisons as text, Markdown and HTML."""

from kerasft.evaluation.rendering.comparison_document import comparison_document
from kerasft.evaluation.rendering.files import write_whole
from kerasft.evaluation.rendering.html import as_fragment, as_page
from kerasft.evaluation.rendering.markdown import as_markdown
from kerasft.evaluation.rendering.report_document import report_document
from kerasft.evaluation.rendering.text import as_rich, as_text

__all__ = [
    "as_fragment",
    "as_markdown",
    "as_page",
    "as_rich",
    "as_text",
    "comparison_document",
    "report_document",
    "write_whole",
]
