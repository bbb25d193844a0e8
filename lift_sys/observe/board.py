"""Where every branch of a run stands right now, kept up to date by its events.

No drawing and no clock in here: `progress.py` draws it, and times come with the events. A step
belongs to the branch whose address its own begins with, whatever it is nested in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from lift_sys.core.address import branch_address
from lift_sys.core.events import (
    BranchFinished,
    CacheHit,
    Event,
    GroupFinished,
    GroupStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    Progress,
    RetryScheduled,
    RunFinished,
    RunStarted,
    TokenDelta,
    UsageReported,
)


class BranchStatus(StrEnum):
    """What a branch is doing."""

    WAITING = "waiting"
    """No step of it has a slot yet."""
    RUNNING = "running"
    """A step of it, or of a group inside it, runs."""
    RETRYING = "retrying"
    """A step failed, and its next attempt is due at `retry_at`."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUSPENDED = "suspended"
    """It waits for an answer, and the run ends without it."""


_UNDER_WAY = {BranchStatus.WAITING, BranchStatus.RUNNING, BranchStatus.RETRYING}
ENDED = frozenset(set(BranchStatus) - _UNDER_WAY)


@dataclass(slots=True, kw_only=True)
class Branch:
    """One branch; times are seconds since the run started, None until they are known."""

    address: str
    node: str
    status: BranchStatus = BranchStatus.WAITING
    step: str = ""
    attempt: int = 1
    retry_at: float | None = None
    started: float | None = None
    ended: float | None = None
    tokens: int = 0
    done: float | None = None
    total: float | None = None
    message: str = ""
    group: Group | None = None

    def elapsed(self, now: float) -> float:
        """Seconds since its first step got a slot, or between that and its end."""
        if self.started is None:
            return 0.0
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


@dataclass(slots=True, kw_only=True)
class Group:
    """Branches that run in parallel, in declared order."""

    address: str
    node: str
    strategy: str
    branches: list[Branch]
    started: float
    ended: float | None = None

    @property
    def done(self) -> int:
        """How many branches have ended, one way or another."""
        return sum(branch.status in ENDED for branch in self.branches)

    @property
    def tokens(self) -> int:
        """Tokens of all branches, nested groups included."""
        return sum(branch.tokens for branch in self.branches)

    def elapsed(self, now: float) -> float:
        """Seconds since it started, or between that and its end."""
        return max(0.0, (now if self.ended is None else self.ended) - self.started)


@dataclass(slots=True)
class Board:
    """State of a run as its events tell it; feed it with `take`.

    Attributes:
        graph: Name of the graph.
        groups: Groups that stand in no branch, in order of start.
        running: Node name by address of every step that has a slot, plain steps included.
        steps_done: Steps that have finished.
        tokens: Tokens of the whole run.
        now: Time of the newest event, in seconds since the run started.
        finished: The run is over.
    """

    graph: str = ""
    groups: list[Group] = field(default_factory=list)
    running: dict[str, str] = field(default_factory=dict)
    steps_done: int = 0
    tokens: int = 0
    now: float = 0.0
    finished: bool = False
    _branches: dict[str, Branch] = field(default_factory=dict)
    _groups: dict[str, Group] = field(default_factory=dict)
    _newest_step: str = ""

    def take(self, event: Event) -> None:
        """Bring the board up to date with `event`."""
        # Inner graphs run on the same clock; news that was coalesced must not turn it back.
        self.now = max(self.now, event.time)
        match event:
            case RunStarted():
                self.graph = self.graph or event.graph
            case RunFinished():
                self.finished = True
                self.running.clear()
            case CacheHit():
                self._newest_step = event.node
                self.steps_done += 1
            case NodeStarted() | NodeFinished() | NodeFailed() | RetryScheduled():
                self._take_step(event)
            case GroupStarted():
                self._start_group(event)
            case BranchFinished():
                self._end_branch(event)
            case GroupFinished():
                self._end_group(event)
            case UsageReported():
                self.tokens += event.usage.tokens
                for branch in self.branches_of(event.address):
                    branch.tokens += event.usage.tokens
            case Progress():
                for branch in self.branches_of(event.address)[:1]:
                    branch.done, branch.total = event.done, event.total
                    branch.message = event.message
            case TokenDelta():
                for branch in self.branches_of(event.address)[:1]:
                    branch.message = (branch.message + event.text)[-200:]

    def branches_of(self, address: str) -> list[Branch]:
        """The branches that the step at `address` stands in, innermost first."""
        found = []
        while address:
            if (branch := self._branches.get(address)) is not None:
                found.append(branch)
            address = (
                address[: max(map(address.rfind, "./>"), default=-1)] if _nested(address) else ""
            )
        return found

    def _take_step(self, event: Event) -> None:
        inner = self.branches_of(event.address)
        match event:
            case NodeStarted():
                self.running[event.address] = self._newest_step = event.node
                for branch in inner:
                    branch.status = BranchStatus.RUNNING
                    branch.started = event.time if branch.started is None else branch.started
                for branch in inner[:1]:
                    branch.step, branch.attempt = event.node, event.attempt
                    branch.retry_at, branch.done, branch.message = None, None, ""
            case NodeFinished():
                self.running.pop(event.address, None)
                self.steps_done += 1
            case NodeFailed():
                self.running.pop(event.address, None)
            case RetryScheduled():
                for branch in inner[:1]:
                    branch.status = BranchStatus.RETRYING
                    branch.retry_at = event.time + event.delay

    def _start_group(self, event: GroupStarted) -> None:
        branches = [
            Branch(address=branch_address(event.address, index), node=node)
            for index, node in enumerate(event.nodes)
        ]
        outer = self.branches_of(event.address)
        # A fork belongs to the step before it, which is the newest one of its branch.
        forked_by = event.node or (outer[0].step if outer else self._newest_step)
        group = Group(
            address=event.address,
            node=forked_by,
            strategy=event.strategy,
            branches=branches,
            started=event.time,
        )
        if outer:
            outer[0].group = group
        else:
            self.groups.append(group)
        self._groups[event.address] = group
        self._branches.update((branch.address, branch) for branch in branches)

    def _end_branch(self, event: BranchFinished) -> None:
        branch = self._branches.get(event.address)
        if branch is None:
            return
        self._close(branch, BranchStatus(event.status), event.time)

    def _end_group(self, event: GroupFinished) -> None:
        group = self._groups.get(event.address)
        if group is None:
            return
        group.ended = event.time
        for branch in group.branches:
            # Branches that a decided group did not let finish have no event of their own.
            if branch.status not in ENDED:
                self._close(branch, BranchStatus.CANCELLED, event.time)

    def _close(self, branch: Branch, status: BranchStatus, time: float) -> None:
        branch.status, branch.ended, branch.retry_at = status, time, None
        if branch.started is None:
            branch.started = time
        # A cancelled step has no event of its own either.
        inside = tuple(branch.address + mark for mark in "./>")
        ended = [at for at in self.running if at == branch.address or at.startswith(inside)]
        for address in ended:
            del self.running[address]


def _nested(address: str) -> bool:
    return any(mark in address for mark in "./>")
