"""Worker threads for nodes with a plain `def run`.

The standard pool joins its threads when the interpreter exits, so one stuck node would keep the
whole program from ending; these are daemon threads. There is no queue: the number of calls at a
time is bounded by the executor's slots, and a thread that is idle for a while ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_IDLE_SECONDS = 5.0


class DaemonPool(Executor):
    """A `concurrent.futures.Executor` of daemon threads, made on demand."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle = 0
        self._lock = threading.Lock()

    def submit(
        self, fn: Callable[P, ResultT], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[ResultT]:
        """Call `fn` in a thread."""
        future: Future[ResultT] = Future()

        def call() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            start = self._idle == 0
            if not start:
                self._idle -= 1
        self._calls.put(call)
        if start:
            threading.Thread(target=self._work, name="lift_sys-node", daemon=True).start()
        return future

    def _work(self) -> None:
        while True:
            try:
                call = self._calls.get(timeout=_IDLE_SECONDS)
            except Empty:
                with self._lock:
                    if self._idle == 0:
                        continue  # a call has just been promised to this thread
                    self._idle -= 1
                    return
            call()
            del call  # it holds the state of the node that ran
            with self._lock:
                self._idle += 1

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> Any:
        """Nothing to do: idle threads end by themselves, and busy ones can't be stopped."""
