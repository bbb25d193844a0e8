"""Virtual time: a test that waits for an hour takes milliseconds, the same way every time.

Before editing: what is virtual is the event loop's clock (`loop.time()`, and so every sleep, timeout
and deadline of asyncio and anyio) and `VirtualClock.now()`. `time.sleep`, `time.monotonic` and
`datetime.now` stay real, and a server in another process is only waited for inside `hold()`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, ParamSpec, TypeVar

from lift_sys.testing.loop import VirtualLoop

__all__ = ["EPOCH", "VirtualClock", "VirtualLoop", "new_virtual_loop", "run_virtual", "virtual"]

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""What `VirtualClock.now()` says at the start, unless told otherwise."""


class VirtualClock:
    """A clock that jumps to the next timer whenever nothing is ready.

    Give it to a run as its clock, too: `now()` is what `ctx.now()` asks. Several runs on one clock
    follow each other in time. Timers with exactly one deadline fire in asyncio's own order, which
    is reproducible but not the order of their creation: no result may depend on it.

    Attributes:
        start: What `now()` says when `elapsed` is 0.
        thread_patience: Real seconds for which a busy thread keeps the clock still; None waits for
            it to end. Set it to test what becomes of a thread that hangs.
    """

    def __init__(self, *, start: datetime = EPOCH, thread_patience: float | None = None) -> None:
        if start.tzinfo is None:
            raise ValueError("`start` needs a time zone, such as datetime(2000, 1, 1, tzinfo=UTC)")
        self.start = start.astimezone(UTC)
        self.thread_patience = thread_patience
        self._elapsed = 0.0

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed

    def now(self) -> datetime:
        """The virtual time: aware, in UTC."""
        return self.start + timedelta(seconds=self._elapsed)

    def advance(self, seconds: float) -> None:
        """Move the clock on; the loop does so by itself, between runs a test may.

        Raises:
            ValueError: `seconds` is negative.
        """
        if seconds < 0:
            raise ValueError(f"time can't go back: {seconds!r} s")
        # Whole nanoseconds, the resolution of the loop: sums of decimals stay decimals, so that a
        # test may compare with ==.
        self._elapsed = round(self._elapsed + seconds, 9)

    def run(self, coroutine: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run `coroutine` in a new event loop on this clock, as `asyncio.run` does.

        Raises:
            DeadlockError: Every task waits, and nothing can ever wake one of them.
            RuntimeError: An event loop is running in this thread already.
        """
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(coroutine)

    def new_loop(self) -> VirtualLoop:
        """Make an event loop on this clock: a loop factory for `asyncio.Runner` and for plugins."""
        return VirtualLoop(self)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the clock still, inside a run, and wait in real time for whoever is outside of it.

        For a server in another process, or a thread that doesn't come from the event loop::

            with clock.hold():
                reply = await client.get(url)
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop) or loop.clock is not self:
            raise RuntimeError("`hold()` works inside `clock.run(...)` of the same clock only")
        loop.hold()
        try:
            yield
        finally:
            loop.release()


def run_virtual(coroutine: Coroutine[Any, Any, ResultT]) -> tuple[ResultT, float]:
    """Run `coroutine` on a new `VirtualClock`.

    Returns:
        Its result, and the virtual seconds that it took.

    Raises:
        DeadlockError: Every task waits, and nothing can ever wake one of them.
    """
    clock = VirtualClock()
    result = clock.run(coroutine)
    return result, clock.elapsed


def virtual(function: Callable[P, Coroutine[Any, Any, ResultT]]) -> Callable[P, ResultT]:
    """Make an `async def` a plain function that runs on a `VirtualClock` of its own.

    A decorator for tests: `@virtual` above `async def test_...` needs no plugin, and fixtures are
    passed on. Inside, `asyncio.get_running_loop().time()` tells the virtual seconds.
    """

    @functools.wraps(function)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        return VirtualClock().run(function(*args, **kwargs))

    return wrapper


def new_virtual_loop() -> VirtualLoop:
    """Make an event loop on a clock of its own, for pytest-asyncio's loop factories.

    With this in `conftest.py`, `@pytest.mark.asyncio(loop_factories=["virtual"])` gives a test
    virtual time::

        def pytest_asyncio_loop_factories(config, item):
            return {"real": asyncio.new_event_loop, "virtual": new_virtual_loop}
    """
    return VirtualClock().new_loop()
