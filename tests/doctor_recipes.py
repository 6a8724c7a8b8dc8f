"""The fits by which the doctor's accuracy is measured, and what settles what each of them is.

Which fit is sound and which is sick is settled without the doctor, by a reference: the same recipe
at its sound rate, for many epochs. The doctor's limits were chosen on other fits: other seeds,
sizes, batches, activations and, in part, optimizers and data sets.
"""

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from doctor_runs import SOUND_RATES, Recipe, fit, table

from kerasft._tables import text_table
from kerasft.callbacks import Doctor

# By data: sizes of the training set, hidden layers, epochs of the reference, and the factor by
# which the sound rates are higher than elsewhere.
FIELDS = {
    "reviews": ((600, 1800, 4500), ((), (48,), (100,), (96, 24)), 12, 1),
    "fifths": ((1800, 4500), ((), (48,), (100,)), 12, 1),
    "stars": ((1800, 4500), ((), (48,), (100,)), 12, 1),
    "ratings": ((1800, 4500), ((), (48,), (100,)), 12, 1),
    "words": ((3000, 5000), ((), (20,)), 12, 5),
    "words of fifths": ((5000,), ((), (20,)), 12, 5),
    "words of thirds": ((5000,), ((), (20,)), 12, 5),
    "digits": ((400, 1300), ((48,), (100,), (60, 30)), 25, 3),
    "wine": ((133,), ((), (12,)), 40, 10),
    "iris": ((112,), ((), (12,)), 40, 10),
    "breast_cancer": ((420,), ((), (12,)), 30, 4),
    "diabetes": ((330,), ((12,), (30,)), 30, 4),
}
SHIPPED = ("digits", "wine", "iris", "breast_cancer", "diabetes")
BY_TEXTS = tuple(name for name in FIELDS if name not in SHIPPED)


@dataclasses.dataclass
class Case:
    """A fit, what it is, and what the doctor said of it."""

    kind: str  # "sound", or what is wrong
    recipe: Recipe
    expected: tuple[str, ...]  # any of these findings names it; none for a sound fit
    findings: tuple[Any, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(finding.name for finding in self.findings)

    @property
    def right(self) -> bool:
        if not self.expected:
            return not self.names
        return any(name in self.expected for name in self.names)


def bases(seed: int, fields: tuple[str, ...], count: int) -> list[Recipe]:
    """Recipes that should be sound, drawn at random."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        name = fields[number % len(fields)]
        sizes, hiddens, epochs, factor = FIELDS[name]
        size, hidden = draw.choice(sizes), draw.choice(hiddens)
        words, regression = name.startswith("words"), table(name)[2] is None
        two = table(name)[2] == 2
        optimizers = [o for o in SOUND_RATES if not words or o not in ("sgd", "momentum")]
        optimizer = draw.choice(optimizers)
        if optimizer in ("sgd", "momentum"):
            factor = min(factor, 2)  # beyond it they do not converge, however few the rows are
        small = size < 500
        recipe = Recipe(
            data=name,
            train=size,
            hidden=hidden,
            activation=draw.choice(("relu", "tanh", "gelu", "elu")),
            dropout=draw.choice((0.0, 0.15, 0.25, 0.4)) if not small or hidden else 0.0,
            norm=bool(hidden) and draw.random() < 0.15,
            optimizer=optimizer,
            rate=SOUND_RATES[optimizer] * factor * draw.choice((0.6, 1.0, 1.7)),
            batch=draw.choice(
                (8, 12, 24) if small else (24, 48, 100) if size < 4000 else (48, 100)
            ),
            epochs=epochs * (2 if size == 600 else 1),
            per_execution=draw.choice((1, 1, 1, 3)),
            schedule=draw.choice((None, None, None, "warmup", "cosine")),
            one_logit=two and draw.random() < 0.4,
            rare=0.3 if two and draw.random() < 0.3 else None,
            seed=seed + number,
        )
        extra = draw.random()
        if extra < 0.15 and not regression:
            recipe = recipe.but(weighted=True)
        elif extra < 0.3 and not regression:
            recipe = recipe.but(smoothing=0.1)
        elif extra < 0.4:
            recipe = recipe.but(validates=False)
        found.append(recipe)
    return found


class Reference:
    """A long fit of a recipe at its sound rate: what it can reach, and when."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        found = fit(recipe.but(validates=True))
        self.losses = np.array(found["history"]["val_loss"])
        self.guessing = guessing(recipe)
        # A rate that is sound elsewhere can still be too high for some data.
        self.broke = not np.isfinite(self.losses).all()
        self.best = math.inf if self.broke else float(self.losses.min())
        said = said_classes(found, recipe)
        self.says_several = said is None or np.sort(said)[-2] >= 0.03

    @property
    def epochs(self) -> int | None:
        """How many epochs it takes to see that there is no more to gain; None if that is later."""
        near = np.flatnonzero(self.losses <= self.best + 0.02 * self.guessing)
        epoch = max(int(near[0]) + 2, 3)
        return epoch if epoch <= 0.75 * len(self.losses) else None

    def sound(self, number: int) -> Recipe | None:
        """A fit of about the right length: by hand, a little longer, or by early stopping."""
        if self.best > 0.95 * self.guessing or not self.says_several:
            return None
        if self.recipe.schedule:  # by the end its rate has fallen to zero
            epochs = len(self.losses)
        elif self.epochs is None:
            return None
        elif number % 3 == 2 and self.recipe.validates:
            return self.recipe.but(patience=3)
        else:
            epochs = self.epochs + 2 * (number % 3 == 1)
        if self.losses[epochs - 1] > self.best + 0.04 * self.guessing:
            return None  # it overfits
        return self.recipe.but(epochs=epochs)

    def too_short(self) -> Recipe | None:
        """Half of an epoch count that still gains much."""
        if self.recipe.schedule or self.recipe.patience:
            return None
        for epochs in range(len(self.losses) // 2, 0, -1):
            now, later = self.losses[epochs - 1], self.losses[2 * epochs - 1]
            if later <= 0.85 * now and now - later >= 0.08 * self.guessing:
                return self.recipe.but(epochs=epochs, validates=True)
        return None


def guessing(recipe: Recipe) -> float:
    """The loss of a model that knows nothing: a regression's targets have a variance of 1."""
    classes = table(recipe.data)[2]
    return 1.0 if classes is None else float(np.log(classes))


def said_classes(found: dict[str, Any], recipe: Recipe) -> np.ndarray | None:
    """The share of the validation examples that is called each class."""
    classes = table(recipe.data)[2]
    if classes is None:
        return None
    outputs = found["outputs"]
    if outputs.shape[1] == 1:
        limit = 0.5 if recipe.damage == "softmax on one output" else 0.0
        called = (outputs[:, 0] > limit).astype(int)
    else:
        called = outputs.argmax(1)
    return np.bincount(called, minlength=classes) / len(called)


# ---- what is done to make a fit sick ----------------------------------------------------------


def sick_rates(references: list[Reference], seed: int) -> Iterator[tuple[str, Recipe, Reference]]:
    """Rates that are too high or too low by a factor of hundreds."""
    draw = random.Random(seed)
    for number, reference in enumerate(references):
        recipe, usual = reference.recipe, reference.epochs or 10
        factor = draw.choice((100.0, 250.0, 1000.0))
        kind = "rate too high" if number % 2 else "rate too low"
        rate = recipe.rate * (factor if number % 2 else 1 / factor)
        epochs = min(max(usual, 5), 25)
        yield kind, recipe.but(rate=rate, epochs=epochs, schedule=None, validates=True), reference


def overfitting_ones(seed: int, fields: tuple[str, ...], count: int) -> list[Recipe]:
    """Large networks, few examples, many epochs, nothing that regularizes."""
    found = []
    for number, recipe in enumerate(bases(seed, fields, count)):
        words = recipe.data.startswith("words")
        found.append(
            recipe.but(
                train=2500 if words else 250,
                hidden=(200, 50) if number % 2 else (150,),
                dropout=0.0,
                norm=False,
                optimizer=("adam", "adamw", "nadam")[number % 3],
                rate=2e-3,
                epochs=20 if words else 40,
                rare=None,
                schedule=None,
                smoothing=0.0,
                weighted=False,
                validates=True,
            )
        )
    return found


def damaged(base: Recipe, two: Recipe, regression: Recipe) -> Iterator[tuple[str, Recipe]]:
    """What is sick by what was done to it, from three sound recipes.

    Args:
        base: Several classes, numbered.
        two: Two classes.
        regression: Numbers.
    """
    labels = "labels outside the classes"
    yield labels, base.but(damage="counted from one")
    yield labels, base.but(damage="unknown is minus one")
    yield labels, two.but(damage="minus one", one_logit=True)
    yield labels, two.but(damage="counted from one", one_logit=True)
    yield labels, two.but(damage="percent", one_logit=True)
    yield "not a number", base.but(damage="NaN in a row")
    yield "not a number", two.but(damage="infinity in a row")
    yield "not a number", two.but(damage="NaN in a column", per_execution=3)
    yield "not a number", regression.but(damage="NaN in a label")
    yield "not a number", base.but(damage="spoilt weights")
    yield "not a number", base.but(damage="logarithm of zero", rate=base.rate * 30, epochs=20)
    yield "nothing trains", base.but(rate=0.0)
    yield "nothing trains", two.but(damage="all frozen")
    yield "nothing trains", regression.but(schedule="zero")
    yield "the wrong weights train", base.but(damage="frozen after a fit", hidden=(16,))
    yield "the wrong weights train", two.but(damage="frozen after a fit", hidden=(24, 8))
    flat = {"dropout": 0.0, "epochs": 8, "one_logit": False}
    yield "one class", two.but(damage="dead units", hidden=(32,), rare=0.3, **flat)
    yield "one class", base.but(damage="dead units", hidden=(32, 16), **flat)
    sgd = {"optimizer": "sgd", "rate": 0.1, **flat}
    yield "one class", two.but(damage="tiny inputs", hidden=(), rare=0.3, **sgd)
    yield "one class", two.but(damage="shuffled labels", hidden=(), rare=0.3, **sgd)
    # Keras computes the loss from the logits here, so it falls, but each output is 1.
    yield "one class", two.but(damage="softmax on one output", **{**flat, "one_logit": True})


NAMES = {
    "rate too high": ("learning_rate_too_high",),
    "rate too low": ("learning_rate_too_low",),
    "too few epochs": ("too_few_epochs",),
    "overfitting": ("overfitting",),
    "labels outside the classes": ("labels_outside_classes",),
    "not a number": ("not_a_number",),
    "nothing trains": ("nothing_trains",),
    "the wrong weights train": ("wrong_weights_train",),
    "one class": ("collapsed",),
}


def is_sick(kind: str, recipe: Recipe, found: dict[str, Any], reference: Reference | None) -> bool:
    """Whether the fit came out as sick as it was meant to."""
    losses = np.array(found["history"].get("val_loss", [np.nan]), dtype=float)
    level = guessing(recipe)
    if kind == "rate too high":
        # Worse than it could be, by much.
        return bool(not losses[-1] <= reference.best + 0.15 * level)
    if kind == "rate too low":
        # Not a quarter of what there is to gain.
        whole = max(level, losses[0]) - reference.best
        return bool(max(level, losses[0]) - losses[-1] <= 0.25 * whole)
    if kind == "overfitting":
        best = np.nanmin(losses)
        return bool(losses[-1] >= 1.25 * best and losses[-1] - best >= 0.1 * level)
    if kind == "one class":
        shares = said_classes(found, recipe)
        others = (found["labels"] != shares.argmax()).mean()
        return bool(shares.max() >= 0.995 and others >= 0.1)
    if recipe.damage == "logarithm of zero":
        # No probability may have come near enough to zero.
        return not np.isfinite(found["history"]["loss"]).all()
    return True


# ---- the measurement --------------------------------------------------------------------------


def measure(
    seed: int,
    fields: tuple[str, ...] = tuple(FIELDS),
    sound: int = 52,
    rates: int = 16,
    short: int = 6,
    overfitted: int = 6,
    rounds: int = 1,
    say: Callable[[str], None] = print,
) -> list[Case]:
    """Carry out sound and sick fits with the doctor beside them.

    Args:
        seed: Of all that is drawn.
        fields: The data sets, taken in turn.
        sound: How many fits should be sound.
        rates: How many have a rate that is too high or too low.
        short: How many end too early, at most.
        overfitted: How many overfit.
        rounds: How often each kind of damage is done.
        say: Is told of each fit.
    """
    cases: list[Case] = []
    dropped: Counter[str] = Counter()

    def carry_out(kind: str, recipe: Recipe, reference: Reference | None = None) -> None:
        keras.utils.clear_session()
        doctor = Doctor(verbose=0)
        found = fit(recipe, [doctor])
        expected = NAMES.get(kind, ())
        if expected and not is_sick(kind, recipe, found, reference):
            dropped[kind] += 1
            say(f"left out, for it is not sick enough ({kind}): {recipe}")
            return
        cases.append(Case(kind, recipe, expected, doctor.findings))
        last = cases[-1]
        say(f"{'right' if last.right else 'WRONG'}: {kind}: {', '.join(last.names)} | {recipe}")
        if not last.right:
            say(f"    {found['history'].get('loss')} {found['history'].get('val_loss')}")

    references: list[Reference] = []
    for number, recipe in enumerate(bases(seed, fields, 2 * sound)):
        if sum(case.kind == "sound" for case in cases) >= sound:
            break
        reference = Reference(recipe)
        if reference.broke:
            dropped["sound"] += 1
            continue
        references.append(reference)
        wanted = reference.sound(number)
        if wanted is None:
            dropped["sound"] += 1
        else:
            carry_out("sound", wanted)
    for kind, recipe, reference in sick_rates(references[:rates], seed + 1):
        carry_out(kind, recipe, reference)
    few = (reference.too_short() for reference in references)
    for recipe in [recipe for recipe in few if recipe is not None][:short]:
        carry_out("too few epochs", recipe)
    for recipe in overfitting_ones(seed + 2, fields, overfitted):
        carry_out("overfitting", recipe)
    for number in range(rounds):
        chosen = [
            next(
                recipe.but(schedule=None, rare=None, weighted=False, smoothing=0.0, validates=True)
                for recipe in bases(seed + 3 + 100 * number, fields, 4 * len(fields))
                if fits(table(recipe.data)[2]) and not recipe.data.startswith("words")
            )
            for fits in (
                lambda classes: classes is not None and classes > 2,
                lambda classes: classes == 2,
                lambda classes: classes is None,
            )
        ]
        for kind, recipe in damaged(*chosen):
            carry_out(kind, recipe)
    say(f"left out before anything was judged: {dict(dropped)}")
    return cases


def summary(cases: list[Case]) -> str:
    """A table: what was named, what was missed, what was a false alarm."""
    rows = []
    for kind in ["sound", *NAMES]:
        of_kind = [case for case in cases if case.kind == kind]
        right = sum(case.right for case in of_kind)
        other = Counter(
            name
            for case in of_kind
            for name in case.names
            if name not in case.expected and (not case.right or not case.expected)
        )
        said = ", ".join(f"{name} ({count})" for name, count in other.most_common())
        rows.append([kind, len(of_kind), right, len(of_kind) - right, said or None])
    sick = [case for case in cases if case.expected]
    named = sum(case.right for case in sick)
    rows.append(["all that are sick", len(sick), named, len(sick) - named, None])
    return text_table(
        ("fits", ">count", ">right", ">wrong", "what was said where it was wrong"),
        rows,
        title="The doctor beside fits on real data",
        caption="Right: a sick fit is named by its sickness; of a sound fit nothing is said.",
    )
