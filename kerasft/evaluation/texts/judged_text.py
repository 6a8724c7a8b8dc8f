"""One generated text beside its reference."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class JudgedText:
    """One generated text beside its reference.

    Args:
        index: Its row in what was evaluated.
        reference: What it should have been; of several references the first.
        hypothesis: What the model wrote.
        bleu: Its own BLEU, from 0 to 100, over as many n-gram orders as it has words for.
        input: What the model was given, or None if not known.

    Example:
        >>> from kerasft.evaluation import JudgedText
        >>> JudgedText(3, "The cat sat.", "The dog sat.", 31.9).hypothesis
        'The dog sat.'
    """

    index: int
    reference: str
    hypothesis: str
    bleu: float
    input: str | None = None
