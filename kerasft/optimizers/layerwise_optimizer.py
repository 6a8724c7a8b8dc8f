"""`LayerwiseOptimizer`: one learning rate outside, one per variable inside."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasft._checks import check_bool
from kerasft._update_steps import Terms, UpdateSteps, innermost, update_steps_of
from kerasft.optimizers.rate_table import (
    COLUMNS,
    Multipliers,
    RateRow,
    RateRules,
    printed_rows,
)
from kerasft.optimizers.table_optimizer import TableOptimizer
from kerasft.select import Selector
from kerasft.structure import Structure


def _argument(name: str, doc: str) -> property:
    return property(lambda self: getattr(self._rules, name), doc=doc)


@keras.saving.register_keras_serializable(package="kerasft")
class LayerwiseOptimizer(TableOptimizer[RateRow]):
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
        check_bool("decay_biases_and_norms", decay_biases_and_norms)
        super().__init__(inner_optimizer, name)
        self._rules = RateRules(
            decay, head_multiplier, slices, multipliers, no_weight_decay, decay_biases_and_norms
        )
        rows = None if table is None else [RateRow.from_config(row) for row in table]
        self._start(model, rows)
        update_steps_of(innermost(inner_optimizer)).terms_of = self._terms_of

    decay = _argument("decay", "Multiplier from each block to the one below it.")
    head_multiplier = _argument("head_multiplier", "What the head's rate is multiplied by.")
    slices = _argument("slices", "Multipliers of the first block and of the top.")
    multipliers = _argument("multipliers", "The table of selectors and multipliers, as given.")
    no_weight_decay = _argument("no_weight_decay", "Further variables without weight decay.")
    decay_biases_and_norms = _argument(
        "decay_biases_and_norms", "Whether weight decay applies to biases and norms too."
    )

    # For messages.
    _purpose = "get their own rates"
    _what = "rates"

    def _is_taken(self, steps: UpdateSteps) -> bool:
        return steps.terms_of is not None

    def _rows_of(self, structure: Structure) -> tuple[RateRow, ...]:
        return self._rules.apply(structure)

    def _terms_of(self, variables: Sequence[Any]) -> list[Terms]:
        return [(row.multiplier, row.weight_decay) for row in self._rows_for(variables)]

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

    def _as_table(self) -> tuple[str, Sequence[str], list[tuple[object, ...]]]:
        inner = innermost(self)
        rate = float(ops.convert_to_tensor(self.learning_rate))
        title = f"{type(inner).__name__}, learning rate now {rate:.3g}"
        if inner.weight_decay is not None:
            title += f", weight decay {inner.weight_decay:g}"
        # Muon has a second one, for the variables that it leaves to Adam.
        decays = [inner.weight_decay, getattr(inner, "adam_weight_decay", None)]
        return title, COLUMNS, printed_rows(self.table, rate, any(decays))

    def __repr__(self) -> str:
        distinct = {row.multiplier for row in self.table if row.is_parameter}
        told = f"{len(distinct)} rates" if self.table else "not bound to variables yet"
        return f"<LayerwiseOptimizer round {type(self.inner_optimizer).__name__}, {told}>"
