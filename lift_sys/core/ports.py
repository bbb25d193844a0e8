"""What lower layers need from higher ones, as the smallest promises."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lift_sys.core.context import RunContext
    from lift_sys.core.events import Event
    from lift_sys.core.successors import Question, Suspend
    from lift_sys.core.usage import UsageLedger
    from lift_sys.execution.isolation import Base
    from lift_sys.execution.join import Joined
    from lift_sys.execution.record import Record
    from lift_sys.execution.results import NodeResult
    from lift_sys.graph.graph import Graph
    from lift_sys.state.snapshot import Snapshot


class Clock(Protocol):
    """Tells `ctx.now()` the time. Deadlines and waits follow the event loop's clock, not this."""

    def now(self) -> datetime:
        """Return an aware datetime in UTC."""
        ...


class Observer(Protocol):
    """Receives the events of a run in order: a log, a progress bar, a trace.

    It is called from a task of its own; what it raises is logged once and it is called no more,
    and a slow one never holds up the run (`execution/bus.py`).
    """

    def __call__(self, event: Event, /) -> Awaitable[None] | None:
        """Take one event; may return an awaitable, which is awaited before the next event."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedJoin:
    """How the branches of a fork had ended when they were joined.

    Attributes:
        stopping: The branch in which a `Stop` was returned, which no other branch may outlive;
            then nothing was joined, and the next three are empty.
        succeeded: Indices of the branches that had, in the order in which the strategy was told.
        failed: Why others had not, by index; cancelled ones have `asyncio.CancelledError`.
        elapsed: Seconds that each branch took.
        lost: What those have counted that did not succeed; after a `Stop` all others, and the
            branches themselves. None if that was not kept.
    """

    stopping: int | None = None
    succeeded: tuple[int, ...] = ()
    failed: Mapping[int, BaseException] = field(default_factory=dict)
    elapsed: Sequence[float] = ()
    lost: Record | None = None


class WalkLog(Protocol):
    """The journal's page for one walk: what has finished in it, in the order of its steps.

    Every method that keeps something returns when it is kept for good, and raises a
    `DurabilityError`, which ends the run, when it can't be.
    """

    def recall(
        self, node: Any, ctx: RunContext[Any], before: Snapshot[Any], record: Record
    ) -> tuple[Any, Snapshot[Any], Snapshot[Any]]:
        """Do to `ctx` what its step, of `node`, did; its successor, and the state around it.

        The first snapshot is `before`, or what somebody made of it before the step; the second one
        is of the state after it. The successor is None if the step has not finished, so that it has
        to be run, and then both are the same.
        `record` is what counts the step: what it had counted is added, or what it will is kept.
        """
        ...

    def begin(self, ctx: RunContext[Any], node: Any) -> None:
        """An attempt starts."""
        ...

    async def finished(
        self,
        ctx: RunContext[Any],
        node: Any,
        before: Snapshot[Any],
        after: Snapshot[Any],
        successor: Any,
        elapsed: float,
        attempts: int,
    ) -> Any:
        """A step has finished; the successor that the walk goes on with.

        State, metadata, provenance and that share no object then, as they would not where the step
        is recalled. `elapsed` are the seconds of its last attempt, `attempts` all that it took;
        none if a cache knew what it does.
        """
        ...

    def branch(self, index: int, base: Base) -> WalkLog:
        """The page of a branch of the fork that the last step returned."""
        ...

    def joined_before(self) -> RecordedJoin | None:
        """How the fork that the last step returned was joined, if it was."""
        ...

    async def joined(
        self,
        node: Any,
        base: Base,
        results: Sequence[NodeResult[Any]],
        joined: Joined,
        lost: Record,
    ) -> None:
        """The fork that the last step returned was joined, now or before: keep it, or compare.

        `lost` is what those branches have counted that did not succeed.
        """
        ...

    async def stopped(self, node: Any, base: Base, branch: int, lost: Record) -> None:
        """A `Stop` in this branch has ended the fork; `lost` as in `RecordedJoin`."""
        ...

    async def answer(self, ctx: RunContext[Any], node: Any, asked: Suspend[Any]) -> Any:
        """What was answered to the last step, which returned `asked`; None if it came too late.

        Raises:
            Suspended: Nobody has answered yet.
        """
        ...


class Journal(Protocol):
    """Where the facts of one run are kept, and found again."""

    def walk(self, graph: Graph[Any], prefix: str, base: Base, start: Any) -> WalkLog:
        """The page of the walk that `graph`'s steps below `prefix` are.

        It starts from `base`, with the node `start`; None is the graph's own.
        """
        ...

    async def close(
        self,
        *,
        elapsed: float,
        questions: Sequence[Question] = (),
        error: BaseException | None = None,
    ) -> None:
        """The run is over, for now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A run to go on with, or to begin.

    Attributes:
        journal: Its journal.
        start: The node that it starts with; None is the graph's own.
        state, metadata, user_id, seed: What it starts with.
        usage: What its facts say was spent, by address.
    """

    journal: Journal
    start: Any
    state: Any
    metadata: dict[str, Any]
    user_id: str | None
    seed: int
    usage: UsageLedger


class RunStore(Protocol):
    """Keeps runs: `lift_sys.durability` has several."""

    async def begin_run(
        self,
        graph: Graph[Any],
        *,
        execution_id: str,
        start: Any,
        state: Any,
        metadata: Mapping[str, Any] | None,
        user_id: str | None,
        seed: int | None,
    ) -> Opened:
        """Begin a run, or go on with the one of this name that was begun with the same input."""
        ...

    async def resume_run(
        self,
        graph: Graph[Any],
        execution_id: str,
        *,
        answers: Mapping[str, Any] | None,
        secrets: Mapping[str, Any] | None,
        migrations: Mapping[str, Callable[[Any], Any]] | None,
        now: datetime,
    ) -> Opened:
        """Go on with a run."""
        ...
