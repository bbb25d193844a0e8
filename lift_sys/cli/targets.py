"""What a run's record says of where its graph and services were found, and whether that is ours.

A store may come from elsewhere, so what it names is imported by itself only from below this folder.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lift_sys.durability import RunRecord

_DEPS = " --deps "  # in the record both are one text, as on the command line


class Target(NamedTuple):
    """Where a run was told to look.

    Attributes:
        graph: `MODULE:GRAPH`, a file by its whole path; "" if it is not known.
        deps: `MODULE:NAME` of its services; "" if it has none.
    """

    graph: str
    deps: str = ""

    @classmethod
    def given(cls, graph: str, deps: str | None) -> Target:
        """As the command line was told."""
        return cls(_whole(graph), _whole(deps or ""))

    @classmethod
    def of(cls, record: RunRecord) -> Target:
        """As the record says."""
        graph, _, deps = record.target.partition(_DEPS)
        return cls(graph, deps)

    def text(self) -> str:
        """For the record."""
        return f"{self.graph}{_DEPS}{self.deps}" if self.deps else self.graph

    def is_below_here(self) -> bool:
        """Whether the graph is known, and found below this folder."""
        module, colon, _ = self.graph.rpartition(":")
        return _is_below(module if colon else self.graph)


def _whole(spec: str) -> str:
    """With the whole path of a file."""
    module, colon, name = spec.rpartition(":")
    if not colon:
        module, name = spec, ""
    if module.endswith(".py"):
        module = str(Path(module).resolve())
    return f"{module}:{name}" if name else module


def _is_below(module: str) -> bool:
    here = Path.cwd().resolve()
    if module.endswith(".py"):
        return Path(module).resolve().is_relative_to(here)
    place = here.joinpath(*module.split("."))
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    if not (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()):
        return False
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    try:  # another module of this name could be imported in its place
        first = importlib.util.find_spec(module.partition(".")[0])
    except ValueError:
        return False
    places = [] if first is None else [first.origin, *(first.submodule_search_locations or ())]
    return bool(places) and all(
        Path(each).resolve().is_relative_to(here) for each in places if each is not None
    )
