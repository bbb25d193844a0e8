"""What became of nodes that ran in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from lift_sys.core.address import located
from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.core.policies import Isolation
from lift_sys.core.successors import End
from lift_sys.errors import portable_value

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.execution.isolation import Base, Ending
    from lift_sys.execution.slots import Holder

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")


class NodeResult(Generic[StateT]):
    """What one node, or the branch that it started, did. One of `next_node` and `error` is set.

    A plain class, because there is one for each of ten thousand branches; treat it as frozen.

    Attributes:
        node: The node that ran; the first one of a branch.
        context: Its own copy of the context, as it left it.
        next_node: What it returned (unexecuted); None if it failed.
        error: What it raised, or `asyncio.CancelledError` if it was cancelled.
        execution_time_ms: Milliseconds from its first step's start to its end; the wait for its
            first slot is not in it.
        busy_ms: Milliseconds that nodes of the branch ran, added up.
        address: Where it stood in a run; in a plain group its place, as text.
        attempts: How often its last step was tried; 0 if it never started, or was found in a cache.
        index: Its place in the group, from 0.
        rank: Its place in the order of completion, from 0; only `MergeStrategy.RACE` asks.
    """

    __slots__ = (
        "_base",
        "_context",
        "_ending",
        "address",
        "attempts",
        "busy_ms",
        "error",
        "execution_time_ms",
        "index",
        "next_node",
        "node",
        "rank",
    )

    def __init__(
        self,
        node: Any,
        context: RunContext[StateT] | None,
        next_node: Any = None,
        error: BaseException | None = None,
        execution_time_ms: float = 0.0,
        busy_ms: float = 0.0,
        address: str = "",
        attempts: int = 1,
        index: int = 0,
        *,
        rank: int = 0,
        base: Base | None = None,
        ending: Ending | None = None,
    ) -> None:
        self.node = node
        self._context = context
        self.next_node = next_node
        self.error = error
        self.execution_time_ms = execution_time_ms
        self.busy_ms = busy_ms
        self.address = address
        self.attempts = attempts
        self.index = index
        self.rank = rank
        self._base = base
        self._ending = ending

    @property
    def context(self) -> RunContext[StateT]:
        """Its own copy of the context, as it left it.

        A branch that succeeded is kept as snapshots, which share what it did not change; its
        context is made of them when somebody asks.
        """
        if self._context is None:
            base, ending = self._base, self._ending
            assert base is not None
            if ending is None:  # it did not get so far: what it would have started from
                self._context = base.branch(Isolation.COPY, address=self.address)
            else:
                self._context = ending.context(base, self.address)
        return self._context

    def __repr__(self) -> str:
        outcome = f"next_node={self.next_node!r}" if self.error is None else f"error={self.error!r}"
        return f"NodeResult({self.label}, {outcome}, {self.execution_time_ms:.3g} ms)"

    @property
    def is_success(self) -> bool:
        """Whether the node returned."""
        return self.error is None

    @property
    def is_cancelled(self) -> bool:
        """Whether it was stopped, or never started, because the group was decided."""
        return isinstance(self.error, asyncio.CancelledError)

    @property
    def is_failure(self) -> bool:
        """Whether it failed; cancelled is not failed."""
        return self.error is not None and not self.is_cancelled

    @property
    def is_end(self) -> bool:
        """Whether it returned an `End` (or `Stop`)."""
        return isinstance(self.next_node, End)

    @property
    def output(self) -> Any:
        """The data of its `End`, or None."""
        return self.next_node.data if isinstance(self.next_node, End) else None

    @property
    def label(self) -> str:
        """How messages call it: `address:node`."""
        return located(self.address or str(self.index), node_name(self.node))

    def failing(self, error: BaseException) -> NodeResult[StateT]:
        """The same result, but as one that failed with `error`."""
        other: NodeResult[StateT] = NodeResult.__new__(NodeResult)
        for name in self.__slots__:
            setattr(other, name, getattr(self, name))
        other.error, other.next_node = error, None
        return other

    def __getstate__(self) -> list[tuple[str, Any]]:
        # Snapshots stay in the process that made them; a pickled result is a report.
        kept = {name: getattr(self, name) for name in self.__slots__ if name[0] != "_"}
        # One that holds what can't be pickled says it as text, and keeps its place.
        fields = [*kept.items(), ("context", self.context)]
        return [(name, portable_value(value)) for name, value in fields]

    def __setstate__(self, fields: list[tuple[str, Any]]) -> None:
        NodeResult.__init__(self, **dict(fields))


def lost_result(
    base: Base,
    node: Any,
    index: int,
    address: str,
    error: BaseException,
    holder: Holder | None,
) -> NodeResult[Any]:
    """The result of a branch that ended with `error` and left none.

    `holder` is who ran it; None if it was never started.
    """
    ctx = None if holder is None or holder.started is None else holder.ctx
    return NodeResult(
        node=node,
        context=None,
        error=error,
        attempts=0 if ctx is None else ctx.attempt,
        execution_time_ms=0.0 if holder is None else holder.elapsed_ms,
        busy_ms=0.0 if holder is None else holder.busy * 1000,
        address=address,
        index=index,
        base=base,
    )


class Labels(Sequence[str]):
    """The labels of some results, made when somebody asks: only errors do."""

    __slots__ = ("_results",)

    def __init__(self, results: Sequence[NodeResult[Any]]) -> None:
        self._results = results

    def __len__(self) -> int:
        return len(self._results)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Labels(self._results[index])
        return self._results[index].label


class Statistics(TypedDict):
    """Counts, and times in milliseconds, of a group of nodes."""

    total_nodes: int
    successful: int
    failed: int
    cancelled: int
    success_rate: float
    total_time_ms: float
    average_time_ms: float
    min_time_ms: float
    max_time_ms: float
    estimated_speedup: float


def statistics_of(results: Iterable[NodeResult[Any]]) -> Statistics:
    """Count `results`. The estimated speed-up is all nodes' time over that of the slowest."""
    results = list(results)
    times = [result.execution_time_ms for result in results]
    total, longest = sum(times), max(times, default=0.0)
    successful = sum(result.is_success for result in results)
    return Statistics(
        total_nodes=len(results),
        successful=successful,
        failed=sum(result.is_failure for result in results),
        cancelled=sum(result.is_cancelled for result in results),
        success_rate=successful / len(results) if results else 0.0,
        total_time_ms=total,
        average_time_ms=total / len(results) if results else 0.0,
        min_time_ms=min(times, default=0.0),
        max_time_ms=longest,
        estimated_speedup=total / longest if longest else 1.0,
    )
