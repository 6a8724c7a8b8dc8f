"""What is public, read from the package itself; `python tests/api_page.py` writes `docs/api.md`.

A test compares the page with what this writes, so that neither can change without the other.
"""

import functools
import importlib
import inspect
import re
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "api.md"

# Every public namespace in the order of the page. `kerasft` comes first, so that what it has is
# told there and not a second time below.
NAMESPACES = [
    "kerasft",
    "kerasft.callbacks",
    "kerasft.data",
    "kerasft.data.builders",
    "kerasft.data.tokenizers",
    "kerasft.backbones",
    "kerasft.heads",
    "kerasft.freezing",
    "kerasft.select",
    "kerasft.optimizers",
    "kerasft.features",
    "kerasft.evaluation",
    "kerasft.tuning",
    "kerasft.sklearn",
    "kerasft.structure",
    "kerasft.sources",
    "kerasft.testing",
    "kerasft.errors",
]

INTRODUCTION = """\
# Every public name

Written by `python tests/api_page.py` from the package itself; a test keeps it true. Each name's
docstring has its arguments, what it raises and an example: `help(kerasft.Backbone)`.

After `import kerasft` all of them are there; most load when they are first used. Only
`kerasft.data.builders` and `kerasft.data.tokenizers` must be imported by name.
"""


@functools.cache
def public_symbols():
    """Every public function, class and constant once, by the shortest name it goes by."""
    symbols, known = {}, set()
    for namespace in NAMESPACES:
        module = importlib.import_module(namespace)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.ismodule(value) or id(value) in known:
                continue
            known.add(id(value))
            symbols[f"{namespace}.{name}"] = value
    return symbols


def first_sentence(value):
    """The first paragraph of a docstring on one line."""
    return " ".join((inspect.getdoc(value) or "").split("\n\n")[0].split())


def signature(value):
    """The arguments without their types; empty for what takes none."""
    try:
        whole = inspect.signature(value)
    except ValueError:
        return ""
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for name, parameter in whole.parameters.items()
        if name not in ("self", "cls")
    ]
    return re.sub(r"<function (\w+) at 0x\w+>", r"\1", str(inspect.Signature(bare)))


def members(cls):
    """The public methods and properties that are its own: not Python's, Keras's or a base's here.

    What a public base class of kerasft's has is told there.
    """
    told = {id(value) for value in public_symbols().values()} - {id(cls)}
    foreign = {
        name
        for base in cls.__mro__
        if not base.__module__.startswith("kerasft") or id(base) in told
        for name in vars(base)
    }
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("kerasft"):
            for name, value in vars(base).items():
                usual = name in ("get_config", "from_config") or name in foreign
                if not name.startswith("_") and not usual and is_documented_kind(value):
                    found[name] = value
    return found


def is_documented_kind(value):
    """Whether a class's attribute is a method or a property, and not a plain value."""
    return (
        inspect.isfunction(value)
        or isinstance(value, (classmethod, staticmethod, property))
        or type(value).__name__ == "cached_property"
    )


def page():
    """The whole page as text."""
    parts = [INTRODUCTION]
    symbols = public_symbols()
    for namespace in NAMESPACES:
        parts.append(f"## {namespace}\n")
        if namespace != "kerasft":
            parts.append(first_sentence(importlib.import_module(namespace)) + "\n")
        own = {
            path: value for path, value in symbols.items() if path.rpartition(".")[0] == namespace
        }
        lines = [line for path, value in own.items() for line in entry(path, value)]
        parts.append("\n".join(lines) + "\n")
        elsewhere = [
            f"`{name}`"
            for name in importlib.import_module(namespace).__all__
            if f"{namespace}.{name}" not in own
        ]
        if namespace == "kerasft":
            parts.append(f"Namespaces: {', '.join(elsewhere)}.\n")
        elif elsewhere:
            parts.append(f"Also, the same as above: {', '.join(elsewhere)}.\n")
    return "\n".join(parts)


def entry(path, value):
    """The lines of one name, and of its methods if it is a class."""
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        yield f"- **`{path}`** = `{value!r}`."
        return
    arguments = "" if inspect.isclass(value) and issubclass(value, Exception) else signature(value)
    yield f"- **`{path}`**" + (f"`{arguments}`" if arguments else "") + "  "
    yield f"  {first_sentence(value)}"
    if inspect.isclass(value):
        for name, member in members(value).items():
            function = getattr(member, "__func__", member)
            shown = signature(function) if inspect.isfunction(function) else ""
            yield f"  - `.{name}{shown}`: {first_sentence(member)}"


def names_in(text):
    """Every dotted name that begins with `kerasft.` in a text."""
    return {name.rstrip(".") for name in re.findall(r"(?<![\w/.\"])kerasft(?:\.\w+)+", text)}


def resolves(name):
    """Whether there is something of that name, a module that must be imported first included."""
    value = importlib.import_module("kerasft")
    for part in name.split(".")[1:]:
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(f"{value.__name__}.{part}")
            except (AttributeError, ImportError):
                return False
    return True


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
