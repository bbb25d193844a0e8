"""What asyncio asks of a loop, answered so that nothing happens by itself.

Every future, task, timer and job that is made here becomes an entry that waits to be chosen; who
chooses is in `loop.py`.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import re
import sys
import threading
from abc import abstractmethod
from bisect import insort
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from lift_sys.determinism.exploration.entries import Entry, Job, Strategy
from lift_sys.determinism.exploration.footprint import READ
from lift_sys.determinism.exploration.recording import Recording, Watch
from lift_sys.determinism.exploration.tasks import ControlledFuture, ControlledTask, label_of
from lift_sys.determinism.exploration.trace import Kind, Space, Trace
from lift_sys.errors import UncontrolledError

# How asyncio.sleep ends: the one kind of timer that is a completion and no deadline.
_END_OF_SLEEP = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]
# Frames that would block the thread until the loop goes on, which it can't meanwhile.
_BLOCKING = ("run_coroutine_threadsafe", "run_async_from_thread", "run_sync_from_thread")
_FRAMEWORKS = ("asyncio", "anyio", "lift_sys")


class ControlledBase(asyncio.BaseEventLoop):
    """Takes in what a program makes: tasks, futures, timers, jobs.

    Args:
        strategy: Decides wherever there are several options.
        space: Which options there are.
        watch: Looks for writes that nobody declared, after each step; None does not look.
        with_options: Take down at each event who else could have run.
        with_lines: Take down at each step where it begins.
        strict: Sleeps end in the order of their durations.
        mirrored: Sets of tasks come in the opposite order, and tasks without a name get one of
            asyncio's, as both differ from run to run on a plain loop.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        space: Space = "completions",
        watch: Watch | None = None,
        with_options: bool = False,
        with_lines: bool = False,
        strict: bool = False,
        mirrored: bool = False,
    ) -> None:
        super().__init__()
        self._mirrored = mirrored
        self._with_lines = with_lines
        self._strict = strict
        self.space = space
        self.trace = Trace(space=space)
        self.recording = Recording(self.trace, watch)
        self.tasks: list[ControlledTask] = []
        self._strategy = strategy
        strategy.begin(self.trace)
        self._with_options = with_options
        self._now = 0.0
        self._queue: list[Entry] = []
        self._quiet: list[Entry] = []
        self._pending: list[Entry] = []
        self._asleep: dict[str, Entry] = {}
        self._deadlines: list[tuple[float, int, asyncio.TimerHandle, int]] = []
        self._counted: dict[int, int] = {}
        self._counters: list[object] = []
        self._labels: set[str] = set()
        self._left_in_turn = 0
        self._order = 0
        self._last_callback = 0
        self._thread = threading.get_ident()
        turn = asyncio.Handle(lambda: None, (), self)
        self._turn = Entry(turn, Kind.TURN, "", 0)

    def time(self) -> float:
        """Virtual seconds."""
        asking = sys._getframe(1).f_globals.get("__name__", "")
        if asking.partition(".")[0] not in _FRAMEWORKS:
            self.recording.note("clock", READ)
        return self._now

    def create_future(self) -> asyncio.Future[Any]:
        """A future whose reads and writes are seen."""
        recording = self.recording
        number = recording.ordinal("Future")
        return ControlledFuture(
            noting=recording, loop=self, resource=f"Future@{recording.process}.{number}"
        )

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> ControlledTask:
        """A task with a stable label; options such as `eager_start` are left out."""
        recording = self.recording
        label = label_of(coro)
        if label is None or label in self._labels:
            maker = recording.process
            label = f"{maker}.{recording.ordinal('task')}" if maker else "0"
        elif recording.muted or recording.event.kind is Kind.CALLBACK:
            # A branch that had to wait until another one ended.
            recording.slot(waits=True)
        self._labels.add(label)
        if recording.watch is not None:
            recording.watch.meet(coro, label, recording.process)
        number = len(self.tasks)
        task = ControlledTask(
            coro,
            loop=self,
            noting=recording,
            label=label,
            ordinal=-2 - number if self._mirrored else number,  # -1 is no hash
            name=name or (None if self._mirrored else label),
            context=context,
        )
        self.tasks.append(task)
        return task

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback."""
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle, callback, args)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback, from a job or from a thread that is none of ours."""
        if threading.get_ident() != self._thread:
            self.trace.caveats.add("a thread of its own called into the event loop")
        elif sys._getframe(1).f_code.co_name in _BLOCKING:
            raise UncontrolledError(what="A thread waits for its own event loop")
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Set a timer: a completion if it ends a sleep, else a deadline."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        timer._scheduled = True  # type: ignore[attr-defined]
        self._order += 1
        recording = self.recording
        if callback is _END_OF_SLEEP:
            entry = Entry(
                timer,
                Kind.SLEEP,
                recording.process,
                recording.causes,
                due=when,
                order=self._order,
                future=args[0],
            )
            self._asleep[entry.process] = entry
            if when < math.inf:
                insort(self._pending, entry)
        else:
            heapq.heappush(self._deadlines, (when, self._order, timer, recording.causes))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        for entry in self._pending:
            if entry.handle is handle:
                self._pending.remove(entry)
                return

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """A completion that runs `func` in one piece when it is chosen, whatever the executor."""
        self.trace.caveats.add("functions in threads ran in one piece each")
        recording = self.recording
        future = self.create_future()
        job = asyncio.Handle(Job(self, future, func, args), (), self)
        self.complete_later(job, Kind.JOB, f"{recording.process}~{recording.ordinal('job')}")
        return future

    def complete_later(self, handle: asyncio.Handle, kind: Kind, process: str) -> None:
        """Let `handle` run when it is chosen, which may be at any time from now on."""
        self._order += 1
        causes = self.recording.causes
        insort(
            self._pending, Entry(handle, kind, process, causes, due=self._now, order=self._order)
        )

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what asyncio complains about; hundreds of runs would flood the log."""
        message = str(context.get("message", "an error"))
        # Without the objects that it names, which are others in each run.
        self.trace.notes.add(f"asyncio: {re.split('[(<]', message)[0].strip()}")

    def get_debug(self) -> bool:
        """Never: debugging slows down each callback."""
        return False

    def follow(self, strategy: Strategy) -> None:
        """Let another strategy decide from here on."""
        self._strategy = strategy

    @abstractmethod
    def _enqueue(self, handle: asyncio.Handle, callback: Any, args: tuple[Any, ...]) -> None:
        """Queue a callback, or the step of a task."""
