"""The branches of a fork as walks of their own: how they begin, and what their ends mean."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from lift_sys.core.address import branch_address
from lift_sys.core.context import BranchResult
from lift_sys.core.node import node_name
from lift_sys.core.successors import End
from lift_sys.errors import DurabilityError, LiftError, SharedWriteError, StepLimitError
from lift_sys.execution.isolation import Base, Ending
from lift_sys.execution.record import Record
from lift_sys.execution.results import NodeResult
from lift_sys.graph.result import Blame
from lift_sys.graph.walk import Walk
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

if TYPE_CHECKING:
    from lift_sys.graph.runner import Runner

#: What most branches return; shared, since there are so many.
_ENDED: End[None] = End()

#: Failures that are the whole run's, not a branch's.
_FATAL = (StepLimitError, SharedWriteError, DurabilityError)


class WalkedBranches:
    """The branches of one fork at `address`, each a walk of its own."""

    def __init__(
        self, runner: Runner, base: Base, nodes: Sequence[Any], address: str, around: Walk
    ) -> None:
        self.log = around.log
        self.record = around.record
        #: Of each branch, where it is kept what branches have counted that do not come through.
        self.records: dict[int, Record] = {}
        self.runner = runner
        self.base = base
        self.nodes = nodes
        self.address = address
        self.blames: dict[int, Blame] = {}
        # How most branches end: with what they began with. One for all of them.
        self._untouched = Ending(base.state, base.metadata, base.provenance)
        self._has_notes = True in base.has_notes

    def start(self, index: int) -> tuple[Walk, Coroutine[Any, Any, End[Any]]]:
        """As `Branches.start`."""
        runner, base = self.runner, self.base
        engine, address = runner.engine, branch_address(self.address, index)
        record = self.record
        if self.log is not None:
            record = self.records[index] = Record()
        walk = Walk(engine, record, base.state, address, holding=True)
        # The branch's own copy is made now that it has a slot: those that wait need none.
        walk.ctx = base.branch(engine.isolation, address=address)
        if self.log is not None:
            walk.log = self.log.branch(index, base)
        return walk, runner.walk(walk, self.nodes[index])

    def conclude(
        self, walk: Walk, end: End[Any] | None, error: BaseException | None
    ) -> NodeResult[Any]:
        """As `Branches.conclude`."""
        ending: Ending | None = None
        ctx = walk.ctx
        assert ctx is not None
        if error is None:
            notes = self._has_notes or ctx._metadata or ctx._provenance
            if walk.state is self.base.state and not notes:
                ending = self._untouched
            else:
                try:
                    ending = Ending.of(ctx, self.base, walk.state)
                except LiftError as failure:
                    error = failure
            if walk.blame is not None and error is None:
                self._note_blame(walk.index, walk.blame, walk.state)
        if error is not None and (isinstance(error, _FATAL) or not isinstance(error, LiftError)):
            raise error
        # By position, which is quicker: there is one for each branch.
        return NodeResult(
            self.nodes[walk.index],
            # What a thread that was abandoned still writes to is nobody's.
            ctx if error and not walk.abandoned else None,
            None if error or end is None else _ENDED if end.data is None else end,
            error,
            walk.elapsed_ms,
            walk.busy * 1000,
            walk.prefix,
            ctx.attempt,
            walk.index,
            base=self.base,
            ending=ending,
        )

    def counted(self, but: Collection[int] = ()) -> Record:
        """What the branches have counted, without some of them."""
        record, left_out = Record(), frozenset(but)
        for index, each in self.records.items():
            if index not in left_out:
                record.add(each)
        return record

    def _note_blame(self, index: int, blame: Blame, state: Snapshot[Any]) -> None:
        if blame.has_rewritten:
            blame.keep(changes(self.base.state, state).paths)
        self.blames[index] = blame


def shown(results: Sequence[NodeResult[Any]]) -> tuple[BranchResult, ...]:
    """What the node after the join sees of the branches."""
    # As tuples, whose making takes a third of the time that the named way takes, for each branch.
    new = tuple.__new__
    return tuple(
        [
            new(
                BranchResult,
                (
                    result.address,
                    node_name(result.node),
                    None if result.next_node is None else result.next_node.data,
                    result.error,
                    result.execution_time_ms / 1000,
                ),
            )
            for result in results
        ]
    )
