"""The order of imports: data enters on the left and leaves on the right, and nothing looks back.

`docs/architecture.md` tells the same order in words, and a test below compares the two.
"""

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "kerasft"

# A part imports parts of lower levels only, never one of its own level.
LEVELS = [
    {"errors"},
    {"_checks", "_digests", "_progress", "_tables", "_update_steps"},
    {"sources", "structure"},
    {"select"},
    {"adapters", "data", "evaluation", "freezing", "heads", "optimizers"},
    {"backbones", "callbacks", "features", "saving"},
    {"sklearn", "testing", "tuning"},
    {"__init__"},
]
LEVEL_OF = {part: level for level, parts in enumerate(LEVELS) for part in parts}

# What a part may import at its modules' tops beside the standard library, NumPy and Keras: it loads
# when it is first used, and its classes derive from classes of that package.
ALLOWED_AT_TOP = {"sklearn": {"sklearn"}}

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    """`kerasft/data/batches.py` is `kerasft.data.batches`; a folder goes by its own name."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path): path for path in MODULES}


def part_of(module):
    """The file or folder directly below `kerasft` that a module belongs to."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imports_of(path, *, everywhere=True):
    """The modules that a file imports, as `(module, line)`.

    `everywhere` also takes the imports inside functions and those for type checkers only;
    otherwise only those that run when the module is imported.
    """
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), everywhere):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base]).rstrip(".")
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield (inner if inner in NAMES else base), node.lineno


def _nodes(tree, everywhere):
    if everywhere:
        yield from ast.walk(tree)
        return
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        yield node
        waiting.extend(ast.iter_child_nodes(node))


def ours(path, **kwargs):
    return [(m, line) for m, line in imports_of(path, **kwargs) if m.split(".")[0] == "kerasft"]


def wrong_arrows(path):
    own = part_of(name_of(path))
    return [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for module, line in ours(path)
        if part_of(module) != own and LEVEL_OF[part_of(module)] >= LEVEL_OF[own]
    ]


def test_every_part_has_a_level():
    parts = {part_of(name) for name in NAMES}
    assert parts <= set(LEVEL_OF), f"give these a level: {sorted(parts - set(LEVEL_OF))}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_points_up_or_sideways(path):
    assert wrong_arrows(path) == []


@pytest.mark.parametrize(
    ("where", "source"),
    [
        ("structure/walk.py", "import kerasft.select"),
        ("heads/head.py", "from kerasft import data"),
        ("heads/head.py", "from kerasft.freezing import Plan"),
        ("select/parts.py", "def f():\n    from kerasft.heads import Head"),
        ("errors.py", "from kerasft import Backbone"),
        ("data/batches.py", "from ..backbones import Backbone"),
    ],
)
def test_an_arrow_that_points_up_is_found(tmp_path, monkeypatch, where, source):
    path = tmp_path / "kerasft" / where
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert len(wrong_arrows(path)) == 1


def test_no_module_imports_itself_round_a_corner():
    # A folder's `__init__` collects what its modules make; they do not read from it. It counts as
    # a module of its own, so that reading from it would close a circle.
    graph = {name_of(path): {module for module, _ in _real(path)} for path in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail("a circle of imports: " + " imports ".join(reversed(error.args[1])))


def _real(path):
    """Imports that run at some time: those for type checkers only are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    checkers_only = {
        inner.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    }
    return [(module, line) for module, line in ours(path) if line not in checkers_only]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_tops_import_nothing_heavy(path):
    allowed = {*sys.stdlib_module_names, "numpy", "keras", "kerasft"}
    allowed |= ALLOWED_AT_TOP.get(part_of(name_of(path)), set())
    heavy = [
        f"line {line}: {module}"
        for module, line in imports_of(path, everywhere=False)
        if module.split(".")[0] not in allowed
    ]
    assert heavy == [], "import these inside the functions that use them"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_what_is_private_to_a_folder_stays_there(path):
    own = name_of(path)
    borrowed = [
        f"line {line}: {module}"
        for module, line in ours(path)
        if any(part.startswith("_") for part in module.split(".")[2:])
        and part_of(module) != part_of(own)
    ]
    assert borrowed == []


def test_importing_kerasft_loads_nothing_that_keras_did_not():
    code = (
        "import sys, keras\n"
        "before = set(sys.modules)\n"
        "import kerasft\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    loaded = set(run.stdout.split()) - set(sys.stdlib_module_names)
    assert loaded == {"kerasft"}


def test_the_parts_that_wait_load_when_they_are_used():
    code = (
        "import sys, kerasft\n"
        "waiting = {f'kerasft.{name}' for name in kerasft._MODULES_WHEN_USED}\n"
        "waiting.update(kerasft._NAMES_WHEN_USED.values())\n"
        "print(sorted(waiting & set(sys.modules)))\n"
        "print(sorted(set(kerasft.__all__) - set(dir(kerasft))))\n"
        "print([name for name in kerasft.__all__ if getattr(kerasft, name) is None])\n"
        "print(sorted(waiting - set(sys.modules)))\n"
        "try:\n"
        "    kerasft.evalute\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    told = ["[]"] * 4 + ["module 'kerasft' has no attribute 'evalute'"]
    assert run.stdout.splitlines() == told


def test_the_architecture_page_tells_the_same_order():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    order = re.search(r"```text\n(errors <.*?)```", page, re.DOTALL)[1]
    told = [set(re.findall(r"\w+", level)) for level in order.split("<")]
    assert told == LEVELS


def test_the_architecture_page_knows_who_imports_private_parts_of_keras():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = set(re.findall(r"^\| `([\w/.]+)` \| `keras\.src\.", page, re.MULTILINE))
    real = {
        path.relative_to(PACKAGE).as_posix()
        for path in MODULES
        if any(module.startswith("keras.src") for module, _ in imports_of(path))
    }
    assert told == real


def test_folders_export_what_their_modules_make_and_nothing_else():
    """An `__init__` holds a docstring, imports and `__all__`; only the outermost does more."""
    for path in MODULES:
        if path.name != "__init__.py" or path.parent == PACKAGE:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body[1:]:
            is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            assert is_all or isinstance(node, ast.ImportFrom), f"{path}:{node.lineno}"
