"""What all contestants share: the task they are given, the clock, and the result they hand back.

Each contestant is a script that is called with two paths, of the task and of the result. It loads
its packages and the model, calls `Contest.start`, does the job from raw texts on, calls
`Contest.epoch_ended` after each validation, and `Contest.finish`. Nothing but the standard library
is imported here: contestants run under different Pythons.
"""

import dataclasses
import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path

_STARTED = time.perf_counter()


@dataclasses.dataclass
class Task:
    """One job on one data set.

    Attributes:
        job: "frozen", "last_two" or "everything".
        dtype: "float32" or "bfloat16".
        epochs: How many the job has; the learning rate's course is laid out over them.
        epochs_run: After how many of them to stop.
        rate: The highest learning rate. It rises from zero over the first tenth of all steps, and
            falls to zero over the others, both linearly.
        batch_size: Texts in a batch, in training and in validation.
        sequence_length: The most tokens of a text.
        dropout: Before the last dense layer.
        seed: Of the head's weights, of dropout and of the order of texts.
        model: A folder with the weights, in Hugging Face's layout.
        preset: The same for kerasft.
        train: Texts and labels.
        valid: Texts and labels.
        directory: Where a cache is kept between runs, or None.
    """

    job: str
    dtype: str
    epochs: int
    epochs_run: int
    rate: float
    batch_size: int
    sequence_length: int
    dropout: float
    seed: int
    model: str
    preset: str
    train: tuple[list[str], list[int]]
    valid: tuple[list[str], list[int]]
    directory: str | None = None

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return -(-len(self.train[0]) // self.batch_size) * self.epochs

    @property
    def warmup_steps(self) -> int:
        """A tenth of all steps."""
        return max(1, self.steps // 10)


class Contest:
    """The clock and the notebook of one contestant."""

    def __init__(self) -> None:
        self.task = Task(**json.loads(Path(sys.argv[1]).read_text()))
        self._times: list[float] = []
        self._accuracies: list[float] = []
        self._loading = 0.0
        self._loaded_mib = 0.0
        self._processor = 0.0

    def start(self) -> None:
        """Packages and weights are loaded; the job begins, at raw texts."""
        self._loaded_mib = peak_mib()
        self._processor = time.process_time()
        self._times = [time.perf_counter()]
        self._loading = self._times[0] - _STARTED

    def epoch_ended(self, accuracy: float) -> bool:
        """An epoch and its validation are over. Returns whether it was the last to be run."""
        self._times.append(time.perf_counter())
        self._accuracies.append(float(accuracy))
        return len(self._accuracies) >= self.task.epochs_run

    def finish(self, *packages: str) -> None:
        """Hand back what was measured, with the versions of what did the work."""
        result = {
            "loading_seconds": self._loading,
            "epoch_seconds": [
                after - before for before, after in zip(self._times, self._times[1:], strict=False)
            ],
            "processor_seconds": time.process_time() - self._processor,
            "accuracies": self._accuracies,
            "peak_mib": peak_mib(),
            "loaded_mib": self._loaded_mib,
            "versions": {name: importlib.metadata.version(name) for name in packages},
        }
        Path(sys.argv[2]).write_text(json.dumps(result))


def peak_mib() -> float:
    """The most memory that this process ever held, in MiB."""
    try:
        # What `getrusage` tells on Linux begins with the memory of the process that started it.
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
