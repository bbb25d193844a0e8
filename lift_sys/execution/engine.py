"""What the steps of one call or run share: slots, threads, policies, and the way out for events."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lift_sys.core.context import RunScope
from lift_sys.core.events import Event
from lift_sys.core.policies import CachePolicy, Isolation, RetryPolicy, Timeouts
from lift_sys.execution.log import log_observer
from lift_sys.execution.pool import DaemonPool
from lift_sys.execution.slots import Slots
from lift_sys.state.reducers import Reducer

if TYPE_CHECKING:
    from lift_sys.core.cache_ports import Cache
    from lift_sys.core.ports import Journal

#: Told of the event loop that a run begins on, before the run makes a task; what stands around the
#: run sets it.
on_loop: ContextVar[Callable[[asyncio.AbstractEventLoop], None] | None] = ContextVar(
    "lift_sys_on_loop", default=None
)


class Engine:
    """What the steps of one call or run share.

    Attributes:
        slots: How many nodes may run at the same time.
        pool: Threads for nodes with a plain `def run`.
        retry, timeouts: What holds for nodes that declare none of their own.
        metadata_reducers: How keys of the metadata are reduced in joins.
        scope: Seed, clock, ledger and way out for events.
        outer: The engine of the run that this one is a part of, if it is one's.
        is_lent: Whether slots and policies are the outer engine's.
        is_eager: Whether the loop may run a task's first turn inside of `create_task`.
        steps: How many steps were begun, those of runs inside included.
        journal: Where finished steps are kept; None keeps nothing.
        cache: Where results of cached nodes are kept, if anywhere.
        cache_policy: How those of nodes are that don't say.
    """

    __slots__ = (
        "cache",
        "cache_policy",
        "execution_id",
        "is_eager",
        "is_lent",
        "isolation",
        "journal",
        "loop",
        "max_steps",
        "metadata_reducers",
        "outer",
        "pool",
        "retry",
        "scope",
        "slots",
        "steps",
        "time",
        "timeouts",
    )

    def __init__(
        self,
        *,
        slots: Slots,
        pool: DaemonPool,
        scope: RunScope,
        execution_id: str,
        retry: RetryPolicy | None,
        timeouts: Timeouts,
        isolation: Isolation,
        max_steps: int,
        metadata_reducers: Mapping[str, Reducer],
        outer: Engine | None = None,
        is_lent: bool = False,
        cache: Cache | None = None,
        cache_policy: CachePolicy | None = None,
    ) -> None:
        self.slots = slots
        self.pool = pool
        self.scope = scope
        self.execution_id = execution_id
        self.retry = retry
        self.timeouts = timeouts
        self.isolation = isolation
        self.max_steps = max_steps
        self.metadata_reducers = metadata_reducers
        self.outer = outer
        self.is_lent = is_lent
        self.steps = 0
        self.cache = cache
        self.cache_policy = cache_policy
        self.journal: Journal | None = None if outer is None else outer.journal
        self.loop = asyncio.get_running_loop()
        if (tell := on_loop.get()) is not None:
            tell(self.loop)
        self.is_eager = self.loop.get_task_factory() is not None
        # The loop's clock, without its method call where that is all it does.
        plain = type(self.loop).time is asyncio.BaseEventLoop.time
        self.time = time.monotonic if plain else self.loop.time

    def inside(self) -> Engine:
        """The engine of a run that is a part of this one's, with the same slots and policies.

        Its steps count for this one, which has the limit.
        """
        return Engine(
            slots=self.slots,
            pool=self.pool,
            scope=self.scope,
            execution_id=self.execution_id,
            retry=self.retry,
            timeouts=self.timeouts,
            isolation=self.isolation,
            max_steps=sys.maxsize,
            metadata_reducers=self.metadata_reducers,
            outer=self,
            is_lent=True,
            cache=self.cache,
            cache_policy=self.cache_policy,
        )

    def count(self, steps: int) -> None:
        """Steps that were taken before count for the limits, too: this run's and those around it."""
        counting: Engine | None = self
        while counting is not None:
            counting.steps += steps
            counting = counting.outer

    def tell(self, kind: type[Event], address: str = "", node: str = "", **fields: Any) -> None:
        """Publish an event, if anybody listens."""
        if self.scope.publish is not None:
            self.scope.publish(self._event(kind, address, node, fields))

    def warn(self, kind: type[Event], address: str, node: str, **fields: Any) -> None:
        """As `tell`, for what the log is to show where nobody listens."""
        publish = self.scope.publish or log_observer(level=logging.WARNING)
        if publish is not None:
            publish(self._event(kind, address, node, fields))

    def _event(self, kind: type[Event], address: str, node: str, fields: dict[str, Any]) -> Event:
        return kind(
            execution_id=self.execution_id,
            address=address,
            node=node,
            time=self.scope.elapsed(),
            **fields,
        )
