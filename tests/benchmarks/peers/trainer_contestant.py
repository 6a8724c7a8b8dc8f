"""Hugging Face's Trainer: texts grouped by length, each batch padded to its longest.

The model is `AutoModel` under a mean over tokens, dropout and one dense layer: the head that
kerasft has. With bfloat16, `bf16=True`, and the frozen layers are held in bfloat16: autocast keeps
the converted weights of a step for what trains, and converts frozen ones at every use.
"""

import os
import tempfile

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

import contest
import torch
import transformers


class MeanPooledClassifier(torch.nn.Module):
    """A backbone, the mean over its tokens, dropout, and a logit for each class."""

    def __init__(self, folder, dropout):
        super().__init__()
        self.backbone = transformers.AutoModel.from_pretrained(folder, add_pooling_layer=False)
        self.dropout = torch.nn.Dropout(dropout)
        self.logits = torch.nn.Linear(self.backbone.config.hidden_size, 2)

    def forward(self, input_ids, attention_mask, token_type_ids=None, labels=None):
        features = self.backbone(input_ids, attention_mask, token_type_ids).last_hidden_state
        mask = attention_mask.unsqueeze(-1).float()
        pooled = (features.float() * mask).sum(1) / mask.sum(1)
        logits = self.logits(self.dropout(pooled)).float()
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


class TellClock(transformers.TrainerCallback):
    """Tells the clock of each epoch, when its validation is over."""

    def __init__(self, contest):
        self.contest = contest

    def on_evaluate(self, args, state, control, metrics=None, **kwargs):
        if self.contest.epoch_ended(metrics["eval_accuracy"]):
            control.should_training_stop = True


def freeze(model, job, dtype):
    """What does not train: no gradients; in a bfloat16 run, weights in bfloat16."""
    frozen = {
        "frozen": [model.backbone],
        "last_two": [model.backbone.embeddings, *model.backbone.encoder.layer[:-2]],
        "everything": [],
    }[job]
    for module in frozen:
        module.requires_grad_(False)
        if dtype == "bfloat16":
            module.to(torch.bfloat16)


def accuracy(prediction):
    """The share of right answers."""
    return {"accuracy": (prediction.predictions.argmax(-1) == prediction.label_ids).mean()}


def main():
    the_contest = contest.Contest()
    task = the_contest.task
    transformers.set_seed(task.seed)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = MeanPooledClassifier(task.model, task.dropout)
    tokenizer = transformers.AutoTokenizer.from_pretrained(task.model)

    the_contest.start()

    def tokenized(texts, labels):
        columns = tokenizer(texts, truncation=True, max_length=task.sequence_length)
        rows = zip(*columns.values(), labels, strict=True)
        return [dict(zip((*columns, "labels"), row, strict=True)) for row in rows]

    train, valid = tokenized(*task.train), tokenized(*task.valid)
    freeze(model, task.job, task.dtype)
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder,
            use_cpu=True,
            bf16=task.dtype == "bfloat16",
            per_device_train_batch_size=task.batch_size,
            per_device_eval_batch_size=task.batch_size,
            train_sampling_strategy="group_by_length",
            num_train_epochs=task.epochs,
            learning_rate=task.rate,
            lr_scheduler_type="linear",
            warmup_steps=task.warmup_steps,
            adam_epsilon=1e-7,  # Keras's
            max_grad_norm=0.0,  # nobody else clips, and the norm costs time
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            seed=task.seed,
        )
        trainer = transformers.Trainer(
            model,
            arguments,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
            train_dataset=train,
            eval_dataset=valid,
            processing_class=tokenizer,
            compute_metrics=accuracy,
            callbacks=[TellClock(the_contest)],
        )
        trainer.train()
    the_contest.finish("transformers", "accelerate", "torch")


if __name__ == "__main__":
    main()
