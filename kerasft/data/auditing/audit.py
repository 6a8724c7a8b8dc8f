"""`audit`: is a data set fit to train on and to be judged by?"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasft._checks import check_bool, check_int, check_number, check_type
from kerasft.data._labels import check_class_names
from kerasft.data.auditing._audited import Audited
from kerasft.data.auditing._class_findings import class_findings
from kerasft.data.auditing._copies import find_copies
from kerasft.data.auditing._copy_findings import copy_findings
from kerasft.data.auditing._labels import Labels, read_labels
from kerasft.data.auditing._lengths import length_findings, token_lengths, word_lengths
from kerasft.data.auditing._row_findings import label_findings, text_findings
from kerasft.data.auditing._splits import Split, read_splits
from kerasft.data.auditing.audit_report import AuditReport
from kerasft.data.auditing.finding import LEVELS, Finding
from kerasft.data.class_weights import class_weights
from kerasft.data.preprocessor import Preprocessor
from kerasft.errors import DataError

# What stops training, then what spoils its figures, then what it could do better with.
_ORDER = (
    "class_names_differ",
    "label_types",
    "labels_out_of_range",
    "fractional_labels",
    "unknown_labels",
    "missing_labels",
    "missing_texts",
    "blank_texts",
    "broken_texts",
    "leak",
    "contradictions",
    "absent_class",
    "constant_label",
    "float_labels",
    "class_spelling",
    "imbalance",
    "repeats",
    "cut_texts",
)


def audit(
    train: Any,
    validation: Any = None,
    test: Any = None,
    *,
    preprocessor: Preprocessor | None = None,
    sequence_length: int | None = None,
    similarity: float | None = 0.7,
    num_classes: int | None = None,
    class_names: Sequence[str] | None = None,
    progress: bool = True,
) -> AuditReport:
    """Look through a data set before it is used, and say what is wrong and what to do.

    It finds texts that are in two splits, or twice in one, word for word or nearly so; texts that
    have another label elsewhere; texts and labels that cannot be used, and labels of mixed types;
    classes that are rare, or missing from a split; and how many tokens a model would not see. What
    should be dropped it can drop: `report.cleaned()`.

    *Word for word* means equal but for case, whitespace and Unicode's forms of one letter (NFKC).
    *Nearly so* means that of all windows of five letters that two texts have, punctuation aside,
    both have at least the share `similarity` (their Jaccard similarity). Pairs are looked for by
    MinHash and locality-sensitive hashing, which find a pair that is just as similar as asked
    with a probability of 0.99, and each is checked exactly.

    Unusable rows are reported and not refused, other than everywhere else in kerasft.

    Args:
        train: What is trained on: `Examples`; `(texts, labels)` or `(texts, labels,
            sample_weight)`; a `tf.data.Dataset`; or a dict of all splits by name, in the order
            training, validation, test.
        validation: What choices are made by, in the same forms, or None.
        test: What the result is judged by, in the same forms, or None.
        preprocessor: What will turn texts into a model's inputs: then tokens are counted.
        sequence_length: How many tokens a text may have; by default as many as the preprocessor
            leaves. Without a preprocessor, how many words.
        similarity: From which similarity on texts count as nearly the same, from 0.5 to 1; None to
            look for exact copies only.
        num_classes: How many classes there are; 1 means one logit, whose labels are 0 and 1. By
            default as many as the labels show.
        class_names: The names of the classes in order.
        progress: Whether to show progress bars where there are many texts.

    Returns:
        The `AuditReport`.

    Raises:
        DataError: no texts, or labels of another length.
        ArgumentError: another argument breaks its rule.

    Example:
        >>> from kerasft.data import audit
        >>> train = ["The plot is thin.", "A joy from start to end.", "I slept.", "I slept."]
        >>> report = audit((train, [0, 1, 0, 1]), test=(["A joy from start to end!!"], [1]))
        >>> for finding in report.findings:
        ...     print(finding.level, finding.name, finding.splits)
        bad leak ('train', 'test')
        bad contradictions ('train',)
        warning absent_class ('test',)
        >>> report.cleaned(contradictions=True)["train"].texts
        ['The plot is thin.']

    Reference:
        Lee et al., "Deduplicating Training Data Makes Language Models Better", ACL 2022,
        https://arxiv.org/abs/2107.06499, for what copies do; Broder, "On the Resemblance and
        Containment of Documents", SEQUENCES 1997, for MinHash.
    """
    names = _check(preprocessor, sequence_length, similarity, num_classes, class_names)
    check_bool("progress", progress)
    splits = read_splits(train, validation, test)
    labels = read_labels(splits, num_classes, names)
    usable = [split.has_text for split in splits]
    numbers, tolerance = labels.as_numbers()
    copies = find_copies(splits, numbers, tolerance, similarity, progress)
    words = [word_lengths(split) for split in splits]
    unit, whole, lengths = "words", True, words
    if preprocessor is not None:
        unit, lengths = "tokens", []
        for split in splits:
            own, whole = token_lengths(split, preprocessor, progress)
            lengths.append(own)
        sequence_length = sequence_length or preprocessor.sequence_length
    findings = [
        *text_findings(splits),
        *label_findings(splits, labels),
        *copy_findings(splits, copies, similarity),
        *class_findings(splits, labels, usable),
        *length_findings(splits, lengths, sequence_length, unit, whole),
    ]
    return AuditReport(
        tuple(sorted(findings, key=_severity)),
        _sizes(splits, labels, {"words": words} | {unit: lengths}),
        _class_counts(splits, labels, usable),
        _weights(labels, usable[0]),
        similarity,
        labels.task,
        Audited(splits, labels, copies),
    )


def _check(
    preprocessor: Any, sequence_length: Any, similarity: Any, num_classes: Any, class_names: Any
) -> tuple[str, ...] | None:
    if preprocessor is not None:
        check_type("preprocessor", preprocessor, Preprocessor, "a kerasft.data.Preprocessor")
    if sequence_length is not None:
        check_int("sequence_length", sequence_length, minimum=1)
    if similarity is not None:
        check_number("similarity", similarity, minimum=0.5, maximum=1)
    names = check_class_names(class_names)
    if num_classes is not None:
        check_int("num_classes", num_classes, minimum=1)
        if names and len(names) != (num_classes if num_classes > 1 else 2):
            raise DataError(
                "`class_names` must be as many as `num_classes`, or two for one logit. Received: "
                f"{len(names)} names and num_classes={num_classes}."
            )
    return names


def _severity(finding: Finding) -> tuple[int, int, float]:
    """The worst level first, then what spoils most, then what concerns the largest share."""
    share = float(finding.evidence.get("share", 0.0))
    return LEVELS.index(finding.level), _ORDER.index(finding.name), -share


def _sizes(
    splits: Sequence[Split], labels: Labels, lengths: dict[str, list[np.ndarray]]
) -> dict[str, dict[str, float]]:
    sizes: dict[str, dict[str, float]] = {}
    for place, split in enumerate(splits):
        usable = int((split.has_text & labels.usable(place)).sum())
        sizes[split.name] = {"texts": len(split), "usable": usable}
        for unit, values in lengths.items():
            own = values[place]
            sizes[split.name][f"median_{unit}"] = int(np.median(own)) if len(own) else 0
            sizes[split.name][f"longest_{unit}"] = int(own.max(initial=0))
    return sizes


def _class_counts(
    splits: Sequence[Split], labels: Labels, usable: Sequence[np.ndarray]
) -> dict[str, dict[str, int]]:
    if labels.task == "numbers":
        return {}
    return {
        split.name: {
            labels.name_of(number): round(float(count))
            for number, count in enumerate(labels.counts(place, usable[place]))
        }
        for place, split in enumerate(splits)
    }


def _weights(labels: Labels, usable: np.ndarray) -> dict[int, float] | np.ndarray | None:
    if labels.task == "numbers":
        return None
    values = labels.values[0][usable & labels.usable(0)]
    try:
        if labels.task == "sets":
            return class_weights(values, multi_label=True)
        return class_weights(values.astype(int), max(labels.num_classes, 2))
    except DataError:  # a class without examples, of which a finding tells
        return None
