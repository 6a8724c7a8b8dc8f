"""A model that is to be judged: what is known of it before it runs, and its pass over the data."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasft._checks import check_bool, check_choice, check_int, check_type, fail
from kerasft.errors import DataError, UnsupportedError
from kerasft.evaluation.examples import TASKS
from kerasft.evaluation.inputs import read_examples
from kerasft.tuning._model_outputs import what_the_model_says
from kerasft.tuning._prediction import predict


class JudgedModel(NamedTuple):
    """A model, its data, and what both and the user say about its outputs."""

    model: keras.Model
    data: Any
    task: str | None
    from_logits: bool | None
    class_names: Sequence[str] | None
    columns: int | None
    head: Any

    def run(
        self, batch_size: int | None, verbose: str | int, threshold: Any = 0.5
    ) -> tuple[np.ndarray, np.ndarray, Any]:
        """Labels, outputs and texts (or None), row for row; labels are checked beforehand."""

        def check_labels(labels: np.ndarray) -> None:
            if self.task is None or self.columns is None:
                return
            names = None if self.task == "regression" else self.class_names
            even = 0.5 if self.columns == 1 else 1.0 / self.columns
            made_up = np.full((len(labels), self.columns), even)
            read_examples(labels, made_up, names, self.task, threshold)

        return predict(self.model, self.data, batch_size, verbose, check_labels)

    def reads(self, name: str, default: Any) -> Any:
        """The head's threshold or temperature, where the head's task is the one that is judged."""
        return default if self.head is None else getattr(self.head, name, default)

    def check_carries(self, name: str) -> None:
        """Whether the head can carry a threshold or a temperature."""
        if not hasattr(self.head, name):
            what = "no kerasft head at its output that is judged as what it is"
            if self.head is not None:
                what = f"a {type(self.head).__name__} at its output, which carries none"
            raise UnsupportedError(
                f"A {name} travels with a model in a head such as kerasft.ClassificationHead; "
                f"{self.model.name!r} has {what}. Pass set_on_head=False, save the result with "
                f"result.save('{name}.json') and give result.{name} to kerasft.evaluate."
            )


def judged_model(
    model: keras.Model,
    data: Any,
    *,
    class_names: Sequence[str] | None,
    task: str | None,
    from_logits: bool | None,
    batch_size: int | None,
) -> JudgedModel:
    """Check the arguments, and put together what the user, the model and the data say."""
    check_type("model", model, keras.Model, "a keras.Model")
    if task is not None:
        check_choice("task", task, TASKS)
    if from_logits is not None:
        check_bool("from_logits", from_logits)
    if batch_size is not None:
        check_int("batch_size", batch_size, minimum=1)
    says = what_the_model_says(model)
    if getattr(data, "shuffle", False) is True and hasattr(data, "unshuffled"):
        data = data.unshuffled()
    of_head = says.task
    class_names = _class_names(class_names, says.class_names, getattr(data, "class_names", None))
    task, of_head = (
        "binary" if each == "multiclass" and says.columns == 2 else each
        for each in (task or of_head, of_head)
    )
    if from_logits is None and task != "regression":
        from_logits = says.from_logits
    head = says.head if task == of_head else None
    return JudgedModel(model, data, task, from_logits, class_names, says.columns, head)


def _class_names(given: Any, of_head: Any, of_data: Any) -> Any:
    if given is not None:
        return given
    if of_head is not None and of_data is not None and list(of_head) != list(of_data):
        fail(
            "class_names",
            list(of_data),
            f"the same in the data as in the model's head, {list(of_head)}",
            "Their labels would be read as other classes. Pass class_names=... to decide.",
            DataError,
        )
    return of_head if of_head is not None else of_data
