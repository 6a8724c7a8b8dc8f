"""How well and how fast `kerasft.data.audit` finds near duplicates.

Run it with `python tests/benchmarks/near_duplicates.py`. It takes 44,000 real texts (whole reviews
from IMDb, sentences from Rotten Tomatoes, and the human-rated snippets, most of which are the same
sentences in other spelling), plants edited copies of 6,000 of them, and looks for them:

- *recall*: the share of the planted copies that are found, by kind of edit and how much was edited;
- *found of the similar*: the share found of those copies that really are as similar as asked for,
  by Jaccard similarity computed with Python's sets: what is missing here, the search missed;
- *precision*: the share of all pairs reported that are planted, or that difflib, which knows
  nothing of windows of letters, finds alike (a ratio of at least 0.6 over the words);
- seconds and peak memory, above what the process held before.

"words replaced, 50%" are no near duplicates: what is found of them is wrong.
"""

import argparse
import difflib
import importlib
import re
import time
from pathlib import Path

import numpy as np

from kerasft._tables import text_table
from kerasft.data import audit
from kerasft.data.auditing._shingles import WINDOW, letters, plain

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def typos(text, rate, random, vocabulary):
    """Letters replaced, left out, doubled, or changed places with the next."""
    out = list(text)
    for place in np.flatnonzero(random.random(len(out)) < rate):
        kind = random.integers(4)
        if kind == 0:
            out[place] = LETTERS[random.integers(26)]
        elif kind == 1:
            out[place] = ""
        elif kind == 2:
            out[place] *= 2
        elif place + 1 < len(out):
            out[place], out[place + 1] = out[place + 1], out[place]
    return "".join(out)


def words_dropped(text, rate, random, vocabulary):
    """Words left out."""
    return " ".join(word for word in text.split() if random.random() >= rate)


def words_inserted(text, rate, random, vocabulary):
    """Words from other texts put in."""
    out = []
    for word in text.split():
        out += (
            [word, vocabulary[random.integers(len(vocabulary))]]
            if random.random() < rate
            else [word]
        )
    return " ".join(out)


def words_replaced(text, rate, random, vocabulary):
    """Words from other texts in the place of some."""
    return " ".join(
        vocabulary[random.integers(len(vocabulary))] if random.random() < rate else word
        for word in text.split()
    )


def cut_off(text, rate, random, vocabulary):
    """The end is missing."""
    return text[: max(1, round(len(text) * (1 - rate)))]


def sentences_swapped(text, rate, random, vocabulary):
    """Sentences in another order: as many exchanges as this share of them."""
    parts = re.split(r"(?<=[.!?])\s+", text)
    for _ in range(max(1, round(rate * len(parts)))):
        one, other = random.integers(len(parts), size=2)
        parts[one], parts[other] = parts[other], parts[one]
    return " ".join(parts)


def case_changed(text, rate, random, vocabulary):
    """Everything in capitals."""
    return text.upper()


def punctuation_changed(text, rate, random, vocabulary):
    """Another sign, or none, in the place of each sign."""
    return re.sub(r"[^\w\s]", lambda _: str(random.choice(["", "!", ",", ".", " - "])), text)


def spaces_changed(text, rate, random, vocabulary):
    """Line breaks and wider spaces."""
    return re.sub(r"\s", lambda _: str(random.choice([" ", "  ", "\n", "\u00a0"])), text)


EDITS = [
    (case_changed, 1.0),
    (spaces_changed, 1.0),
    (punctuation_changed, 1.0),
    *((typos, rate) for rate in (0.01, 0.02, 0.03, 0.05)),
    *((words_dropped, rate) for rate in (0.05, 0.1, 0.2)),
    *((words_inserted, rate) for rate in (0.05, 0.1, 0.2)),
    *((words_replaced, rate) for rate in (0.05, 0.1, 0.2, 0.5)),
    *((cut_off, rate) for rate in (0.1, 0.2, 0.3)),
    *((sentences_swapped, rate) for rate in (0.2, 1.0)),
]


def name_of(edit, rate):
    """`words dropped, 10%`."""
    name = edit.__name__.replace("_", " ")
    return (
        name
        if edit in (case_changed, spaces_changed, punctuation_changed)
        else (f"{name}, {rate:.0%}")
    )


def plant(texts, sources, random):
    """Edited copies of `texts[source]`, each kind of edit in turn; the copies and their kinds."""
    vocabulary = [word for text in texts[:2000] for word in text.split()]
    copies, kinds = [], []
    for number, source in enumerate(sources):
        edit, rate = EDITS[number % len(EDITS)]
        copies.append(edit(texts[source], rate, random, vocabulary) or "x")
        kinds.append(name_of(edit, rate))
    return copies, kinds


def similarity(one, other):
    """The Jaccard similarity, in the plainest way."""
    sets = []
    for text in (one, other):
        text = letters(plain(text))
        sets.append({text[at : at + WINDOW] for at in range(max(1, len(text) - WINDOW + 1))})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def groups_of(matches, count):
    """A group number for each text: equal where `matches` joins them."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(matches))
    graph = coo_matrix((ones, (matches["row"], matches["other_row"])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def measure(texts, sources, kinds, exact, threshold):
    """Look for what was planted behind `texts`; rows for the table, and figures of the whole."""
    first = len(texts) - len(sources)
    before = _reset_peak()
    start = time.perf_counter()
    report = audit((texts, [0] * len(texts)), similarity=threshold, progress=False)
    seconds, memory = time.perf_counter() - start, _peak() - before
    matches = report.matches
    groups = groups_of(matches, len(texts))
    found = groups[first:] == groups[sources]
    rows = []
    for kind in dict.fromkeys(kinds):
        mine = np.array([k == kind for k in kinds])
        rows.append((kind, int(mine.sum()), f"{found[mine].mean():.1%}"))
    return rows, {
        "seconds": seconds,
        "peak MB": memory,
        "pairs": len(matches),
        "found of the similar": found[exact >= threshold].mean(),
        "precision": _precision(texts, matches, first, sources, kinds),
    }


def _precision(texts, matches, first, sources, kinds):
    source_of = dict(zip(range(first, len(texts)), sources.tolist(), strict=True))
    wrong_kind = {first + n for n, kind in enumerate(kinds) if kind == "words replaced, 50%"}
    right = 0
    for match in matches:
        pair = (int(match["row"]), int(match["other_row"]))
        origins = {source_of.get(row, row) for row in pair}
        if len(origins) == 1:
            right += not wrong_kind & {*pair}
            continue
        words = [re.findall(r"[^\W_]+", texts[row].lower()) for row in pair]
        right += difflib.SequenceMatcher(None, *words, autojunk=False).ratio() >= 0.6
    return right / len(matches)


def _status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return float("nan")


def _reset_peak():
    """Forget the peak so far (Linux); what the process holds now, in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _peak():
    return _status("VmHWM")


def real_texts():
    """44,000 reviews and sentences."""
    import tensorflow_datasets as tfds

    from kerasft.data import from_tf_dataset

    importlib.import_module("kerasft.data.builders")  # makes the reviews known to tfds
    texts = []
    for name in (
        "movie_reviews/imdb",
        "movie_reviews/rotten_tomatoes",
        "movie_review_snippets/all",
    ):
        texts += from_tf_dataset(tfds.load(name, split="train", as_supervised=True)).texts
    return texts


def templated(count, random):
    """Texts from one template, each about 0.77 like every other: the hardest case for the clock."""
    words = [f"w{number:03x}" for number in range(4000)]
    lead = "dear customer your order has been shipped to the address in your account and will "
    lead += "arrive within three working days reference "
    return [lead + " ".join(random.choice(words, 4)) for _ in range(count)]


def main():
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--planted", type=int, default=6000, help="how many copies are planted")
    parser.add_argument("--similarity", type=float, nargs="+", default=[0.6, 0.7, 0.8])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    texts = real_texts()
    sources = random.choice(len(texts), args.planted, replace=False)
    copies, kinds = plant(texts, sources, random)
    texts += copies
    pairs = zip(sources, copies, strict=True)
    exact = np.array([similarity(texts[source], copy) for source, copy in pairs])
    measured = [measure(texts, sources, kinds, exact, threshold) for threshold in args.similarity]
    columns = ["edit", ">copies"]
    columns += [f">found at {threshold:g}" for threshold in args.similarity]
    rows = [
        [*parts[0][:2], *(part[2] for part in parts)]
        for parts in zip(*(rows for rows, _ in measured), strict=True)
    ]
    print(text_table(columns, rows, title=f"{len(texts):,} texts, {len(copies):,} of them planted"))
    print()
    figures = [
        "similarity",
        ">seconds",
        ">peak MB",
        ">pairs",
        ">found of the similar",
        ">precision",
    ]
    rows = [
        [f"{t:g}", f"{f['seconds']:.1f}", f"{f['peak MB']:.0f}", f["pairs"]]
        + [f"{f[name]:.2%}" for name in ("found of the similar", "precision")]
        for t, (_, f) in zip(args.similarity, measured, strict=True)
    ]
    print(text_table(figures, rows))
    many = templated(len(texts), random)
    before, start = _reset_peak(), time.perf_counter()
    audit((many, [0] * len(many)), progress=False)
    print(
        f"\n{len(many):,} texts from one template: {time.perf_counter() - start:.1f} seconds, "
        f"{_peak() - before:.0f} MB"
    )


if __name__ == "__main__":
    main()
