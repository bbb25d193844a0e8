"""What happens in a run, as typed, ordered facts: the only way out for logs, bars and traces.

Facts are never dropped. `Progress` and `TokenDelta` are not facts but news: when a consumer is
slow, several of the same step are coalesced into one (`Event.merge`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

if TYPE_CHECKING:
    from lift_sys.core.usage import Usage, UsageLedger


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events.

    Attributes:
        execution_id: The run.
        address: The step, branch or fork that it is about; empty for the run itself.
        node: Name of the node at that address.
        time: Seconds since the run started, by the event loop's clock.
    """

    coalesces: ClassVar[bool] = False

    execution_id: str
    address: str = ""
    node: str = ""
    time: float = 0.0

    def merge(self, newer: Event) -> Event:
        """The one event that stands for this and `newer`, where `coalesces` is true."""
        return newer


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted(Event):
    """A run begins. `seed` reproduces `ctx.random` and retry jitter."""

    graph: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFinished(Event):
    """A run ended; `error` is None if it succeeded, and `result` is its `RunResult`.

    `usage` is what the whole run has spent so far, by address, whether it succeeded or not.
    """

    elapsed: float
    steps: int
    usage: UsageLedger | None = None
    error: BaseException | None = None
    result: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStarted(Event):
    """An attempt begins; its slot is taken."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFinished(Event):
    """A node returned `successor` (as text), after `elapsed` seconds in its last attempt."""

    attempt: int
    elapsed: float
    successor: str
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFailed(Event):
    """An attempt failed; `final` if there is no other. Cancelled is not failed."""

    attempt: int
    elapsed: float
    error: BaseException
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryScheduled(Event):
    """The next attempt starts in `delay` seconds; no slot is held meanwhile."""

    attempt: int
    delay: float
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheHit(Event):
    """A step was not run: what it does was found. There is no `NodeStarted` or `NodeFinished`.

    `shared` if another step was doing just that, and this one waited for it. `saved` is how many
    seconds the node took when it ran.
    """

    successor: str
    writes: tuple[str, ...] = ()
    elapsed: float = 0.0
    saved: float = 0.0
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheFailed(Event):
    """The cache could not be asked, or could not keep a result; the step runs as without one."""

    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStarted(Event):
    """Branches are about to run in parallel, at `nodes`, in declared order."""

    nodes: tuple[str, ...]
    strategy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchFinished(Event):
    """One branch of a group ended, for now if it waits for an answer.

    `status` is "succeeded", "failed", "cancelled" or "suspended".
    """

    index: int
    status: str
    elapsed: float
    done: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFinished(Event):
    """All branches of a group ended. `sequential` is the sum of the branches' own seconds."""

    strategy: str
    succeeded: int
    failed: int
    cancelled: int
    elapsed: float
    sequential: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted(Event):
    """Branches were counted; `weak` if the winner has less than half of the votes cast."""

    classes: tuple[tuple[int, ...], ...]
    share: float
    weak: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReported(Event):
    """A step said what it has cost."""

    usage: Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Emitted(Event):
    """A node's own event: `ctx.emit(data)`."""

    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress(Event):
    """News of how far a step is: `done` of `total` (None if unknown)."""

    coalesces: ClassVar[bool] = True

    done: float
    total: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDelta(Event):
    """A piece of text that a model has just said."""

    coalesces: ClassVar[bool] = True

    text: str

    def merge(self, newer: Event) -> Event:
        """Pieces add up: coalescing loses no text."""
        assert isinstance(newer, TokenDelta)
        return replace(newer, text=self.text + newer.text)


RunEvent: TypeAlias = (
    RunStarted
    | RunFinished
    | NodeStarted
    | NodeFinished
    | NodeFailed
    | RetryScheduled
    | CacheHit
    | CacheFailed
    | GroupStarted
    | BranchFinished
    | GroupFinished
    | Voted
    | UsageReported
    | Emitted
    | Progress
    | TokenDelta
)
