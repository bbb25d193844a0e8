"""Slots: how many nodes may run at the same time, and who waits for one.

A slot is held by a node that runs, not by a branch that waits for its next turn, for a retry or
for other branches. Among waiting nodes, higher priority goes first, then branches that are under
way (so that they finish and free what they hold), then new ones in the order they asked.

One `Slots` belongs to one event loop; an executor keeps one for each loop that it is used from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import ContextVar
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lift_sys.core.context import RunContext
    from lift_sys.core.ports import WalkLog
    from lift_sys.execution.engine import Engine
    from lift_sys.execution.record import Record

ResultT = TypeVar("ResultT")


def start_order(nodes: Sequence[Any]) -> list[int]:
    """Indices of `nodes` in the order in which they ask for slots, the next one last."""
    order = list(range(len(nodes)))
    kinds = {*map(type, nodes)}
    if len(kinds) > 1:
        priorities = {kind: getattr(kind, "priority", 0) for kind in kinds}
        order.sort(key=lambda index: -priorities[type(nodes[index])])
    order.reverse()
    return order


class Ticket:
    """A place in the queue for a slot; lower tickets are served first."""

    __slots__ = ("grant", "order")

    def __init__(self, order: tuple[int, int, int], grant: Callable[[], bool]) -> None:
        self.order = order
        self.grant: Callable[[], bool] | None = grant

    def __lt__(self, other: Ticket) -> bool:
        return self.order < other.order

    def withdraw(self) -> None:
        """Leave the queue."""
        self.grant = None


class Slots:
    """`capacity` slots of one event loop."""

    __slots__ = ("__weakref__", "_asked", "_queue", "capacity", "free")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.free = capacity
        self._queue: list[Ticket] = []
        self._asked = 0

    def take(self) -> bool:
        """Take a slot if one is free now."""
        if self.free > 0:  # then nobody waits: `release` serves the queue first
            self.free -= 1
            return True
        return False

    def ask(self, grant: Callable[[], bool], *, priority: int = 0, new: bool = False) -> Ticket:
        """Queue for a slot that is not free now.

        `grant` is called when there is one, from within somebody's `release`; it returns whether
        it has taken it.
        """
        self._asked += 1
        ticket = Ticket((-priority, new, self._asked), grant)
        heappush(self._queue, ticket)
        return ticket

    async def acquire(self, *, priority: int = 0) -> None:
        """Wait for a slot and take it."""
        if self.take():
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def grant() -> bool:
            if granted.done():
                return False
            granted.set_result(None)
            return True

        ticket = self.ask(grant, priority=priority)
        try:
            await granted
        except asyncio.CancelledError:
            ticket.withdraw()
            if granted.done() and not granted.cancelled():
                self.release()  # it came in the same moment
            raise

    def overdraw(self) -> None:
        """Take a slot at once, free or not; the next one that is given back pays for it."""
        self.free -= 1

    def release(self) -> None:
        """Give a slot to who is first in the queue, or back."""
        while self._queue and self.free >= 0:
            grant = heappop(self._queue).grant
            if grant is not None and grant():
                return
        self.free += 1


class Holder:
    """Who holds a slot: one walk, whose nodes run one after the other.

    A node that awaits its own executor would wait for slots that it blocks itself; `lend` gives
    its slot away meanwhile. Tasks that the node started share its holder, so lending is counted.

    Attributes:
        engine: What the steps of its run share.
        slots: Where its slot is from.
        holding: Whether it has one now.
        ctx: The context that its nodes hand on; None until it has begun.
        started: When its first attempt began, by the engine's clock; None if none did.
        ended: When its last one ended.
        busy: Seconds that its nodes ran, those of joined branches included.
        lent: How many of its node's tasks wait for their own executor.
        returning: How many of them are back, and wait for the slot.
        task: The task that the walk runs in.
        index: Place of the branch in its group.
        outer: The holder of the node that started this walk, if one did.
        asked: How many cancellations of the task came before the walk.
        abandoned: Whether its node runs on in a thread that nobody waits for.
        leaving: Whether its group has cancelled it; None if it is in no group.
        deadlines: Those of the engine that hold for what it runs now.
        log: Where its finished steps are kept; None keeps nothing.
        record: What counts its steps; None if they are of no run.
    """

    __slots__ = (
        "abandoned",
        "asked",
        "busy",
        "ctx",
        "deadlines",
        "ended",
        "engine",
        "holding",
        "index",
        "leaving",
        "lent",
        "log",
        "outer",
        "record",
        "returning",
        "slots",
        "started",
        "task",
    )

    def __init__(self, engine: Engine, *, holding: bool = False) -> None:
        self.engine = engine
        self.slots = engine.slots
        self.holding = holding
        self.lent = self.returning = self.index = self.asked = 0
        self.busy = self.ended = 0.0
        self.started: float | None = None
        self.abandoned = False
        self.leaving: bool | None = None
        self.deadlines: tuple[asyncio.Timeout, ...] = ()
        self.ctx: RunContext[Any] | None = None
        self.outer: Holder | None = None
        self.task: asyncio.Task[Any] | None = None
        self.log: WalkLog | None = None
        self.record: Record | None = None

    @property
    def elapsed_ms(self) -> float:
        """Milliseconds from its first attempt's start to its end."""
        return 0.0 if self.started is None else (self.ended - self.started) * 1000

    def inherit(self) -> None:
        """From here on the running task's slot is this one's."""
        if self.task is None:  # an eager task runs before its maker has it in hand
            self.task = asyncio.current_task()
        self.outer = current_holder.get()
        if self.record is None and self.outer is not None:
            self.record = self.outer.record
        current_holder.set(self)

    def was_cancelled(self) -> bool:
        """Whether somebody asked the walk's task to stop: a node can also raise by itself."""
        return self.task is not None and self.task.cancelling() > self.asked

    def release(self) -> None:
        """Give the slot back if it is held."""
        if self.holding:
            self.holding = False
            self.slots.release()

    def lend(self) -> None:
        """The node waits for its own executor from now on."""
        self.lent += 1
        self.release()

    async def take_back(self) -> None:
        """The node goes on: wait for a slot again, unless another of its tasks still waits."""
        self.lent -= 1
        if self.lent > 0:
            return
        self.returning += 1
        try:
            await self.slots.acquire()
        finally:
            self.returning -= 1
        if self.lent > 0 or self.holding:  # another task has lent it again, or was back before
            self.slots.release()
        else:
            self.holding = True

    def is_leaving(self) -> bool:
        """Whether the engine has cancelled it, or what it is a part of."""
        each: Holder | None = self
        while each is not None:
            if each.leaving or any(deadline.expired() for deadline in each.deadlines):
                return True
            each = each.outer
        return False

    async def after_cancellation(self) -> None:
        """The node's wait was cancelled: by the engine, or by a deadline that it has set itself."""
        if self.is_leaving():  # it ends, without a slot: one could be long in coming
            self.lent -= 1
        elif self.leaving is None:  # who awaits the run may have cancelled it: no time to queue
            self.lent -= 1
            if self.lent == 0 and not self.holding:
                self.slots.overdraw()
                self.holding = True
        else:  # it works on
            await self.take_back()


#: The holder that the running node belongs to, for lending.
current_holder: ContextVar[Holder | None] = ContextVar("lift_sys_holder", default=None)


def lend_slot(slots: Slots) -> Holder | None:
    """Lend the slot of the node that is calling, or that waits for it, if it is one of `slots`.

    Returns:
        The holder to call `take_back` (or `after_cancellation`) on when the call is over; None if there is
        nothing to lend.
    """
    holder = current_holder.get()
    while holder is not None and holder.slots is not slots:
        holder = holder.outer  # of a node that waits for another executor, which waits for us
    if holder is None or not (holder.holding or holder.lent or holder.returning):
        return None
    holder.lend()
    return holder


async def while_lent(slots: Slots, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Await `work`, which needs `slots`; the calling node's own slot is lent meanwhile."""
    lender = lend_slot(slots)
    if lender is None:
        return await work
    try:
        result = await work
    except Exception:
        await lender.take_back()
        raise
    except BaseException:
        await lender.after_cancellation()
        raise
    await lender.take_back()
    return result
