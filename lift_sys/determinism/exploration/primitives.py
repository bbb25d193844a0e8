"""Locks, semaphores, events, conditions, queues and barriers of asyncio that say who touches them.

Their classes are wrapped while an exploration runs, since code imports them under any name and may
have made them before. Outside of explored runs a wrapper costs one look at a context variable.
"""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from lift_sys.core.strategies import MergeStrategy, Race, as_strategy
from lift_sys.determinism.exploration import anyio_threads
from lift_sys.determinism.exploration.callbacks import may_cut
from lift_sys.determinism.exploration.footprint import ANYTHING, RANKS, READ, WRITE, recorder
from lift_sys.determinism.exploration.tasks import ControlledTask
from lift_sys.errors import StepLimitError
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.execution.group import Group
from lift_sys.execution.slots import Holder, Slots, Ticket

_PLAIN: dict[type, dict[str, int]] = {
    asyncio.Lock: {"release": WRITE, "locked": READ, "__repr__": READ},
    asyncio.Event: {"set": WRITE, "clear": WRITE, "is_set": READ, "__repr__": READ},
    asyncio.Condition: {"notify": WRITE, "__repr__": READ},
    asyncio.Timeout: {"when": READ, "reschedule": WRITE, "expired": READ, "__repr__": READ},
    asyncio.Queue: {
        "get_nowait": WRITE,
        "qsize": READ,
        "empty": READ,
        "full": READ,
        "task_done": WRITE,
        "shutdown": WRITE,
        "__repr__": READ,
        "__str__": READ,
    },
}
# Both the attempt and what follows the wake-up touch: the one decides who waits, the other who goes.
_WAITING: dict[type, dict[str, int]] = {
    asyncio.Lock: {"acquire": WRITE},
    asyncio.Event: {"wait": READ},
    asyncio.Condition: {"wait": WRITE},
    asyncio.Queue: {"put": WRITE, "get": WRITE, "join": READ},
    asyncio.Barrier: {"wait": WRITE, "reset": WRITE, "abort": WRITE},
}
_MARK = "_lift_sys_says_who_touches"


@contextmanager
def instrumented() -> Iterator[None]:
    """Wrap the classes for as long as the block lasts."""
    if hasattr(asyncio.Lock.acquire, _MARK):  # within another exploration: they are wrapped
        yield
        return
    undo: list[tuple[type, str, Any]] = []

    def wrap(kind: type, name: str, wrapper: Callable[[Any], Any]) -> None:
        original = vars(kind).get(name)
        if original is not None:  # `Queue.shutdown` came with Python 3.13
            undo.append((kind, name, original))
            wrapped = wrapper(original)
            if not isinstance(wrapped, property):
                setattr(functools.wraps(original)(wrapped), _MARK, True)
            setattr(kind, name, wrapped)

    try:
        for kind, methods in _PLAIN.items():
            for name, mode in methods.items():
                wrap(kind, name, functools.partial(_plain, mode))
        for kind, methods in _WAITING.items():
            for name, mode in methods.items():
                wrap(kind, name, functools.partial(_waiting, mode))
        wrap(asyncio.Queue, "put_nowait", _handing_over)
        wrap(asyncio.Semaphore, "acquire", _acquire)
        wrap(asyncio.Semaphore, "release", _release)
        wrap(asyncio.Semaphore, "locked", _locked)
        wrap(asyncio.Semaphore, "__repr__", _locked)
        wrap(asyncio.BoundedSemaphore, "release", _bounded)
        for name in ("n_waiting", "broken"):
            wrap(asyncio.Barrier, name, _filling)
        for kind in (asyncio.Lock, asyncio.Semaphore, asyncio.Event, asyncio.Condition):
            wrap(kind, "__init__", _named)
        wrap(asyncio.Queue, "__init__", _named)
        for name in ("acquire", "release", "locked"):
            setattr(asyncio.Condition, name, _OfItsLock(name))
        wrap(ParallelExecutor, "merge_states", _merging)
        for name in ("take", "ask", "release", "overdraw"):
            wrap(Slots, name, functools.partial(_slot, name == "ask"))
        wrap(Ticket, "withdraw", functools.partial(_slot, False))
        wrap(Group, "_cancel_running", _cutting)
        wrap(asyncio.TaskGroup, "_abort", _cutting)
        wrap(Holder, "is_leaving", _leaving)
        wrap(StepLimitError, "__init__", _at_the_limit)
        for counter in (Group, asyncio.TaskGroup):
            wrap(counter, "__init__", _named)
        vars(asyncio.tasks)["set"] = _in_order  # a global is found before the builtin of its name
        with anyio_threads.redirected():
            yield
    finally:
        vars(asyncio.tasks).pop("set", None)
        for name in ("acquire", "release", "locked"):
            if name in vars(asyncio.Condition):
                delattr(asyncio.Condition, name)
        for kind, name, original in reversed(undo):
            setattr(kind, name, original)


class _OfItsLock:
    """A method that a condition has of its lock.

    It binds them when it is made, so one made before its class was wrapped has unwrapped ones.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, condition: Any, owner: type) -> Any:
        return self if condition is None else getattr(condition._lock, self._name)

    def __set__(self, condition: Any, value: Any) -> None:
        vars(condition)[self._name] = value


def _in_order(things: Iterable[Any] = ()) -> Any:
    """What `asyncio.as_completed` makes tasks of: else they would get their names by address."""
    found = list(things)
    return dict.fromkeys(found) if any(map(asyncio.iscoroutine, found)) else set(found)


def _plain(mode: int, original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            noting.note(noting.name_of(self), mode)
        return original(self, *args, **kwargs)

    return wrapper


def _handing_over(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, item: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            name = noting.name_of(self)
            noting.note(name, WRITE)
            noting.hand_over(item, name)
        return original(self, item)

    return wrapper


def _waiting(mode: int, original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        noting = recorder.get()
        if noting is None:
            return await original(self, *args, **kwargs)
        name = noting.name_of(self)
        noting.note(name, mode)
        try:
            return await original(self, *args, **kwargs)
        finally:
            noting.note(name, mode)

    return wrapper


def _acquire(original: Callable[..., Any]) -> Callable[..., Any]:
    async def wrapper(self: Any) -> Any:
        noting = recorder.get()
        if noting is None:
            return await original(self)
        name, free = noting.name_of(self), self._value
        noting.permit(name, free, 0)
        taken = await original(self)
        noting.permit(name, free, 1)
        return taken

    return wrapper


def _release(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            noting.permit(noting.name_of(self), self._value, -1)
        return original(self)

    return wrapper


def _locked(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any) -> Any:
        noting = recorder.get()
        # `acquire` asks it, too, and has said so already.
        if noting is not None and sys._getframe(1).f_globals.get("__name__") != "asyncio.locks":
            noting.note(noting.name_of(self), WRITE)
        return original(self)

    return wrapper


def _bounded(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any) -> Any:
        noting = recorder.get()
        if noting is not None and self._value >= self._bound_value:  # it raises
            noting.note(noting.name_of(self), WRITE)
        return original(self)

    return wrapper


def _filling(original: property) -> property:
    """How many wait at a barrier, which changes under its lock."""

    def get(self: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            for each in (self, self._cond._lock):
                noting.note(noting.name_of(each), READ)
        return original.__get__(self)

    return property(get)


def _slot(waits: bool, original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            noting.slot(waits=waits)
        return original(self, *args, **kwargs)

    return wrapper


def _cutting(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any) -> Any:
        noting = recorder.get()
        if noting is not None:
            if not isinstance(self, Group):
                noting.cut_off(self)
            elif may_cut(self):
                noting.cut_off(self)
                noting.slot()
        return original(self)

    return wrapper


def _leaving(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any) -> Any:
        noting, holder = recorder.get(), self
        while noting is not None and holder is not None:  # whom its group cancels, it marks
            if isinstance(holder.task, ControlledTask):
                noting.note(holder.task.resource, READ)
            holder = holder.outer
        return original(self)

    return wrapper


def _at_the_limit(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        noting = recorder.get()
        if noting is not None:
            noting.note(ANYTHING, WRITE)  # who takes the step too many is a matter of order
        original(self, *args, **kwargs)

    return wrapper


def _merging(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, results: Any, strategy: Any = MergeStrategy.FIRST_SUCCESS) -> Any:
        noting = recorder.get()
        if noting is not None and isinstance(as_strategy(strategy), Race):
            noting.note(RANKS, READ)
        return original(self, results, strategy)

    return wrapper


def _named(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        noting = recorder.get()
        if noting is not None:
            noting.name_of(self)

    return wrapper
