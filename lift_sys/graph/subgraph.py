"""A graph inside a graph: a node that runs another graph on a state type of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End, NextNode, Stop
from lift_sys.graph.graph import Graph
from lift_sys.graph.result import RunResult

if TYPE_CHECKING:
    from pydantic import BaseModel

    StateT = TypeVar("StateT", bound=BaseModel)
    InnerT = TypeVar("InnerT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")
    InnerT = TypeVar("InnerT")


class Subgraph(BaseNode[StateT], Generic[StateT, InnerT]):
    """A node that runs `graph` and brings its result back into the own state.

    Args:
        graph: What to run.
        enter: Makes the inner state from the outer one.
        leave: Takes the inner result into the outer state. It may return the successor; if it
            returns None, this walk ends with the inner run's output.

    The steps inside have addresses below this step's (`3>0`); events, usage, seed, clock and limits
    are the outer run's, and so are metadata and provenance. A `Stop` inside ends the outer run, too,
    once `leave` has taken the inner result into the outer state.
    """

    def __init__(
        self,
        graph: Graph[InnerT],
        *,
        enter: Callable[[StateT], InnerT],
        leave: Callable[[StateT, RunResult[InnerT]], NextNode[StateT] | None],
    ) -> None:
        self.graph = graph
        self.enter = enter
        self.leave = leave

    async def run(self, ctx: RunContext[StateT]) -> NextNode[StateT]:
        """Run the inner graph."""
        result = await self.graph.run_inside(ctx, self.enter(ctx.state))
        successor = self.leave(ctx.state, result)
        if result.stopped:
            return Stop(result.output)
        return End(result.output) if successor is None else successor
