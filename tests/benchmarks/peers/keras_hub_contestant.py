"""KerasHub's classifier as it ships: every text padded to one length, tokenized once.

It reads the first token through its own dense layer, `pooled_dense`, with tanh; the others take the
mean over tokens. Dropout is drawn in frozen layers too.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contest
import keras
import keras_hub
import keras_parts
import tensorflow as tf


def freeze(classifier, job):
    """What people write: flags before `compile`."""
    backbone = classifier.backbone
    if job == "frozen":
        backbone.trainable = False
    if job == "last_two":
        trained = [*backbone.transformer_layers[-2:], backbone.pooled_dense]
        for layer in backbone.layers:
            layer.trainable = any(layer is one for one in trained)


def main():
    the_contest = contest.Contest()
    task = the_contest.task
    keras.utils.set_random_seed(task.seed)
    classifier = keras_hub.models.TextClassifier.from_preset(
        task.model,
        num_classes=2,
        dropout=task.dropout,
        preprocessor=None,
        dtype={"float32": "float32", "bfloat16": "mixed_bfloat16"}[task.dtype],
    )
    preprocessor = keras_hub.models.TextClassifierPreprocessor.from_preset(
        task.model, sequence_length=task.sequence_length
    )

    the_contest.start()

    def tokenized(texts, labels):
        data = tf.data.Dataset.from_tensor_slices((texts, labels)).batch(256)
        return data.map(preprocessor, num_parallel_calls=tf.data.AUTOTUNE).unbatch().cache()

    train = tokenized(*task.train).shuffle(len(task.train[0]), seed=task.seed)
    train = train.batch(task.batch_size).prefetch(tf.data.AUTOTUNE)
    valid = tokenized(*task.valid).batch(task.batch_size).prefetch(tf.data.AUTOTUNE)
    freeze(classifier, task.job)
    classifier.compile(
        keras.optimizers.Adam(keras_parts.rate_of(task)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    classifier.fit(
        train,
        validation_data=valid,
        epochs=task.epochs,
        callbacks=[keras_parts.TellClock(the_contest)],
        verbose=0,
    )
    the_contest.finish("keras-hub", "keras", "tensorflow")


if __name__ == "__main__":
    main()
