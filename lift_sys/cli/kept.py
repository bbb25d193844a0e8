"""What commands on kept runs share: finding the graph of a run, and running what goes on."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from shlex import quote
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lift_sys.cli.loading import load_graph
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.core.ports import Opened
    from lift_sys.durability import RunRecord
    from lift_sys.durability.stores.base import DatabaseStore
    from lift_sys.graph.graph import Graph


def graph_for(
    record: RunRecord, target: str | None, modules: dict[str, ModuleType] | None = None
) -> Graph[Any]:
    """The graph to go on with: the one that is named, or the run's own if it is one of ours.

    A store may come from elsewhere, so what it names is imported only from below here. `modules`
    are as for `load_graph`.

    Raises:
        UsageError: None is named, and the run's own is not known, or not below this folder.
    """
    if target:
        return load_graph(target, modules)
    run = record.execution_id
    if not record.target:
        raise UsageError(
            f"It is not known where the graph {record.graph!r} of run {run!r} was found, as a "
            f"program began it. Go on with that program (after `lift demo` the same command with "
            f"--id {quote(run)}), or say it: MODULE:GRAPH after the run."
        )
    module, colon, _ = record.target.rpartition(":")
    if not _is_below(module if colon else record.target):
        raise UsageError(
            f"The run {run!r} says that its graph is {record.target}, which is not below this "
            f"folder, so it is not imported by itself. Go there, or say it: {record.target} after "
            f"the run."
        )
    return load_graph(record.target, modules)


def target_of(spec: str) -> str:
    """How a run's record names its graph: a file by its place below the project, as it was given."""
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


class Targeted:
    """A store that enters into runs which begin in it where their graph was found."""

    def __init__(self, store: DatabaseStore, target: str) -> None:
        self.store, self.target = store, target

    async def begin_run(self, graph: Graph[Any], **options: Any) -> Opened:
        """As the store does."""
        return await self.store.begin_run(graph, target=self.target, **options)

    async def resume_run(self, graph: Graph[Any], execution_id: str, **options: Any) -> Opened:
        """As the store does."""
        return await self.store.resume_run(graph, execution_id, **options)


def kept_text(execution_id: str, command: str) -> str:
    """Which run it is, and the command with which it goes on."""
    return f"The run {execution_id} is kept; this goes on with it:\n  {command}"
