"""How long texts are, in words or in a model's tokens, and how much of them would be cut."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from kerasft._progress import in_parts, progress
from kerasft.data.auditing._splits import Split
from kerasft.data.auditing._wording import percent, share
from kerasft.data.auditing.finding import Finding
from kerasft.data.preprocessor import Preprocessor

_PART = 1000
_SHOW_PROGRESS_FROM = 4000
_MANY_CUT = 0.05


def word_lengths(split: Split) -> np.ndarray:
    """The number of words of each text that can be used."""
    return np.array([len(text.split()) for text in split.texts if text], dtype=int)


def token_lengths(split: Split, preprocessor: Preprocessor, show: bool) -> tuple[np.ndarray, bool]:
    """The number of tokens of each text that can be used, and whether nothing was cut from them.

    A preprocessor with a tokenizer, as `kerasft.backbones.TextPreprocessor` has one, is asked for
    all tokens. Another one only tells what is left after its cut.
    """
    texts = [text for text in split.texts if text]
    tokenizer: Any = getattr(preprocessor, "tokenizer", None)
    whole = all(hasattr(tokenizer, name) for name in ("encode_batch", "prefix_ids", "suffix_ids"))
    special = len(tokenizer.prefix_ids) + len(tokenizer.suffix_ids) if whole else 0
    encode = tokenizer.encode_batch if whole else preprocessor.encode
    lengths: list[int] = []
    show_from = _SHOW_PROGRESS_FROM if show else len(texts) + 1
    parts = in_parts(texts, _PART)
    for part in progress(parts, f"Tokenizing {split.name}", len(texts), show_from, _PART):
        lengths += [len(ids) + special for ids in encode(part)]
    return np.array(lengths, dtype=int), whole


def length_findings(
    splits: Sequence[Split],
    lengths: Sequence[np.ndarray],
    limit: int | None,
    unit: str,
    whole: bool,
) -> Iterator[Finding]:
    """What a model that takes `limit` tokens would not see."""
    everything = np.concatenate(lengths)
    if limit is None or not len(everything):
        return
    names = tuple(split.name for split in splits)
    if not whole:
        at_limit = int((everything >= limit).sum())
        if at_limit:
            yield Finding(
                "cut_texts",
                _level(at_limit / len(everything)),
                f"{share(at_limit, len(everything), 'texts')} fill all {limit:,} {unit}, so most "
                "of them were probably cut. By how much, this preprocessor does not tell.",
                {"texts": at_limit, "share": at_limit / len(everything)},
                remedy="Try a larger sequence_length.",
                splits=names,
            )
        return
    longer = everything > limit
    if not longer.any():
        return
    lost = int((everything[longer] - limit).sum())
    fraction = float(longer.mean())
    parts = [
        (name, int((own > limit).sum()), len(own)) for name, own in zip(names, lengths, strict=True)
    ]
    by_split = ", ".join(f"{name} {percent(cut / max(1, count))}" for name, cut, count in parts)
    enough = {q: int(np.ceil(np.quantile(everything, q))) for q in (0.95, 0.99)}
    yield Finding(
        "cut_texts",
        _level(fraction),
        f"{share(int(longer.sum()), len(everything), 'texts')} are longer than {limit:,} {unit} "
        f"({by_split}): {lost:,} {unit}, {percent(lost / int(everything.sum()))} of all, would not "
        f"be seen. The longest text has {int(everything.max()):,}.",
        {
            "texts": int(longer.sum()),
            "share": fraction,
            "lost": lost,
            "lost_share": lost / int(everything.sum()),
            "longest": int(everything.max()),
            "enough_for_95_percent": enough[0.95],
            "enough_for_99_percent": enough[0.99],
        },
        remedy=f"{enough[0.95]:,} {unit} are enough for 95% of the texts, and {enough[0.99]:,} for "
        "99%. "
        + (
            "truncation='both_ends' keeps the end of what is cut."
            if unit == "tokens"
            else "A model's tokens are more than the words."
        ),
        splits=names,
    )


def _level(fraction: float) -> str:
    return "warning" if fraction >= _MANY_CUT else "note"
