"""What became of nodes that ran in parallel."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from lift_sys.core.address import located
from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.core.successors import End

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.execution.isolation import Base, Ending

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")


@dataclass(slots=True, kw_only=True, eq=False)
class NodeResult(Generic[StateT]):
    """What one node, or the branch that it started, did. One of `next_node` and `error` is set.

    Not frozen, because there is one for each of ten thousand branches, and a frozen one takes
    five times as long to make; treat it as if it were.

    Attributes:
        node: The node that ran; the first one of a branch.
        context: Its own copy of the context, as it left it.
        next_node: What it returned (unexecuted); None if it failed.
        error: What it raised, or `asyncio.CancelledError` if it was cancelled.
        execution_time_ms: Milliseconds from its start to its end, without waiting for a slot.
        busy_ms: Milliseconds that nodes of the branch ran, added up.
        address: Where it stood in a run; "" outside of one.
        attempts: How often it was tried; 0 if it never started.
        index: Its place in the group, from 0.
        rank: Its place in the order of completion, from 0; only `MergeStrategy.RACE` asks.
    """

    node: Any
    context: RunContext[StateT]
    next_node: Any = None
    error: BaseException | None = None
    execution_time_ms: float = 0.0
    busy_ms: float = 0.0
    address: str = ""
    attempts: int = 1
    index: int = 0
    rank: int = 0
    _base: Base | None = field(default=None, repr=False)
    _ending: Ending | None = field(default=None, repr=False)

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

    def __getstate__(self) -> dict[str, Any]:
        # Snapshots stay in the process that made them; a pickled result is a report.
        return {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name not in ("_base", "_ending")
        } | {"_base": None, "_ending": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


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
