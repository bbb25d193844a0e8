"""The way of events to whoever listens: a buffer and a task for each listener.

A listener can't change a run: it is called from its own task, what it raises is logged once and it
is called no more. Facts are never dropped: at its end a run waits for who is slow, as long as one
event does not take them for ever. Progress and tokens that a listener has not taken yet are
coalesced with newer ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
from collections import deque
from collections.abc import Sequence

from lift_sys.core.events import Event
from lift_sys.core.ports import Observer
from lift_sys.execution.closing import end_tasks

_PATIENCE_SECONDS = 10.0  # for one event, once the run is over
_BURST = 64  # events delivered before other tasks get a turn

logger = logging.getLogger("lift_sys.events")


class Buffer:
    """Events in order, with news of the same step coalesced while they wait."""

    def __init__(self) -> None:
        self._boxes: deque[list[Event]] = deque()
        self._news: dict[tuple[type[Event], str], list[Event]] = {}
        self._wake: asyncio.Future[None] | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        """Add an event."""
        if event.coalesces:
            key = (type(event), event.address)
            box = self._news.get(key)
            if box:
                box[0] = box[0].merge(event)
                return
            box = self._news[key] = [event]
            self._boxes.append(box)
        else:
            if self._news:  # news must not move before a fact of their own step
                self._news = {k: v for k, v in self._news.items() if k[1] != event.address}
            self._boxes.append([event])
        self._rouse()

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def take(self) -> Event | None:
        """The next event, or None after the last one."""
        while not self._boxes:
            if self._closed:
                return None
            self._wake = asyncio.get_running_loop().create_future()
            await self._wake
        box = self._boxes.popleft()
        event = box.pop()  # an empty box is coalesced with no more
        return event


class Bus:
    """Delivers the events of one run to its observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._buffers: list[Buffer] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._delivered = 0
        for observer in observers:
            buffer = Buffer()
            self._buffers.append(buffer)
            self._tasks.append(asyncio.ensure_future(self._deliver(buffer, observer)))

    def publish(self, event: Event) -> None:
        """Hand an event to every observer's buffer."""
        if threading.get_ident() != self._thread:  # a plain `def` node speaks from its thread
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self.publish, event)
            return
        for buffer in self._buffers:
            buffer.put(event)

    async def close(self) -> None:
        """Deliver what is left; give up on who takes no event at all any more."""
        for buffer in self._buffers:
            buffer.close()
        if not self._tasks:
            return
        try:
            delivered = -1
            late = set(self._tasks)
            while late and self._delivered > delivered:
                delivered = self._delivered
                _, late = await asyncio.wait(self._tasks, timeout=_PATIENCE_SECONDS)
            if late:
                logger.warning("%d observers hang and missed the last events", len(late))
        finally:
            await end_tasks([task for task in self._tasks if not task.done()])

    async def _deliver(self, buffer: Buffer, observer: Observer) -> None:
        count = 0
        while (event := await buffer.take()) is not None:
            try:
                answer = observer(event)
                if inspect.isawaitable(answer):
                    await answer
            except Exception:
                logger.exception("an observer failed and gets no more events: %r", observer)
                return
            count += 1
            self._delivered += 1
            if count % _BURST == 0:
                await asyncio.sleep(0)
