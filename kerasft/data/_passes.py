"""Which pass over the data runs, told from what Keras asks of a `PyDataset`."""

import threading


class Passes:
    """Counts the passes, the same way for every backend and number of devices.

    Keras tells when an epoch begins and ends, asks for the count of batches whenever it makes a
    reader (once or twice), and reads. With `steps_per_epoch` an epoch can go on in the middle of a
    pass, so that a pass begins only when a new reader does. On several devices, and on JAX and
    PyTorch, Keras first reads a batch to build the model and then starts over: that was no pass.

    Attributes:
        number: The number of the pass that runs or ran last.
        next: The number of the pass that comes next.
        running: Whether an epoch runs.
    """

    def __init__(self) -> None:
        self.set(0)
        self.running = False
        self._is_due = False  # an epoch began, and nobody has made a reader for it
        self._asked = False  # was the count the last thing that the thread of `fit` asked for
        self._untouched = False  # a pass began, and nothing was read
        self._read = 0
        self._thread = 0

    def set(self, number: int) -> None:
        """The next pass has this number."""
        self.number = self.next = number
        self._untouched = False

    def begin_epoch(self) -> None:
        """An epoch begins."""
        self.running = self._is_due = True
        self._asked = False
        self._thread = threading.get_ident()

    def end_epoch(self, batches: int) -> None:
        """An epoch ends, or `fit` starts over after building the model.

        It does the latter where the thread of `fit` asked for the count just before and not all
        has been read by it. (The readers of `tf.data` have threads of their own.)
        """
        if self.running and self._asked and self._read < batches:
            self.next = self.number
            self._untouched = False
        self.running = self._is_due = False

    def ask(self) -> bool:
        """Whoever asks for the count reads from the beginning. Whether that is another pass."""
        if not self._is_due:
            self._asked = threading.get_ident() == self._thread
            return False
        self._is_due = self._asked = False
        if self._untouched:
            return False
        self.number, self.next = self.next, self.next + 1
        self._untouched, self._read = True, 0
        return True

    def read(self) -> None:
        """A batch is read."""
        self._untouched = False
        if threading.get_ident() == self._thread:
            self._asked = False
            self._read += 1
