"""kerasft: texts grouped by length; where something is frozen, its features computed once."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import contest
import keras
import keras_parts

import kerasft

POLICIES = {
    "frozen": kerasft.TrainHead(),
    "last_two": kerasft.TrainLastBlocks(2),
    "everything": kerasft.TrainEverything(),
}


def main():
    the_contest = contest.Contest()
    task = the_contest.task
    keras.utils.set_random_seed(task.seed)
    backbone = kerasft.Backbone.from_preset(
        task.preset, dtype={"float32": "float32", "bfloat16": "mixed_bfloat16"}[task.dtype]
    )
    preprocessor = backbone.preprocessor(sequence_length=task.sequence_length)

    the_contest.start()
    head = kerasft.ClassificationHead(2, dropout=task.dropout)
    model = backbone.attach(head)
    POLICIES[task.job].apply(model)
    batches = kerasft.data.Batches(
        preprocessor, batch_size=task.batch_size, num_classes=2, seed=task.seed
    )
    train, valid = batches(*task.train, shuffle=True), batches(*task.valid)
    if task.job != "everything":
        where = {"directory": task.directory} if task.directory else {}
        cache = kerasft.FeatureCache(model, **where)
        model, train, valid = cache.model, cache.batches(train), cache.batches(valid)
    model.compile(
        # AdamW without weight decay is Adam.
        kerasft.optimizers.FusedAdamW(keras_parts.rate_of(task), weight_decay=0.0),
        loss=head.default_loss(),
        metrics=head.default_metrics(),
        steps_per_execution=keras_parts.steps_per_execution(task),
    )
    kerasft.tuning.build_for_fit(model, train)
    model.fit(
        train,
        validation_data=valid,
        epochs=task.epochs,
        callbacks=[keras_parts.TellClock(the_contest)],
        verbose=0,
    )
    the_contest.finish("kerasft", "keras", "tensorflow")


if __name__ == "__main__":
    main()
