"""What a message offers for a path pattern that matches nothing."""

import fnmatch
import re

from kerasft._checks import nearest
from kerasft.structure import Structure

_WILDCARD = re.compile(r"[*?\[\]]")


def nearest_paths(pattern: str, structure: Structure) -> str:
    """A sentence with the paths of a model that are spelled most like a pattern."""
    paths = _paths(structure)
    found = _respelled(pattern, paths) or nearest(pattern, paths)
    if not found:
        word = max(re.split(r"[*?/\[\]]", pattern), key=len)
        found = [path for path in paths if word and word.lower() in path.lower()][:3]
    if not found:
        return f"Paths look like {', '.join(paths[:3])}."
    return f"The nearest paths are {', '.join(found)}."


def _respelled(pattern: str, paths: list[str]) -> list[str]:
    """A pattern with wildcards whose misspelt names are put right, if that makes it fit."""
    if not _WILDCARD.search(pattern):
        return []
    names = dict.fromkeys(name for path in paths for name in path.split("/"))
    parts = pattern.split("/")
    for place, part in enumerate(parts):
        if not _WILDCARD.search(part) and part not in names:
            parts[place] = next(iter(nearest(part, names, 1)), part)
    respelled = "/".join(parts)
    return [respelled] if any(fnmatch.fnmatchcase(path, respelled) for path in paths) else []


def _paths(structure: Structure) -> list[str]:
    """Every path of a variable and every beginning of one, each once, in the model's order."""
    paths: dict[str, None] = {}
    for variable in structure.variables:
        parts = variable.path.split("/")
        paths.update(dict.fromkeys("/".join(parts[:end]) for end in range(1, len(parts) + 1)))
    return list(paths)
