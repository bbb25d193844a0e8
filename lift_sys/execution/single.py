"""Branches of one node each, which follow no successor: what an executor's own groups run."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any

from lift_sys.core.address import branch_address
from lift_sys.core.policies import Isolation
from lift_sys.errors import NodeError
from lift_sys.execution.contract import Contract, Done
from lift_sys.execution.engine import Engine
from lift_sys.execution.isolation import Base, Ending
from lift_sys.execution.results import NodeResult
from lift_sys.execution.slots import Holder
from lift_sys.execution.step import step


class SingleNodes:
    """The branches of `nodes`, whose addresses stand below `place`."""

    def __init__(self, engine: Engine, base: Base, nodes: Sequence[Any], place: str) -> None:
        self.engine = engine
        self.base = base
        self.nodes = nodes
        self.place = place

    def start(self, index: int) -> tuple[Holder, Coroutine[Any, Any, Done]]:
        """As `Branches.start`."""
        engine = self.engine
        holder = Holder(engine, holding=True)
        address = branch_address(self.place, index) if self.place else str(index)
        holder.ctx = self.base.branch(engine.isolation, address=address, scope=engine.scope)
        return holder, self._run(holder, self.nodes[index])

    async def _run(self, holder: Holder, node: Any) -> Done:
        holder.inherit()
        engine, ctx = self.engine, holder.ctx
        assert ctx is not None
        if holder.record is not None:  # of the run that it is inside of
            holder.record.steps += 1
        return await step(engine, holder, node, ctx, self.base.state, Contract.of(node, engine))

    def conclude(
        self, holder: Holder, outcome: Done | None, error: BaseException | None
    ) -> NodeResult[Any]:
        """As `Branches.conclude`; any `Exception` is the node's own failure."""
        ctx = holder.ctx
        assert ctx is not None
        if error is not None and not isinstance(error, Exception):
            raise error
        ending: Ending | None = None
        if outcome is not None:
            try:
                ending = Ending.of(ctx, self.base, outcome[1])
            except Exception as failure:
                outcome, error = None, failure
        lazy = self.engine.isolation is Isolation.LAZY
        return NodeResult(
            node=self.nodes[holder.index],
            # A lazy one is made of the ending: a state of the model's own type. What a thread
            # that was abandoned still writes to is nobody's.
            context=None if holder.abandoned or (lazy and outcome is not None) else ctx,
            next_node=None if outcome is None else outcome[0],
            error=error.error if isinstance(error, NodeError) else error,
            execution_time_ms=holder.elapsed_ms if outcome is None else outcome[3] * 1000,
            busy_ms=holder.busy * 1000,
            address=ctx.address,
            attempts=ctx.attempt if outcome is None else outcome[2],
            index=holder.index,
            base=self.base,
            ending=ending,
        )
