"""The loop that attribution runs on: virtual time, and the order of what comes back held or moved.

What can come back is an `asyncio.sleep` or a job in a thread. Held, everything lands when its time
has come, ties in the order of creation; moved, it lands at a time drawn for it, but never beyond a
deadline that it would have met, so that no time-out fires that would not. Jobs run when they land, in the
loop's own thread. Before editing: a draw depends on the task that waits and how often it has, not
on a shared stream, or moving one place would move all.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from typing import Any, NoReturn

from lift_sys.determinism.attribution.controls import Controls, fraction, task_label
from lift_sys.determinism.attribution.frames import Place, started_from
from lift_sys.determinism.attribution.patches.aliases import Replacements
from lift_sys.errors import DeadlockError

# Seconds over which moved completions are spread at least; the longest wait so far if that is more.
_SPREAD = 1.0
# Seconds between the times that a moved clock tells of the loop; nobody sleeps as long.
_FAR = float(1 << 33)
_SLEEP_ENDS = "_set_result_unless_cancelled"
# Real seconds to wait for a socket when nothing in the loop can go on.
_PATIENCE = 30.0


def patch_waits(controls: Controls, replaced: Replacements) -> None:
    """Log who takes results in the order in which they come: `as_completed` and `wait`."""

    def logged(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def wait(*args: Any, **options: Any) -> Any:
            if controls.active:
                controls.asked("schedule", f"asyncio.{name}")
            return real(*args, **options)

        return wait

    for name in ("as_completed", "wait"):
        replaced.put(asyncio, name, logged(name, getattr(asyncio, name)))


def patch_threads(controls: Controls, replaced: Replacements) -> None:
    """Note who starts threads of their own: these run when they like, and no loop sees them."""
    real = threading.Thread.start

    def start(self: threading.Thread) -> None:
        if controls.active:
            controls.starts_thread("threading.Thread.start")
        real(self)

    replaced.put(threading.Thread, "start", start)


class _Selector(selectors.DefaultSelector):
    """Asks the loop what to do when no callback is ready and no file descriptor is."""

    loop: ScheduledLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.loop.land(timeout):
            return []
        if len(self.get_map()) > self.loop.own_files or threading.active_count() > 1:
            ready = super().select(_PATIENCE)
        if not ready:
            self.loop.give_up()
        return ready


class _Landing:
    """Something that will come back.

    Attributes:
        moment: When, on the loop's clock.
        label: Which wait of which task, such as ".0.1#2".
        stack: Lines of the user's that wait for it, innermost first.
    """

    __slots__ = ("act", "cancelled", "label", "moment", "stack")

    def __init__(
        self,
        moment: float,
        label: str,
        stack: list[Place],
        act: Callable[[], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self.moment = moment
        self.label = label
        self.stack = stack
        self.act = act
        self.cancelled = cancelled


class ScheduledLoop(asyncio.SelectorEventLoop):
    """An event loop in which what comes back lands in a chosen order.

    Attributes:
        landed: Labels in the order of landing.
        own_files: How many files the loop watches for itself.
        rivals: The stacks of all landings that others could have overtaken, by `stack_key`.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._now = 0.0
        self._pending: list[_Landing] = []
        self._waits: dict[str, int] = defaultdict(int)
        self._children: dict[str, int] = defaultdict(int)
        self._longest = _SPREAD
        self.landed: list[str] = []
        self.rivals: dict[str, list[Place]] = {}
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self.own_files = len(selector.get_map())  # the pipe that wakes the loop
        self.set_task_factory(self._labelled)

    def time(self) -> float:
        """Virtual seconds; on a clock that is moved the user is told others."""
        controls = self._controls
        if controls.active and controls.frames.is_user(sys._getframe(1).f_code.co_filename):
            return self._now + _FAR * controls.asked("clock", "loop.time")
        return self._now

    def _labelled(self, loop: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
        parent = task_label.get()
        number = self._children[parent]
        self._children[parent] += 1
        context: Context = options.pop("context", None) or copy_context()
        context.run(task_label.set, f"{parent}.{number}")
        context.run(started_from.set, tuple(self._controls.frames.stack()))
        return asyncio.Task(coro, loop=loop, context=context, **options)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As in asyncio; the end of a sleep is put where it can be moved."""
        when = when % _FAR if _FAR <= when < math.inf else when  # by what the user was told
        if getattr(callback, "__name__", "") != _SLEEP_ENDS or when == float("inf"):
            return super().call_at(when, callback, *args, context=context)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._expect(when, lambda: _run(handle), handle.cancelled)
        return handle

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """As in asyncio, but the job runs in this thread, when it lands."""
        future = self.create_future()

        def act() -> None:
            try:
                result = func(*args)
            except BaseException as error:
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self._expect(self._now, act, future.cancelled, job=self._controls.frames.start_of(func))
        return future

    def _expect(
        self,
        when: float,
        act: Callable[[], None],
        cancelled: Callable[[], bool],
        *,
        job: Place | None = None,
    ) -> None:
        label = f"{task_label.get()}#{self._waits[task_label.get()]}"
        self._waits[task_label.get()] += 1
        stack = self._controls.frames.stack(depth=3)
        stack = stack if job is None else [job, *stack]
        self._longest = max(self._longest, when - self._now)
        moment = self._moved(when, label, stack)
        self._pending.append(_Landing(moment, label, stack, act, cancelled))

    def _moved(self, when: float, label: str, stack: list[Place]) -> float:
        setting = self._controls.setting
        level = setting.level("schedule") if setting else 0
        if not level:
            return when
        assert setting is not None
        only = setting.only.get("schedule")
        if only is not None and stack_key(stack) not in only:
            return when
        deadlines = [h.when() for h in self._scheduled if not h.cancelled()]  # type: ignore[attr-defined]
        end: float = min([self._now + 2 * self._longest, *deadlines])
        if when >= end:
            return when
        return self._now + fraction(f"{level}:{label}") * (end - self._now)

    def land(self, timeout: float | None) -> bool:
        """Let the next thing come back, or the next timer fire; False if there is neither.

        Args:
            timeout: Virtual seconds to the next timer; None without one.
        """
        self._pending = [landing for landing in self._pending if not landing.cancelled()]
        deadline = float("inf") if timeout is None else self._now + timeout
        if self._pending:
            # A stable minimum: ties land in the order of creation.
            chosen = min(self._pending, key=lambda landing: landing.moment)
            if chosen.moment <= deadline:
                self._note(chosen)
                self._pending.remove(chosen)
                self._now = max(self._now, chosen.moment)
                frames = self._controls.frames
                frames.beneath = chosen.stack
                try:
                    chosen.act()
                finally:
                    frames.beneath = []
                return True
        if timeout is None:
            return False
        self._now = deadline
        return True

    def _note(self, chosen: _Landing) -> None:
        self.landed.append(chosen.label)
        if len(self._pending) > 1:
            for landing in self._pending:
                if landing.stack:
                    self.rivals.setdefault(stack_key(landing.stack), landing.stack)

    def give_up(self) -> NoReturn:
        """Nothing in the loop can go on, and nothing from outside came.

        Raises:
            DeadlockError: Always.
        """
        tasks = [task for task in asyncio.all_tasks(self) if not task.done()]
        raise DeadlockError(elapsed=self._now, waiting=[repr(task.get_coro()) for task in tasks])


def stack_key(stack: Sequence[Place]) -> str:
    """The same for all waits that came to the same line by the same lines."""
    return " < ".join(place.key for place in stack)


def _run(handle: asyncio.TimerHandle) -> None:
    if not handle.cancelled():
        handle._run()
