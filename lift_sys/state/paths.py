"""Where a value stands inside a state: attribute names and keys, from the root.

As text a path is the Python expression that follows `state.`: `plan`, `notes['a'].title`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Key:
    """A step into a dict (or list) by key (or index); a step by attribute is its name, a str."""

    key: Any


Path: TypeAlias = tuple[str | Key, ...]


def path_text(path: Path, *, root: str = "") -> str:
    """`path` as a Python expression; `root` stands in front if it is given.

    An empty path without a root is "state" itself.
    """
    text = root
    for step in path:
        if isinstance(step, Key):
            text += f"[{step.key!r}]"
        else:
            text += f".{step}" if text else step
    return text or "state"
