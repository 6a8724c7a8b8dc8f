"""`LayerwiseOptimizer`: one learning rate outside, one per variable inside."""

import weakref
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasft._checks import check_bool, check_type, fail
from kerasft._tables import html_table, text_table
from kerasft._update_steps import Terms, find_update_steps, update_steps_of
from kerasft.errors import ArgumentError
from kerasft.optimizers.optimizer_wrapper import OptimizerWrapper
from kerasft.optimizers.rate_table import (
    COLUMNS,
    Multipliers,
    RateRow,
    RateRules,
    match_rows,
    printed_rows,
)
from kerasft.select import Selector
from kerasft.structure import take_apart


def _argument(name: str, doc: str) -> property:
    return property(lambda self: getattr(self._rules, name), doc=doc)


class _Assignments:
    """Rows by model and variable. No list or dict, which Keras would search for weights."""

    def __init__(self) -> None:
        self.model: weakref.ref[keras.Model] | None = None
        self.rows: tuple[RateRow, ...] = ()
        self.row_by_key: dict[Any, RateRow] = {}


@keras.saving.register_keras_serializable(package="kerasft")
class LayerwiseOptimizer(OptimizerWrapper):
    """Gives every variable its own learning rate and weight decay, round any Keras optimizer.

    The early layers of a pretrained model hold what is general and should move little; the head
    is new and should move much. Each variable gets the one `learning_rate` times a multiplier:

    - `decay` lowers the rate from the top down, `decay ** (distance from the top)`: the head is
      at distance 0, the last block at 1, the embeddings or the stem furthest. It is the rule of
      ELECTRA and BEiT, and gives the same multipliers as timm's `param_groups_layer_decay`. A model
      without a head has its last block at distance 0.
    - `slices=(first, top)` spaces the multipliers evenly on a logarithmic scale, from block 0 to
      the top, as fastai's `slice` does with rates (discriminative fine-tuning).
    - `head_multiplier` further multiplies the head's rate.
    - `multipliers` is a table of selectors or path patterns. Where a row matches, its multiplier
      takes the place of everything above.

    Adam with a multiplier takes the steps of a separate Adam at that many times the rate (scaling
    gradients would not: Adam divides their scale out). Weight decay is decoupled in Keras and
    multiplied by the same rate; biases, norms and all else with fewer than two axes are left out of
    it, unless asked.

    One learning rate remains to be read and set, so `ReduceLROnPlateau`, `LearningRateScheduler`,
    `LearningRateSchedule` objects and `TensorBoard` work as always. Under mixed precision Keras
    puts its `LossScaleOptimizer` round this one, which is the right order. Gradient clipping
    (over all variables), EMA, gradient accumulation and loss scaling are the inner optimizer's;
    set them there. Variables may be frozen before and after the optimizer is made: multipliers go
    by a layer's place in the model, whatever trains. Multipliers become constants of the train
    function, where each distinct one costs one multiplication per step.

    The multipliers are saved with the model by path, so a loaded model trains on with them; where
    they cannot be told from paths, order and shapes, the first training step raises and
    `bind(model)` helps.

    Args:
        inner_optimizer: Any Keras optimizer with an update rule of its own: not a
            `LossScaleOptimizer` (that goes outside) and not a `MultiOptimizer`. It belongs to this
            one from now on.
        model: The model to be trained. One that is not built yet is looked at when the optimizer
            is built. It is not kept alive by the optimizer, and not saved with it.
        decay: Multiplier from each block to the one below it, above 0 and at most 1.
        head_multiplier: Multiplies the head's rate, above 0.
        slices: Multipliers of the first block and of the top, in place of `decay`.
        multipliers: Dict from selectors or path patterns to multipliers above 0, or a list of such
            pairs.
        no_weight_decay: Selector or path pattern of further variables without weight decay.
        decay_biases_and_norms: Whether weight decay applies to biases and norms too.
        table: What `get_config` made of the rows, in place of a model. For loading.
        name: The optimizer's name.

    Raises:
        ArgumentError: If an argument breaks its rule, two rows of `multipliers` give one variable
            different multipliers, or the model has no parts to tell apart.
        SelectorError: If a selector matches nothing in the model.

    Example:
        >>> import keras
        >>> from kerasft.optimizers import LayerwiseOptimizer
        >>> inputs = keras.Input((8,))
        >>> x = keras.layers.Dense(4, name="stem")(inputs)
        >>> x = keras.layers.Dense(4, name="middle")(x)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> optimizer = LayerwiseOptimizer(keras.optimizers.AdamW(0.001), model, decay=0.5)
        >>> print(optimizer)
        AdamW, learning rate now 0.001, weight decay 0.004
        part      variables   parameters   multiplier   rate now   weight decay
        ───────────────────────────────────────────────────────────────────────
        block 0           2           36         0.25    0.00025         1 of 2
        block 1           2           20          0.5     0.0005         1 of 2
        head              2           10            1      0.001         1 of 2
        >>> model.compile(optimizer, "mse")

    References:
        - Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification"
          (discriminative fine-tuning), and fastai's `slice`.
        - Clark et al. 2020, "ELECTRA" (layer-wise learning-rate decay), and timm's
          `param_groups_layer_decay`, after BEiT.
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        model: keras.Model | None = None,
        *,
        decay: float | None = None,
        head_multiplier: float = 1.0,
        slices: Sequence[float] | None = None,
        multipliers: Multipliers | None = None,
        no_weight_decay: Selector | str | None = None,
        decay_biases_and_norms: bool = False,
        table: Sequence[dict[str, Any]] | None = None,
        name: str | None = None,
    ) -> None:
        _check_inner(inner_optimizer)
        check_bool("decay_biases_and_norms", decay_biases_and_norms)
        super().__init__(inner_optimizer, name)
        self._rules = RateRules(
            decay, head_multiplier, slices, multipliers, no_weight_decay, decay_biases_and_norms
        )
        self._assignments = _Assignments()
        if table is not None:
            self._assignments.rows = tuple(RateRow.from_config(row) for row in table)
        if model is not None:
            check_type("model", model, keras.Model, "a keras.Model")
            self._assignments.model = weakref.ref(model)
            if model.built:
                self.bind(model)
        elif table is None:
            fail("model", model, "the keras.Model whose variables get their own rates")
        update_steps_of(inner_optimizer).terms_of = self._terms_of

    decay = _argument("decay", "Multiplier from each block to the one below it.")
    head_multiplier = _argument("head_multiplier", "What the head's rate is multiplied by.")
    slices = _argument("slices", "Multipliers of the first block and of the top.")
    multipliers = _argument("multipliers", "The table of selectors and multipliers, as given.")
    no_weight_decay = _argument("no_weight_decay", "Further variables without weight decay.")
    decay_biases_and_norms = _argument(
        "decay_biases_and_norms", "Whether weight decay applies to biases and norms too."
    )

    @property
    def model(self) -> keras.Model | None:
        """The model that the rows belong to, if it is known and still alive."""
        reference = self._assignments.model
        return None if reference is None else reference()

    @property
    def table(self) -> tuple[RateRow, ...]:
        """One row for each variable of the model; empty before the model is built."""
        return self._assignments.rows

    def bind(self, model: keras.Model) -> None:
        """Work the rules out anew for a model, in place of the rows known so far.

        The constructor does so. Call it where a loaded optimizer says that it cannot tell the
        variables apart, and before `fit` or `compile`: a train function that was made keeps the
        multipliers it was made with.

        Args:
            model: The model to be trained, built.

        Raises:
            ArgumentError: If the rules do not fit the model. The rows stay as they were.
            SelectorError: If a selector matches nothing in the model.
        """
        structure = take_apart(model)
        rows = self._rules.apply(structure)
        key = self.inner_optimizer._var_key
        self._assignments.model = weakref.ref(model)
        self._assignments.rows = rows
        self._assignments.row_by_key = {
            key(view.variable): row for view, row in zip(structure.variables, rows, strict=True)
        }

    def _terms_of(self, variables: Sequence[Any]) -> list[Terms]:
        known = self._assignments.row_by_key
        keys = [self.inner_optimizer._var_key(variable) for variable in variables]
        if any(key not in known for key in keys):
            self._find(variables)
        return [(known[key].multiplier, known[key].weight_decay) for key in keys]

    def _find(self, variables: Sequence[Any]) -> None:
        """Find rows for variables that were not there, or not the same, when rows were made."""
        assignments, key = self._assignments, self.inner_optimizer._var_key
        model = self.model
        if model is not None:
            # Layers may have been built or given LoRA's variables since.
            known = assignments.row_by_key
            self.bind(model)
            known.update(assignments.row_by_key)
            assignments.row_by_key = known
        else:
            # The whole list tells more than the part of it that has gradients.
            everything = list(self.inner_optimizer._trainable_variables) or list(variables)
            for variable, row in zip(everything, match_rows(self.table, everything), strict=True):
                if row is not None:
                    assignments.row_by_key[key(variable)] = row
        for variable in variables:
            if key(variable) not in assignments.row_by_key:
                path = getattr(variable, "path", getattr(variable, "name", variable))
                raise ArgumentError(
                    "`LayerwiseOptimizer` must be given the model whose variables it updates. "
                    f"Received: variable {path!r}, which is not in its table of "
                    f"{len(self.table)} variables. Make the optimizer with the model that is "
                    "compiled, or call its `bind(model)` before training."
                )

    def build(self, variables: Sequence[Any]) -> None:
        """Make the inner optimizer's state, and the table if the model was not built before."""
        model = self.model
        if not self.table and model is not None and model.built:
            self.bind(model)
        super().build(variables)

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the rows that the model gave in place of the model."""
        serialize = keras.saving.serialize_keras_object
        return {
            "inner_optimizer": serialize(self.inner_optimizer),
            "decay": self.decay,
            "head_multiplier": self.head_multiplier,
            "slices": None if self.slices is None else list(self.slices),
            "multipliers": None
            if self.multipliers is None
            else [[serialize(selector), value] for selector, value in self._rules.rows],
            "no_weight_decay": serialize(self.no_weight_decay),
            "decay_biases_and_norms": self.decay_biases_and_norms,
            "table": [row.get_config() for row in self.table],
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "LayerwiseOptimizer":
        """Make it again from `get_config`'s result, without the model."""

        def deserialize(value: Any) -> Any:
            return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)

        config = dict(config)
        config["inner_optimizer"] = deserialize(config["inner_optimizer"])
        if config.get("multipliers") is not None:
            config["multipliers"] = [
                (deserialize(selector), value) for selector, value in config["multipliers"]
            ]
        config["no_weight_decay"] = deserialize(config.get("no_weight_decay"))
        return cls(**config)

    def summary(self) -> None:
        """Print the table of rates that `str(optimizer)` gives."""
        print(self)

    def __str__(self) -> str:
        title, rows = self._as_table()
        return text_table(COLUMNS, rows, title=title)

    def _repr_html_(self) -> str:
        title, rows = self._as_table()
        return html_table(COLUMNS, rows, title=title)

    def _as_table(self) -> tuple[str, list[tuple[object, ...]]]:
        inner = self.inner_optimizer
        rate = float(ops.convert_to_tensor(self.learning_rate))
        title = f"{type(inner).__name__}, learning rate now {rate:.3g}"
        if inner.weight_decay is not None:
            title += f", weight decay {inner.weight_decay:g}"
        # Muon has a second one, for the variables that it leaves to Adam.
        decays = [inner.weight_decay, getattr(inner, "adam_weight_decay", None)]
        return title, printed_rows(self.table, rate, any(decays))

    def __repr__(self) -> str:
        distinct = {row.multiplier for row in self.table if row.is_parameter}
        told = f"{len(distinct)} rates" if self.table else "not bound to variables yet"
        return f"<LayerwiseOptimizer round {type(self.inner_optimizer).__name__}, {told}>"


def _check_inner(optimizer: Any) -> None:
    rule = "a keras.optimizers.Optimizer instance"
    check_type("inner_optimizer", optimizer, keras.optimizers.Optimizer, rule)
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        hint = "Put the LossScaleOptimizer round the LayerwiseOptimizer; compile does so by itself."
        fail("inner_optimizer", optimizer, "an optimizer with an update rule of its own", hint)
    if type(optimizer).update_step is keras.optimizers.Optimizer.update_step:
        hint = "One that hands its variables on to others cannot be given rates."
        fail("inner_optimizer", optimizer, "an optimizer with an update rule of its own", hint)
    steps = find_update_steps(optimizer)
    if steps is not None and steps.terms_of is not None:
        hint = "Make a new optimizer for each LayerwiseOptimizer."
        fail("inner_optimizer", optimizer, "an optimizer that no other one wraps yet", hint)
