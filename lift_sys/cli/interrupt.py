"""Ctrl-C that works: the run is cancelled and awaited, but never longer than a second.

A plain function in a thread can't be stopped, and a node may swallow its cancellation, so a
watchdog ends the process when the grace is over. It outlives the run: leaving Python waits for
threads too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")

#: How long a cancelled run may take to clean up, in seconds; with start and end under a second.
GRACE_SECONDS = 0.6


class InterruptedRunError(BaseException):
    """A run was stopped by a signal; `exit_code` is 128 and its number, as shells have it."""

    def __init__(self, signal_number: int) -> None:
        self.exit_code = 128 + signal_number
        super().__init__(signal_number)


class Interruptible:
    """Runs one coroutine, and cancels it at SIGINT or SIGTERM.

    Args:
        on_interrupt: Called once, at the first signal, before anything is cancelled.
        on_forced_exit: Called in the watchdog's thread before it ends the process: the last words.
    """

    def __init__(
        self, *, on_interrupt: Callable[[], None], on_forced_exit: Callable[[], None]
    ) -> None:
        self.on_interrupt = on_interrupt
        self.on_forced_exit = on_forced_exit
        self._signal: int | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self, work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Run `work()` on a new event loop and return its result.

        Raises:
            InterruptedRunError: A signal came; the work was cancelled.
        """
        if threading.current_thread() is not threading.main_thread():
            return asyncio.run(work())  # only the main thread may handle signals
        earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for number in earlier:
                signal.signal(number, self._handle)
            return asyncio.run(self._work(work))
        except asyncio.CancelledError:
            if self._signal is None:
                raise
            raise InterruptedRunError(self._signal) from None
        except BaseException as error:
            # Errors on the way out, a group of cancelled branches for one, are of our making.
            if self._signal is None:
                raise
            raise InterruptedRunError(self._signal) from error
        finally:
            if self._signal is None:
                for number, handler in earlier.items():
                    signal.signal(number, handler)

    async def _work(self, work: Callable[[], Coroutine[Any, Any, ResultT]]) -> ResultT:
        self._task = asyncio.current_task()
        result = await work()
        if self._signal is not None:  # it swallowed the cancellation
            raise asyncio.CancelledError
        return result

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            self._end_now()  # the second Ctrl-C means it
            return
        self._signal = number
        watchdog = threading.Timer(GRACE_SECONDS, self._end_now)
        watchdog.daemon = True
        watchdog.start()
        self.on_interrupt()
        if self._task is not None:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _end_now(self) -> None:
        try:
            self.on_forced_exit()
            sys.stderr.flush()
        finally:
            os._exit(128 + (self._signal or signal.SIGINT))
