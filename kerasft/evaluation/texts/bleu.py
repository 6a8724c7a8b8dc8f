"""BLEU, as sacrebleu counts it; sacrebleu is imported when a text is first counted."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasft._checks import require

# sacrebleu has more, some of which fetch models from the network or need other packages.
TOKENIZERS = ("13a", "intl", "zh", "char", "none")
ORDERS = 4


class Counts(NamedTuple):
    """What sacrebleu counted.

    | field | what |
    |---|---|
    | `statistics` | int64 `(texts, 10)`: length, length of the reference, matches, n-grams |
    | `scores` | float64 `(texts,)`, the BLEU of each text by itself |
    | `signature` | how it was counted, in sacrebleu's own words |
    """

    statistics: np.ndarray
    scores: np.ndarray
    signature: str


def count(
    references: Sequence[Sequence[str]], hypotheses: Sequence[str], tokenize: str, lowercase: bool
) -> Counts:
    """Count the n-grams of every text.

    Short texts have no n-grams of the higher orders, so each text's own score leaves those out that
    it has no words for (the effective order); the score of all texts together does not.
    """
    options = {"lowercase": lowercase, "tokenize": tokenize, "force": True}
    each = _sacrebleu().BLEU(**options, effective_order=True)
    found = [
        each.sentence_score(hypothesis, list(of_one))
        for hypothesis, of_one in zip(hypotheses, references, strict=True)
    ]
    statistics = [[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in found]
    together = _sacrebleu().BLEU(**options)
    together.num_refs = len(references[0]) if len({len(r) for r in references}) == 1 else -1
    return Counts(
        np.array(statistics, dtype=np.int64),
        np.array([one.score for one in found]),
        str(together.get_signature()),
    )


def figures(statistics: np.ndarray) -> dict[str, float]:
    """The figures of all texts together, from the sums `(10,)` of their statistics."""
    length, reference_length, *rest = (int(value) for value in statistics)
    score = _sacrebleu().BLEU.compute_bleu(
        rest[:ORDERS], rest[ORDERS:], length, reference_length, smooth_method="exp"
    )
    return {
        "bleu": float(score.score),
        **{f"precision_{n}": float(value) for n, value in enumerate(score.precisions, 1)},
        "brevity_penalty": float(score.bp),
        "length_ratio": length / reference_length,
    }


def _sacrebleu() -> Any:
    return require("sacrebleu.metrics", "sacrebleu", "BLEU")
