"""What a group asks of those who run branches: the executor for its nodes, the graph for its walks."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

from lift_sys.execution.results import NodeResult
from lift_sys.execution.slots import Holder

HolderT = TypeVar("HolderT", bound=Holder)


class Branches(Protocol[HolderT]):
    """What a group runs: how a branch begins, and what its end means."""

    def start(self, index: int) -> tuple[HolderT, Coroutine[Any, Any, Any]]:
        """The holder of a branch, which has a slot already, and the coroutine that runs it."""
        ...

    def conclude(
        self, holder: HolderT, outcome: Any, error: BaseException | None
    ) -> NodeResult[Any]:
        """The result of a branch whose coroutine has returned `outcome`, or raised `error`.

        It raises only what concerns the whole run: `Stop`, a limit, a bug of ours.
        """
        ...
