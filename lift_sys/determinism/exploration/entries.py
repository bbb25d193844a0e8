"""What waits to run in a controlled loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from lift_sys.determinism.exploration.trace import Kind, Trace


class Entry:
    """Something that can run, or end. Strategies choose among entries by `process` and `due`.

    Attributes:
        handle: What to call; None for the round as a whole.
        kind: What it is.
        process: Whose turn it would be; of a sleep, the task that sleeps.
        causes: Events without which it would not be here, as bits.
        due: Virtual time at which a completion lands if nobody interferes.
        order: Its number in the order of creation.
        counted: What a quiet callback counts in.
        future: What a completion sets.
    """

    __slots__ = (
        "causes",
        "counted",
        "due",
        "future",
        "handle",
        "kind",
        "order",
        "process",
        "woken",
    )

    def __init__(
        self,
        handle: asyncio.Handle,
        kind: Kind,
        process: str,
        causes: int,
        *,
        due: float = 0.0,
        order: int = 0,
        counted: Any = None,
        future: asyncio.Future[Any] | None = None,
    ) -> None:
        self.handle = handle
        self.kind = kind
        self.process = process
        self.causes = causes
        self.due = due
        self.order = order
        self.counted = counted
        self.future = future
        self.woken = False

    def __lt__(self, other: Entry) -> bool:
        return (self.due, self.order) < (other.due, other.order)

    def __repr__(self) -> str:
        return f"<{self.kind.name} {self.process}>"


class Strategy(Protocol):
    """Decides which of several options is next."""

    def begin(self, trace: Trace) -> None:
        """A run starts; `trace` is what will be known of it, at any time."""
        ...

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """Return an index into `options`, of which the first is what a plain loop would take.

        Args:
            options: At least two.
            ready: What is in the queue; it is what an option of kind TURN would run.

        Raises:
            Pruned: The run need not go on.
        """
        ...


class Pruned(Exception):
    """Raised by a strategy: this run would only repeat another one."""


class Fifo:
    """What a plain loop would do: first in, first out, and time as it is."""

    def begin(self, trace: Trace) -> None:
        """Nothing to prepare."""

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """The first option."""
        return 0


class Job:
    """A function for a thread, which runs in one piece when its completion is chosen."""

    __slots__ = ("args", "function", "future", "loop")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
        function: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self.loop = loop
        self.future = future
        self.function = function
        self.args = args

    def __call__(self) -> None:
        """Run it, and end its future with what comes of it."""
        # A thread has no running loop: code that starts one of its own must find it so.
        asyncio._set_running_loop(None)
        try:
            result = self.function(*self.args)
        except StopIteration as error:
            failure: BaseException = RuntimeError(f"a thread raised {error!r}")
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            failure = error
        else:
            if not asyncio.Future.done(self.future):
                self.future.set_result(result)
            return
        finally:
            asyncio._set_running_loop(self.loop)
        if not asyncio.Future.done(self.future):
            self.future.set_exception(failure)
