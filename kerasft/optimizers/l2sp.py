"""`L2SP`: weights are pulled towards the values that they were pretrained to."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerasft._checks import check_bool
from kerasft._update_steps import UpdateSteps, innermost, update_steps_of
from kerasft.optimizers.pull_table import COLUMNS, PullRow, PullRules, part_name, printed_rows
from kerasft.optimizers.reference_values import ReferenceValues
from kerasft.optimizers.table_optimizer import TableOptimizer
from kerasft.select import Selector
from kerasft.structure import Structure


@keras.saving.register_keras_serializable(package="kerasft")
class L2SP(TableOptimizer[PullRow]):
    """Pulls weights back towards their pretrained values, round any Keras optimizer.

    Weight decay pulls a weight towards zero, which for a pretrained one means to forget. L2-SP (SP
    for starting point) pulls it towards the value `w0` that it was pretrained to:

    - `decoupled=True` takes a step of its own, `w -= learning_rate * strength * (w - w0)`, as AdamW
      does for weight decay, at the variable's own rate where a `LayerwiseOptimizer` is inside.
    - `decoupled=False` adds `strength * (w - w0)` to the gradient. That is the paper's penalty
      `strength / 2 * |w - w0|^2`, under any optimizer. Adam and its kin divide each weight's
      gradient by its usual size, and the pull with it.

    The pull comes after clipping, unscaling and the mean over replicas and accumulated gradients,
    so it is neither clipped nor counted twice. A variable that the loss does not reach is not
    pulled.

    Without a gradient, a decoupled pull shrinks a distance by a factor `exp(-strength * sum of the
    learning rates)`: over n steps at a mean rate r, a strength far below `1 / (n * r)` does next to
    nothing. At 2e-5 for 3,000 steps that is 17. What weight decay the inner optimizer has goes on
    pulling towards zero: AdamW has 0.004 unless told otherwise.

    A variable's pretrained value is the one it has when the optimizer first meets it, that is
    before the first step. One that is unfrozen later joins then; one that is frozen and comes back
    is pulled to what it was pulled to before. This takes the memory of one copy of what trains and
    is pulled, as a slot of the optimizer does. The copies are saved with the model, so that a
    loaded model trains on as the saved one would have.

    It can stand round a `LayerwiseOptimizer` or inside one; Keras's `LossScaleOptimizer` goes round
    both. What else holds for a `LayerwiseOptimizer` holds here: one learning rate, and clipping,
    EMA and gradient accumulation set on the inner optimizer.

    Args:
        inner_optimizer: Any Keras optimizer with an update rule of its own, or a
            `LayerwiseOptimizer` round one. It belongs to this one from now on.
        model: The model to be trained. It is not kept alive by the optimizer, and not saved with
            it. Its weights must be there before `fit`.
        strength: How strongly weights are pulled towards their pretrained values, at least 0
            (alpha in the paper).
        head_strength: How strongly the head is pulled towards zero, at least 0 (beta in the paper).
            It concerns what the selector does not mean.
        selector: Selector or path pattern of what is pulled towards its pretrained values; None for
            everything but the head.
        decoupled: Whether the pull is a step of its own or a part of the gradient.
        table: What `get_config` made of the rows, in place of a model. For loading.
        name: The optimizer's name.

    Raises:
        ArgumentError: If an argument breaks its rule, or there is a `head_strength` for a model
            without a head.
        SelectorError: If the selector matches nothing in the model.

    Example:
        >>> import keras
        >>> from kerasft.optimizers import L2SP
        >>> inputs = keras.Input((8,))
        >>> x = keras.layers.Dense(4, name="stem")(inputs)
        >>> model = keras.Model(inputs, keras.layers.Dense(2, name="top")(x))
        >>> optimizer = L2SP(keras.optimizers.Adam(0.001), model, 20.0, head_strength=0.1)
        >>> print(optimizer)
        L2-SP round Adam, decoupled from the gradient
        part      variables   parameters   strength   pulled towards
        ───────────────────────────────────────────────────────────────
        block 0           2           36         20   pretrained values
        head              2           10        0.1   zero
        >>> model.compile(optimizer, "mse")

    References:
        - Li, Grandvalet and Davoine 2018, "Explicit Inductive Bias for Transfer Learning with
          Convolutional Networks" (L2-SP).
        - Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization" (AdamW).
    """

    def __init__(
        self,
        inner_optimizer: keras.optimizers.Optimizer,
        model: keras.Model | None = None,
        strength: float = 0.01,
        *,
        head_strength: float = 0.0,
        selector: Selector | str | None = None,
        decoupled: bool = True,
        table: Sequence[dict[str, Any]] | None = None,
        name: str | None = None,
    ) -> None:
        check_bool("decoupled", decoupled)
        super().__init__(inner_optimizer, name)
        self.decoupled = decoupled
        self._rules = PullRules(strength, head_strength, selector)
        self._references = ReferenceValues(self)
        rows = None if table is None else [PullRow.from_config(row) for row in table]
        self._start(model, rows)
        steps = update_steps_of(innermost(inner_optimizer))
        steps.pull_of = self._pull_of
        steps.decoupled_pull = decoupled

    # For messages.
    _purpose = "are pulled towards their pretrained values"
    _what = "what to pull"

    @property
    def strength(self) -> float:
        """What the difference from the pretrained value is multiplied by."""
        return self._rules.strength

    @property
    def head_strength(self) -> float:
        """The same for the head, which is pulled towards zero."""
        return self._rules.head_strength

    @property
    def selector(self) -> Selector | str | None:
        """Which variables are pulled towards their pretrained values, as given."""
        return self._rules.selector

    def _is_taken(self, steps: UpdateSteps) -> bool:
        return steps.pull_of is not None

    def _rows_of(self, structure: Structure) -> tuple[PullRow, ...]:
        return self._rules.apply(structure)

    def bind(self, model: keras.Model) -> None:
        """Work the table out anew for a model, whose present values are the pretrained ones.

        The constructor does so. Call it after loading other pretrained weights into the model, or
        where a loaded optimizer says that it cannot tell the variables apart; and before `fit`.

        Args:
            model: The model to be trained, built.

        Raises:
            ArgumentError: If the rules do not fit the model. The rows stay as they were.
            SelectorError: If the selector matches nothing in the model.
        """
        super().bind(model)
        self._references.take(self._pulled_back())

    def build(self, variables: Sequence[Any]) -> None:
        """Make the inner optimizer's state, and copy what will be pulled towards its value of now.

        A variable that the optimizer knew before keeps the value that it was pulled to then.
        """
        if self.built:
            return
        super().build(variables)
        self._references.follow(self._pulled_back())

    def _pulled_back(self) -> dict[str, Any]:
        """By path, the variables that train and are pulled towards what they were."""
        variables = self._trainable_variables
        rows = self._rows_for(variables)
        return {
            row.path: variable
            for row, variable in zip(rows, variables, strict=True)
            if row.strength and row.towards == "pretrained"
        }

    def _pull_of(self, variable: Any) -> Any:
        row = self._rows_for([variable])[0]
        if not row.strength:
            return None
        if row.towards == "pretrained":
            difference = ops.subtract(variable, self._references[self._var_key(variable)])
        else:
            difference = ops.convert_to_tensor(variable)
        return ops.multiply(difference, row.strength)

    @property
    def variables(self) -> list[Any]:
        """The pretrained values of what trains, and the inner optimizer's state."""
        return self._references.variables + self.inner_optimizer.variables

    def stateless_apply(
        self, optimizer_variables: Any, grads: Any, trainable_variables: Any
    ) -> tuple[Any, Any]:
        """The updated values of variables and state, as JAX wants them."""
        count = len(self._references.variables)
        references = [ops.convert_to_tensor(value) for value in optimizer_variables[:count]]
        with self._references.passed(references):
            updated, state = super().stateless_apply(
                optimizer_variables[count:], grads, trainable_variables
            )
        return updated, references + list(state)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the pretrained values and the inner optimizer's state, as `variables` has them."""
        references = self._references.variables
        for reference, value in zip(references, weights, strict=False):
            reference.assign(value)
        super().set_weights(weights[len(references) :])

    def save_own_variables(self, store: Any) -> None:
        """Save the pretrained values, those of variables that no longer train too."""
        values = self._references.values()
        for index, row in enumerate(self.table):
            if row.path in values:
                store[str(index)] = values[row.path]

    def load_own_variables(self, store: Any) -> None:
        """Load the pretrained values."""
        rows = self.table
        values = {rows[int(index)].path: store[index] for index in list(store.keys())}
        self._references.restore(values, self._pulled_back())

    def distance(self) -> dict[str, float]:
        """How far each part of the model has moved from where it is pulled to.

        Returns:
            By part (`"block 0"`, `"head"`), the Euclidean norm of the difference over the variables
            that train and are pulled. Empty before the first step.
        """
        squares: dict[str, float] = {}
        variables = self._trainable_variables
        for row, variable in zip(self._rows_for(variables), variables, strict=True):
            if row.strength:
                difference = ops.divide(self._pull_of(variable), row.strength)
                square = ops.convert_to_numpy(ops.sum(ops.square(ops.cast(difference, "float32"))))
                part = part_name(row.block)
                squares[part] = squares.get(part, 0.0) + float(square)
        return {part: square**0.5 for part, square in squares.items()}

    def get_config(self) -> dict[str, Any]:
        """The arguments, with the rows that the model gave in place of the model."""
        serialize = keras.saving.serialize_keras_object
        return {
            "inner_optimizer": serialize(self.inner_optimizer),
            "strength": self.strength,
            "head_strength": self.head_strength,
            "selector": serialize(self.selector),
            "decoupled": self.decoupled,
            "table": [row.get_config() for row in self.table],
            "name": self.name,
        }

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "L2SP":
        """Make it again from `get_config`'s result, without the model."""
        config = dict(config)
        for name in ("inner_optimizer", "selector"):
            config[name] = keras.saving.deserialize_keras_object(
                config.get(name), custom_objects=custom_objects
            )
        return cls(**config)

    def _as_table(self) -> tuple[str, Sequence[str], list[tuple[object, ...]]]:
        way = "decoupled from the gradient" if self.decoupled else "as a part of the gradient"
        title = f"L2-SP round {type(self.inner_optimizer).__name__}, {way}"
        return title, COLUMNS, printed_rows(self.table)

    def __repr__(self) -> str:
        pulled = sum(row.strength > 0 for row in self.table)
        told = f"pulls {pulled} variables" if self.table else "not bound to variables yet"
        return f"<L2SP round {type(self.inner_optimizer).__name__}, {told}>"
