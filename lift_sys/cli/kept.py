"""What commands on kept runs share: finding the graph of a run, and saying that a run is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from shlex import quote
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from lift_sys.cli.loading import load_graph
from lift_sys.cli.targets import Target
from lift_sys.errors import LiftError, UnknownRunError, UsageError

if TYPE_CHECKING:
    from lift_sys.core.ports import Opened
    from lift_sys.durability import Fact, RunRecord
    from lift_sys.durability.stores.base import DatabaseStore
    from lift_sys.graph.graph import Graph

#: Makes the command that goes on with a run, of its record and facts.
Command: TypeAlias = "Callable[[RunRecord, Sequence[Fact]], str]"


def graph_for(
    record: RunRecord, target: str | None, modules: dict[str, ModuleType] | None = None
) -> Graph[Any]:
    """The graph to go on with: the one that is named, or the run's own if it is one of ours.

    `modules` are as for `load_graph`.

    Raises:
        UsageError: None is named, and the run's own is not known, or not below this folder.
    """
    if target:
        return load_graph(target, modules)
    run, known = record.execution_id, Target.of(record)
    if not known.graph:
        raise UsageError(
            f"It is not known where the graph {record.graph!r} of run {run!r} was found, as a "
            f"program began it. Go on with that program (after `lift demo` the same command with "
            f"--id {quote(run)}), or say it: MODULE:GRAPH after the run."
        )
    if not known.is_below_here():
        raise UsageError(
            f"The run {run!r} says that its graph is {known.graph}, which is not below this "
            f"folder, so it is not imported by itself. Go there, or say it: {known.graph} after "
            f"the run."
        )
    return load_graph(known.graph, modules)


def kept_words(execution_id: str, command: str) -> str:
    """Which run it is, and the command with which it goes on."""
    return f"The run {execution_id} is kept; this goes on with it:\n  {command}"


class Kept:
    """The store of a command, for its one run: says that this is kept, once it is.

    It is said before the first step, as a kill leaves no time for last words.

    Args:
        store: Where the run is kept.
        execution_id: The run.
        command: What goes on with it.
        target: Where its graph is found, for the record of a new one.

    Attributes:
        said: The command, as it was when somebody looked last; "" before the run is there.
        went_on: Whether the run was there before.
        had_finished: Whether it had finished before, so that there is only its result to give again.
        on_begun: Called when it is there.
    """

    def __init__(
        self, store: DatabaseStore, execution_id: str, command: Command, *, target: str = ""
    ) -> None:
        self.store, self.execution_id, self.target = store, execution_id, target
        self.said = ""
        self.went_on = self.had_finished = False
        self.on_begun: Callable[[], None] = lambda: None
        self._command = command

    async def begin_run(self, graph: Graph[Any], **options: Any) -> Opened:
        """As the store does."""
        with suppress(UnknownRunError):
            await self._before()
        opened = await self.store.begin_run(graph, target=self.target, **options)
        await self._begun()
        return opened

    async def resume_run(self, graph: Graph[Any], execution_id: str, **options: Any) -> Opened:
        """As the store does."""
        await self._before()
        opened = await self.store.resume_run(graph, execution_id, **options)
        await self._begun()
        return opened

    async def look(self) -> None:
        """What the run has done since may need more to go on: secrets, answers."""
        with suppress(LiftError):  # a store that went away has been told of
            record, facts = await self.store.load(self.execution_id)
            self.said = self._command(record, facts)

    def words(self) -> str:
        """Which run it is, and what goes on with it if anything is left to do; for when it is there."""
        if self.had_finished:
            return f"The run {self.execution_id} has finished already; nothing of it runs again."
        return kept_words(self.execution_id, self.said)

    async def _before(self) -> None:
        # Opening it takes the run over, and then it is called running.
        record, _ = await self.store.load(self.execution_id)
        self.had_finished = record.status == "finished"

    async def _begun(self) -> None:
        record, facts = await self.store.load(self.execution_id)
        self.went_on = record.takeovers > 0
        self.said = self._command(record, facts)
        self.on_begun()
