"""What the contestants on Keras share: the course of the learning rate, and the clock's hand."""

import keras


class WarmUpAndDown(keras.optimizers.schedules.LearningRateSchedule):
    """From zero up to the rate, and down to zero again, as Trainer's "linear" schedule has it."""

    def __init__(self, rate, warmup_steps, steps):
        self.rate, self.warmup_steps, self.steps = rate, warmup_steps, steps

    def __call__(self, step):
        step = keras.ops.cast(step, "float32")
        up = step / self.warmup_steps
        down = (self.steps - step) / max(1, self.steps - self.warmup_steps)
        return self.rate * keras.ops.maximum(0.0, keras.ops.minimum(up, down))

    def get_config(self):
        return {"rate": self.rate, "warmup_steps": self.warmup_steps, "steps": self.steps}


class TellClock(keras.callbacks.Callback):
    """Tells the clock of each epoch, when its validation is over."""

    def __init__(self, contest):
        super().__init__()
        self.contest = contest

    def on_epoch_end(self, epoch, logs=None):
        if self.contest.epoch_ended(logs["val_accuracy"]):
            self.model.stop_training = True


def steps_per_execution(task):
    """A step of a head alone is mostly Python; a step of a block is not."""
    return 16 if task.job == "frozen" else 1


def rate_of(task):
    """The course of the learning rate that all contestants have."""
    return WarmUpAndDown(task.rate, task.warmup_steps, task.steps)
