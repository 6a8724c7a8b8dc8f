"""Plain Keras on ready arrays: kerasft's head, fitted on pooled features that are there already.

The least that a frozen job can cost in Keras: no texts, no tokens, no backbone.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contest
import keras
import keras_parts
import numpy as np

import kerasft


def pooled_features(backbone, task):
    """For training and validation, the mean over tokens of each text, and the labels."""
    output = backbone.output["sequence_output"]
    mean = keras.layers.GlobalAveragePooling1D(dtype="float32")
    features = keras.Model(backbone.input, mean(output, mask=backbone.input["padding_mask"]))
    batches = kerasft.data.Batches(
        backbone.preprocessor(sequence_length=task.sequence_length), batch_size=task.batch_size
    )
    for texts, labels in (task.train, task.valid):
        data = batches(texts, labels)
        yield features.predict(data, verbose=0), np.asarray(labels)[data.order]


def main():
    the_contest = contest.Contest()
    task = the_contest.task
    keras.utils.set_random_seed(task.seed)
    backbone = kerasft.Backbone.from_preset(
        task.preset, dtype={"float32": "float32", "bfloat16": "mixed_bfloat16"}[task.dtype]
    )
    train, valid = pooled_features(backbone, task)

    the_contest.start()
    model = keras.Sequential(
        [
            keras.Input(train[0].shape[1:]),
            keras.layers.Dropout(task.dropout),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        keras.optimizers.Adam(keras_parts.rate_of(task)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=keras_parts.steps_per_execution(task),
    )
    model.fit(
        *train,
        batch_size=task.batch_size,
        validation_data=valid,
        epochs=task.epochs,
        callbacks=[keras_parts.TellClock(the_contest)],
        verbose=0,
    )
    the_contest.finish("keras", "tensorflow")


if __name__ == "__main__":
    main()
