"""An asyncio event loop whose clock jumps to the next timer instead of sleeping.

The one thing to know: a jump is right only when nothing outside the loop is at work for it. So the
clock stands still, and the loop waits for real, while a thread runs one of its jobs or somebody
holds the clock; and open sockets are given a moment before each jump. `_Selector.select` is where
asyncio says that it has nothing to do; all decisions are made there, without its private parts.
"""

from __future__ import annotations

import asyncio
import selectors
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple

from lift_sys.errors import DeadlockError
from lift_sys.testing.waiting import describe_waiting

if TYPE_CHECKING:
    from lift_sys.testing.clock import VirtualClock

ResultT = TypeVar("ResultT")
Arguments = TypeVarTuple("Arguments")
Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
Poll: TypeAlias = Callable[[float | None], Ready]

# Real seconds. Loopback data arrives in microseconds; epoll rounds any wait up to 1 ms.
_SOCKET_GRACE = 0.001
# Real seconds before a deadlock is declared while other threads live: one of them may be about to
# call back. It delays an error only, never a run that works.
_SECOND_LOOK = 0.5


class _Selector(selectors.DefaultSelector):
    """Asks the loop what to do when no callback is ready and no file descriptor is."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> Ready:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        return self.loop.idle(super().select, timeout)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The event loop of a `VirtualClock`; get one from `VirtualClock.new_loop`."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self._holds = 0
        self._jobs: set[object] = set()
        self._given_up: set[object] = set()
        self._watched = _Selector()
        self._watched.loop = self
        super().__init__(self._watched)
        self._own_files = len(self._watched.get_map())  # the pipe that wakes the loop

    def time(self) -> float:
        """Virtual seconds since the clock was made."""
        return self.clock.elapsed

    def hold(self) -> None:
        """Keep the clock still until `release` has been called as often."""
        self._holds += 1

    def release(self) -> None:
        """Undo one `hold`."""
        self._holds -= 1

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], ResultT],
        *args: *Arguments,
    ) -> asyncio.Future[ResultT]:
        """As in asyncio; the clock stands still until the call ends or its future is cancelled."""
        future = super().run_in_executor(executor, func, *args)
        self._jobs.add(future)
        future.add_done_callback(self._jobs.discard)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """As in asyncio; its thread is waited for in real time, its timeout is virtual."""
        self.hold()
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self.release()

    def idle(self, poll: Poll, timeout: float | None) -> Ready:
        """Wait for real, or jump; called with nothing ready.

        Args:
            poll: The real wait: for so many seconds, or for ever.
            timeout: Virtual seconds until the next timer; None without one.

        Returns:
            What the wait brought; empty after a jump.

        Raises:
            DeadlockError: No timer is set, and nothing could ever wake the loop.
        """
        working = self._jobs | _busy_anyio_threads(self)
        self._given_up &= working
        if self._holds:
            return poll(None)
        if working - self._given_up and (timeout is not None or self.clock.thread_patience is None):
            return self._wait_for_threads(poll, working)
        sockets = len(self._watched.get_map()) > self._own_files
        if timeout is None:
            signals = bool(getattr(self, "_signal_handlers", None))
            if working or sockets or signals:
                return poll(None)
            return self._look_again(poll)
        ready = poll(_SOCKET_GRACE) if sockets else []
        if not ready:
            self.clock.advance(timeout)
        return ready

    def _wait_for_threads(self, poll: Poll, working: set[object]) -> Ready:
        patience = self.clock.thread_patience
        if patience is None:
            return poll(None)
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0:
            if ready := poll(left):
                return ready
        self._given_up |= working
        return []

    def _look_again(self, poll: Poll) -> Ready:
        if threading.active_count() > 1 and (ready := poll(_SECOND_LOOK)):
            return ready
        raise DeadlockError(elapsed=self.time(), waiting=describe_waiting(self))


def _busy_anyio_threads(loop: asyncio.AbstractEventLoop) -> set[object]:
    """Threads in which anyio runs something for `loop`: they don't go through the executor.

    anyio keeps its workers to itself, so what it calls them is read with care: were it renamed,
    such threads would no longer hold the clock, and a test of ours says so.
    """
    backend = sys.modules.get("anyio._backends._asyncio")
    kind = getattr(backend, "WorkerThread", None)
    if kind is None:
        return set()
    return {
        thread
        for thread in threading.enumerate()
        if isinstance(thread, kind)
        and getattr(thread, "loop", None) is loop
        and not getattr(thread, "stopping", True)
        and thread not in getattr(thread, "idle_workers", ())
    }
