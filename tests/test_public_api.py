"""What is public: the exports, their documentation, and configs that go round."""

import configparser
import doctest
import importlib
import inspect
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from api_page import (
    NAMESPACES,
    PAGE,
    members,
    names_in,
    page,
    public_symbols,
    resolves,
)

import kerasft

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "kerasft").rglob("*.py")
)
FOLDERS = [name for name in MODULES if (ROOT / name.replace(".", "/")).is_dir()]

SYMBOLS = public_symbols()
CALLABLES = {
    path: value
    for path, value in SYMBOLS.items()
    if inspect.isclass(value) or inspect.isfunction(value)
}
ERRORS = [path for path in CALLABLES if path.startswith("kerasft.errors.")]


# Exports.


def test_kerasft_exports_these_names():
    assert kerasft.__all__ == [
        "Backbone",
        "ClassificationHead",
        "FeatureCache",
        "FreezePolicy",
        "Head",
        "Plan",
        "RegressionHead",
        "TrainBiases",
        "TrainEverything",
        "TrainGradually",
        "TrainHead",
        "TrainHeadThenEverything",
        "TrainLastBlocks",
        "TrainLastLayers",
        "TrainNorms",
        "TrainSelected",
        "backbones",
        "callbacks",
        "data",
        "errors",
        "evaluate",
        "evaluation",
        "features",
        "find_learning_rate",
        "freezing",
        "heads",
        "load_model",
        "optimizers",
        "select",
        "sklearn",
        "sources",
        "structure",
        "testing",
        "tuning",
    ]
    assert all(getattr(kerasft, name) is not None for name in kerasft.__all__)
    assert set(kerasft.__all__) <= set(dir(kerasft))


@pytest.mark.parametrize("name", FOLDERS)
def test_exports_are_sorted_and_there(name):
    module = importlib.import_module(name)
    # Constants first, then classes, then functions, as ruff has it; each kind by the alphabet.
    assert module.__all__ == sorted(
        module.__all__, key=lambda export: (not export.isupper(), export)
    )
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, export) for export in module.__all__)


def test_the_page_knows_every_public_namespace():
    inner = [f"kerasft.{n}" for n in kerasft.__all__ if inspect.ismodule(getattr(kerasft, n))]
    assert set(inner) < set(NAMESPACES)


def test_the_version_has_one_home():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    assert config["metadata"]["version"] == "attr: kerasft.__version__"
    assert re.fullmatch(r"\d+\.\d+\.\d+", kerasft.__version__)


# Documentation.


def test_the_api_page_is_up_to_date():
    told = PAGE.read_text(encoding="utf-8")
    assert told == page(), "write docs/api.md again: python tests/api_page.py"


@pytest.mark.parametrize("path", CALLABLES)
def test_public_names_are_documented_with_an_example(path):
    value = CALLABLES[path]
    text = inspect.getdoc(value) or ""
    assert re.match(r"[A-Z0-9`].*[.:]", text.split("\n\n")[0], re.DOTALL), "no first sentence"
    if path not in ERRORS:
        assert doctest.DocTestParser().get_examples(text), "no example"


@pytest.mark.parametrize("path", [path for path in CALLABLES if inspect.isclass(CALLABLES[path])])
def test_public_methods_are_documented(path):
    own = members(CALLABLES[path])
    assert [name for name, member in own.items() if not inspect.getdoc(member)] == []


def documented_arguments(value):
    """The names below `Args:` (of a dataclass, `Attributes:`), in order; None without either."""
    text = inspect.getdoc(value) or ""
    headings = ["Args", "Attributes"] if hasattr(value, "__dataclass_fields__") else ["Args"]
    for heading in headings:
        found = re.search(rf"^{heading}:\n((?:    .*\n|\n)+)", text + "\n", re.MULTILINE)
        if found:
            return re.findall(r"^    (\*{0,2}\w+)(?: \([^)]*\))?:", found[1], re.MULTILINE)
    return None


def real_arguments(value):
    stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return [
        stars.get(parameter.kind, "") + name
        for name, parameter in inspect.signature(value).parameters.items()
        if name not in ("self", "cls")
    ]


def callables_with_arguments():
    for path, value in CALLABLES.items():
        if path not in ERRORS:
            yield path, value, True
        for name, member in members(value).items() if inspect.isclass(value) else ():
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function):
                yield f"{path}.{name}", function, False


@pytest.mark.parametrize(
    ("path", "value", "must"),
    [pytest.param(*case, id=case[0]) for case in callables_with_arguments()],
)
def test_documented_arguments_are_the_real_ones(path, value, must):
    real, documented = real_arguments(value), documented_arguments(value)
    if documented is None:
        # A method of one argument may tell it in its sentence; a class or a function may not.
        assert not (must and real), f"no `Args:` for {real}"
    else:
        assert documented == real


def test_a_wrong_argument_in_a_docstring_is_found():
    def function(count, *names, **kwargs):
        """Do it.

        Args:
            count: How many
                of them: or fewer.
            *names (str): Which.
            rest: What else.

        Returns:
            other: this.
        """

    assert documented_arguments(function) == ["count", "*names", "rest"]
    assert real_arguments(function) == ["count", "*names", "**kwargs"]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what an example writes does not stay
    module = importlib.import_module(name)
    assert doctest.testmod(module, optionflags=doctest.ELLIPSIS).failed == 0


def test_names_in_docstrings_and_messages_exist():
    """`kerasft.something` in a docstring, a comment or a message is a name that there is."""
    missing = {
        (path.name, name)
        for path in (ROOT / "kerasft").rglob("*.py")
        for name in names_in(path.read_text(encoding="utf-8"))
        if not resolves(name)
    }
    assert missing == set()


# Configs.


def small_model():
    inputs = keras.Input((4,))
    x = keras.layers.Dense(4, name="body")(inputs)
    return keras.Model(inputs, keras.layers.Dense(2, name="top")(x))


@keras.saving.register_keras_serializable(package="kerasft_tests")
def done_with_it(epochs, logs):
    return epochs > 2


select = kerasft.select
INSTANCES = {
    "ClassificationHead": lambda: kerasft.ClassificationHead(
        3, "mean", (8, 4), "gelu", 0.25, "sigmoid", True, ["a", "b", "c"], "x", "channels_last"
    ),
    "RegressionHead": lambda: kerasft.RegressionHead(2, "max", 8, "tanh", 0.5, "relu", "x"),
    "Pooling": lambda: kerasft.heads.Pooling("attention", "channels_first", name="p"),
    "FreezePolicy": lambda: kerasft.FreezePolicy(frozen_mode="training"),
    "TrainBiases": lambda: kerasft.TrainBiases(and_head=False, frozen_mode="training"),
    "TrainEverything": lambda: kerasft.TrainEverything(frozen_mode="training"),
    "TrainGradually": lambda: kerasft.TrainGradually(step=2, last=3, frozen_mode="training"),
    "TrainHead": lambda: kerasft.TrainHead(frozen_mode="training"),
    "TrainHeadThenEverything": lambda: kerasft.TrainHeadThenEverything(frozen_mode="training"),
    "TrainLastBlocks": lambda: kerasft.TrainLastBlocks(2, frozen_mode="training"),
    "TrainLastLayers": lambda: kerasft.TrainLastLayers(3, frozen_mode="training"),
    "TrainNorms": lambda: kerasft.TrainNorms(and_head=False, frozen_mode="training"),
    "TrainSelected": lambda: kerasft.TrainSelected(
        select.Norms() | "top", and_head=False, frozen_mode="training"
    ),
    "And": lambda: select.Norms() & select.Path("a*"),
    "Or": lambda: select.Norms() | select.Path("a*"),
    "Not": lambda: ~select.Norms(),
    "Path": lambda: select.Path("a*"),
    "LayerClass": lambda: select.LayerClass("Dense"),
    "Block": lambda: select.Block(-1),
    "LastBlocks": lambda: select.LastBlocks(2),
    "FirstBlocks": lambda: select.FirstBlocks(2),
    "Norms": lambda: select.Norms(),
    "Biases": lambda: select.Biases(),
    "Embeddings": lambda: select.Embeddings(),
    "Head": lambda: select.Head(),
    "Backbone": lambda: select.Backbone(),
    "Everything": lambda: select.Everything(),
    "LayerwiseOptimizer": lambda: kerasft.optimizers.LayerwiseOptimizer(
        keras.optimizers.AdamW(1e-3),
        small_model(),
        decay=0.5,
        head_multiplier=3.0,
        no_weight_decay=select.Path("body/kernel"),
        decay_biases_and_norms=True,
        name="rates",
    ),
    "FusedAdamW": lambda: kerasft.optimizers.FusedAdamW(
        2e-3, 0.01, 0.8, 0.99, 1e-6, amsgrad=True, name="fused", global_clipnorm=1.0
    ),
    "L2SP": lambda: kerasft.optimizers.L2SP(
        keras.optimizers.AdamW(1e-3),
        small_model(),
        0.5,
        head_strength=0.25,
        selector=select.Path("body/kernel"),
        decoupled=False,
        name="pull",
    ),
    "Phase": lambda: kerasft.callbacks.Phase(
        kerasft.TrainHead(),
        3,
        learning_rate=0.1,
        patience=2,
        monitor="loss",
        min_delta=0.5,
        mode="min",
        restore_best_weights=False,
        until=done_with_it,
        name="first",
    ),
}
# What a config leaves out on purpose.
NOT_IN_CONFIG = {"LayerwiseOptimizer": {"model"}, "L2SP": {"model"}}  # their rows are in `table`
KERAS_ADDS = {"name", "trainable", "dtype"}


def registered():
    """Every class of kerasft's own that Keras serializes, by its name."""
    for name in MODULES:
        importlib.import_module(name)
    found = {}
    for key, value in keras.saving.get_custom_objects().items():
        if key.startswith("kerasft>") and value.__module__.startswith("kerasft."):
            found[key.removeprefix("kerasft>")] = value
    return found


def test_every_registered_class_is_tried_below():
    assert {*registered()} == {*INSTANCES}


@pytest.mark.parametrize("name", INSTANCES)
def test_configs_go_round(name):
    instance = INSTANCES[name]()
    kind = registered()[name]
    assert type(instance) is kind

    config = instance.get_config()
    parameters = {*inspect.signature(kind).parameters} - {"kwargs"}
    assert parameters - {*config} == NOT_IN_CONFIG.get(name, set())
    added = KERAS_ADDS if issubclass(kind, keras.Layer) else set()
    if issubclass(kind, keras.optimizers.AdamW):  # what it hands on as `**kwargs`
        added = {*keras.optimizers.AdamW().get_config()}
    assert {*config} - parameters <= added

    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(instance))
    assert type(again) is kind
    assert comparable(again.get_config()) == comparable(config)
    # An instance whose arguments are not the defaults shows that none is dropped on both sides.
    defaults = {
        key: parameter.default for key, parameter in inspect.signature(kind).parameters.items()
    }
    if not hasattr(kind, "__dataclass_fields__"):
        told = [key for key in parameters & {*config} if key not in KERAS_ADDS | {"table"}]
        same = [key for key in told if np.all(config[key] == defaults[key])]
        assert len(same) <= len(told) // 2, f"let these differ from their defaults: {same}"


def comparable(config):
    return keras.saving.serialize_keras_object(config)
