"""A walk: one step after the other, on one context that the nodes hand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lift_sys.core.successors import Stop
from lift_sys.execution.engine import Engine
from lift_sys.execution.record import Record
from lift_sys.execution.slots import Holder
from lift_sys.graph.result import Blame
from lift_sys.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Step:
    """A step that has just finished, as `Graph.iter` shows it.

    Attributes:
        address: Where it stands.
        node: The node that ran.
        successor: What it returned; about to run.
        state: The state as the node left it.
    """

    address: str
    node: Any
    successor: Any
    state: Any


class Stopped(BaseException):
    """Carries a `Stop` up through all groups, which cancel what runs beside it.

    Not an `Exception`: on its way up nothing may take it for a failure.
    """

    def __init__(self, end: Stop[Any], walk: Walk) -> None:
        super().__init__()
        self.end = end
        self.walk = walk


class Walk(Holder):
    """One walk under way: the run's own, or a branch's. It holds the slot of its running node.

    Attributes:
        state: Snapshot of the context's state after the last step.
        prefix: Address that its steps' addresses begin with.
        blame: Who wrote what in it; None while nobody did.
    """

    __slots__ = ("blame", "prefix", "state")

    record: Record

    def __init__(
        self,
        engine: Engine,
        record: Record,
        state: Snapshot[Any],
        prefix: str,
        *,
        holding: bool = False,
    ) -> None:
        self.engine = engine  # `Holder.__init__`, written out: there is one walk for each branch
        self.slots = engine.slots
        self.holding = holding
        self.lent = self.returning = self.index = self.asked = 0
        self.busy = self.ended = 0.0
        self.started = self.ctx = self.outer = self.task = self.log = None
        self.abandoned = False
        self.leaving = None
        self.deadlines = ()
        self.record = record
        self.state = state
        self.prefix = prefix
        self.blame: Blame | None = None


def blame_before(stop: Stopped, walk: Walk) -> None:
    """The state that ends the run has what the walk that forked had written, too."""
    walk.blame = walk.blame or Blame()
    walk.blame.take_over([stop.walk.blame or Blame()])
    stop.walk.blame = walk.blame
