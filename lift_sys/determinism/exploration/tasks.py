"""Tasks and futures that say when they are looked at, and tasks whose hash repeats.

The hash matters: `TaskGroup` and anyio keep tasks in sets, and cancel them in the order of the set,
which would else be that of memory addresses.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

from lift_sys.determinism.exploration.footprint import READ, WRITE
from lift_sys.errors import LiftError

if TYPE_CHECKING:
    from lift_sys.determinism.exploration.recording import Recording

    _Future = asyncio.Future[Any]
else:
    _Future = object  # what it is mixed into is one


# What tasks and futures of a loop keep for themselves.
_OWN = frozenset({"label", "resource", "_ordinal", "_noting", "_given"})


class _Noting(_Future):
    """Notes who looks at a task or a future, and who touches the attributes that users give to it."""

    __slots__ = ()

    resource: str
    _noting: Recording
    _given: dict[str, Any]

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN or hasattr(type(self), name):
            super().__setattr__(name, value)
            return
        resource = f"{self.resource}.{name}"
        self._noting.note(resource, WRITE)
        self._noting.hand_over(value, resource)
        self._given[name] = value

    def __getattr__(self, name: str) -> Any:
        if name not in _OWN and not name.startswith("__"):
            self._noting.note(f"{self.resource}.{name}", READ)
            if name in self._given:
                return self._given[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _look(self) -> Any:
        self._noting.note(self.resource, READ)
        return vars(asyncio.Future)["_state"].__get__(self)

    _state: Any = property(_look)  # `repr` reads it, too

    def add_done_callback(self, callback: Any, *, context: Context | None = None) -> None:
        """Call `callback` when it has ended; several are called in the order of these calls."""
        self._note_callback()
        super().add_done_callback(callback, context=context)

    def remove_done_callback(self, callback: Any) -> int:
        """Don't call `callback`; how often it would have been called."""
        self._note_callback()
        return super().remove_done_callback(callback)

    def done(self) -> bool:
        """Whether it has ended."""
        self._noting.note(self.resource, READ)
        return super().done()

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        self._noting.note(self.resource, READ)
        return super().cancelled()

    def result(self) -> Any:
        """What it came to."""
        self._noting.note(self.resource, READ)
        return super().result()

    def exception(self) -> BaseException | None:
        """The error that it ended with."""
        self._noting.note(self.resource, READ)
        return super().exception()

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it."""
        self._noting.note(self.resource, WRITE)
        return super().cancel(msg)

    def _note_callback(self) -> None:
        asking = sys._getframe(2).f_globals.get("__name__", "")
        if asking.partition(".")[0] not in ("asyncio", "anyio", "lift_sys"):
            self._noting.note(f"{self.resource} callbacks", WRITE)

    def __delattr__(self, name: str) -> None:
        if name not in self._given:
            super().__delattr__(name)
            return
        self._noting.note(f"{self.resource}.{name}", WRITE)
        del self._given[name]


class ControlledTask(_Noting, asyncio.Task[Any]):
    """A task of a `ControlledLoop`.

    Attributes:
        label: Its name, the same in every schedule: `parent.child`, or a step's address and node.
        resource: What looking at it, ending it and cancelling it touch.
    """

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        noting: Recording,
        label: str,
        ordinal: int,
        name: str | None,
        context: Context | None,
    ) -> None:
        # Before the constructor: it registers the task by its hash, and queues its first step.
        self.label = label
        self.resource = f"task:{label}"
        self._ordinal = ordinal
        self._noting = noting
        self._given = {}
        super().__init__(coro, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._ordinal

    def __eq__(self, other: object) -> bool:
        return self is other

    def get_name(self) -> str:
        """What it is called."""
        self._noting.note(f"{self.resource} name", READ)
        return super().get_name()

    def set_name(self, value: object) -> None:
        """Call it something else."""
        self._noting.note(f"{self.resource} name", WRITE)
        super().set_name(value)


class ControlledFuture(_Noting, asyncio.Future[Any]):
    """A future of a `ControlledLoop`."""

    def __init__(
        self, *, loop: asyncio.AbstractEventLoop, noting: Recording, resource: str
    ) -> None:
        self.resource = resource
        self._noting = noting
        self._given = {}
        super().__init__(loop=loop)

    def set_result(self, result: Any) -> None:
        """End it with a result."""
        self._noting.note(self.resource, WRITE)
        self._noting.hand_over(result, self.resource)
        super().set_result(result)

    def set_exception(self, exception: Any) -> None:
        """End it with an error."""
        self._noting.note(self.resource, WRITE)
        self._noting.hand_over(exception, self.resource)
        super().set_exception(exception)


def failed(future: asyncio.Future[Any]) -> bool:
    """Whether a future that is done has no result; looking does not count as a read."""
    if asyncio.Future.cancelled(future):
        return True
    return getattr(future, "_exception", None) is not None


def label_of(coro: Any) -> str | None:
    """The stable name of a task that the engine of lift_sys starts: its step's address and node.

    None for any other coroutine.
    """
    code = getattr(coro, "cr_code", None)
    frame = getattr(coro, "cr_frame", None)
    if code is None or frame is None:
        return None
    if not code.co_filename.endswith(("runner.py", "single.py")):
        return None
    from lift_sys.core.address import located
    from lift_sys.core.node import node_name
    from lift_sys.execution.single import SingleNodes
    from lift_sys.graph.runner import Runner

    names = frame.f_locals
    if code is Runner.walk.__code__:
        return located(names["walk"].prefix, node_name(names["node"]))
    if code is SingleNodes._run.__code__:
        return located(names["holder"].ctx.address, node_name(names["node"]))
    return None


def close_quietly(task: asyncio.Task[Any]) -> None:
    """Close the coroutine of a task that won't end, without the warning about it."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    coro: Any = task.get_coro()
    # If it is running, or refuses to end, nothing more can be done about it.
    with suppress(RuntimeError, LiftError, asyncio.CancelledError):
        coro.close()
