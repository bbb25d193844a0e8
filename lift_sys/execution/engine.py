"""What the steps of one call or run share: slots, threads, policies, and the way out for events."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from lift_sys.core.context import RunScope
from lift_sys.core.events import Event
from lift_sys.core.policies import Isolation, RetryPolicy, Timeouts
from lift_sys.execution.pool import DaemonPool
from lift_sys.execution.slots import Slots


class Engine:
    """What the steps of one call or run share.

    Attributes:
        slots: How many nodes may run at the same time.
        pool: Threads for nodes with a plain `def run`.
        retry, timeouts: What holds for nodes that declare none of their own.
        scope: Seed, clock, ledger and way out for events.
        steps: How many steps were begun.
    """

    __slots__ = (
        "execution_id",
        "isolation",
        "loop",
        "max_steps",
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
    ) -> None:
        self.slots = slots
        self.pool = pool
        self.scope = scope
        self.execution_id = execution_id
        self.retry = retry
        self.timeouts = timeouts
        self.isolation = isolation
        self.max_steps = max_steps
        self.steps = 0
        self.loop = asyncio.get_running_loop()
        # The loop's clock, without its method call where that is all it does.
        plain = type(self.loop).time is asyncio.BaseEventLoop.time
        self.time = time.monotonic if plain else self.loop.time

    def tell(self, kind: type[Event], address: str = "", node: str = "", **fields: Any) -> None:
        """Publish an event, if anybody listens."""
        if self.scope.publish is not None:
            self.scope.publish(
                kind(
                    execution_id=self.execution_id,
                    address=address,
                    node=node,
                    time=self.scope.elapsed(),
                    **fields,
                )
            )
