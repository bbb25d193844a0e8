"""An executor that caches every node, as the first design has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lift_sys.core.cache_ports import Cache
from lift_sys.core.context import RunContext
from lift_sys.core.node import AbstractBaseNode
from lift_sys.core.policies import CachePolicy
from lift_sys.durability.cache.memory import MemoryCache
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.execution.results import NodeResult

if TYPE_CHECKING:
    from pydantic import BaseModel

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")


class CachedParallelExecutor(ParallelExecutor):
    """A `ParallelExecutor` that keeps the results of all nodes but those with `cache = False`.

    Args:
        max_concurrent: Most nodes that run at the same time.
        cache: Where results are kept; a `MemoryCache` of its own by default.
        cache_enabled: Whether any are, to compare with and without.
        cache_policy: How those of nodes are that don't say.
        options: As those of `ParallelExecutor`.
    """

    def __init__(
        self,
        max_concurrent: int = 4,
        cache: Cache | None = None,
        cache_enabled: bool = True,
        *,
        cache_policy: CachePolicy | None = None,
        **options: Any,
    ) -> None:
        if cache is None:  # and not `or`: an empty cache is false
            cache = MemoryCache()
        super().__init__(
            max_concurrent,
            cache=cache if cache_enabled else None,
            cache_policy=cache_policy or CachePolicy(),
            **options,
        )

    async def execute_with_cache(
        self, node: AbstractBaseNode[StateT], ctx: RunContext[StateT]
    ) -> NodeResult[StateT]:
        """As `execute_single_with_isolation`, under its name of the first design."""
        return await self.execute_single_with_isolation(node, ctx)

    async def execute_parallel_with_cache(
        self, nodes: Sequence[AbstractBaseNode[StateT]], ctx: RunContext[StateT]
    ) -> list[NodeResult[StateT]]:
        """As `execute_parallel`, under its name of the first design."""
        return await self.execute_parallel(nodes, ctx)
