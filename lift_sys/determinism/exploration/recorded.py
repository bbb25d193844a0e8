"""Answers from outside, asked for once, and given again in every further run.

An answer belongs to the step (or task) that asks, to the request, and to how often it has asked
that before; never to the order of calls in time. A call is made for real where it is first met,
while the explored run stands still: in a nested event loop on virtual time, or, if it turns out to
need the network, in a thread with a real one. For the run it is a completion that may land at any
time, whether it was recorded or not, so that schedules stay the same.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from lift_sys.determinism.exploration.footprint import recorder
from lift_sys.determinism.exploration.interface import ControlledBase
from lift_sys.determinism.exploration.samplers import owner_of
from lift_sys.determinism.exploration.trace import Kind
from lift_sys.errors import UncontrolledError
from lift_sys.llm.cassette.location import locate
from lift_sys.state.canonical import digest

ValueT = TypeVar("ValueT")

_in_use: ContextVar[Recordings | None] = ContextVar("lift_sys_recordings", default=None)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call has given.

    Attributes:
        value: Its result, if it did not fail.
        error: What it raised.
    """

    value: Any = None
    error: BaseException | None = None

    def give(self) -> Any:
        """A copy of the result; raises the error."""
        if self.error is not None:
            raise self.error.with_traceback(None)
        try:
            return copy.deepcopy(self.value)
        except Exception:
            return self.value  # it can't be copied: all runs share it


class Recordings:
    """Recorded answers, kept in memory; give one to several explorations to share them.

    Attributes:
        entries: By key.
        made: How many calls were made for real.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Answer] = {}
        self.made = 0
        self._world: _World | None = None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Record calls of models, and of `outside`, inside of the block."""
        from lift_sys.determinism.exploration.taps import tapped

        token = _in_use.set(self)
        try:
            with tapped():
                yield
        finally:
            _in_use.reset(token)
            if self._world is not None:
                self._world.close()
                self._world = None

    def real(self, make: Callable[[], Any]) -> Answer:
        """Make a call for real, and wait for it."""
        self.made += 1
        answer = _nested(make)
        if answer is None:
            if self._world is None:
                self._world = _World()
            answer = self._world.call(make)
        return answer


async def outside(make: Callable[[], Awaitable[ValueT]], *, key: object = "") -> ValueT:
    """Await `make()`; while schedules are explored, do so once and give the same answer again.

    For what reaches out of the process and is no model that lift_sys knows: a database, a service,
    a client of one's own. Without an exploration it does nothing more than `await make()`.

    Args:
        make: Starts the call; made for real at the first run that comes here.
        key: What the answer depends on, such as the request: anything with a canonical form.

    Raises:
        CanonicalError: `key` has no canonical form.
    """
    recordings, loop = _in_use.get(), _explored_loop()
    if recordings is None or loop is None:
        return await make()
    name = f"outside {digest(key, path='key')}"
    answer = await _answered(recordings, loop, name, make)
    return answer  # type: ignore[no-any-return]


async def ask(name: str, make: Callable[[], Any]) -> Any:
    """As `outside`, for the taps: `name` says what is asked."""
    recordings, loop = _in_use.get(), _explored_loop()
    if recordings is None or loop is None:
        return await make()
    return await _answered(recordings, loop, name, make)


def ask_now(name: str, make: Callable[[], Any]) -> Any:
    """As `ask`, for a call that blocks; it is no completion, as its thread waits for it."""
    recordings, noting = _in_use.get(), recorder.get()
    if recordings is None or noting is None:
        return make()
    key = _key(noting, name)
    if key not in recordings.entries:
        recordings.made += 1
        token = recorder.set(None)
        try:
            recordings.entries[key] = Answer(make())
        except Exception as error:
            recordings.entries[key] = Answer(error=error)
        finally:
            recorder.reset(token)
    return recordings.entries[key].give()


def _explored_loop() -> ControlledBase | None:
    loop = asyncio._get_running_loop()
    return loop if isinstance(loop, ControlledBase) and recorder.get() is not None else None


async def _answered(
    recordings: Recordings, loop: ControlledBase, name: str, make: Callable[[], Any]
) -> Any:
    key = _key(loop.recording, name)
    answer = recordings.entries.get(key)
    if answer is None:
        answer = recordings.entries[key] = recordings.real(make)
    future = loop.create_future()

    def land() -> None:
        if not asyncio.Future.done(future):
            future.set_result(None)

    handle = asyncio.Handle(land, (), loop)
    process = f"{loop.recording.process}~{loop.recording.ordinal('answer')}"
    loop.complete_later(handle, Kind.OUTSIDE, process)
    await future
    return answer.give()


def _key(noting: Any, name: str) -> str:
    place = f"{owner_of(noting.process)} {locate().address} {name}"
    return f"{place} {noting.ordinal(place)}"


def _nested(make: Callable[[], Any]) -> Answer | None:
    """Make a call on a virtual loop of its own; None if it needs the network."""
    from lift_sys.determinism.exploration.drive import run_once

    async def call() -> Answer:
        recorder.set(None)
        try:
            made = make()
            return Answer(await made if inspect.isawaitable(made) else made)
        except Exception as error:
            return Answer(error=error)

    trace = run_once(call, limit=100_000, keep=True)
    if trace.refused:
        return None
    if trace.outcome is None or not isinstance(trace.outcome.example, Answer):
        raise UncontrolledError(what=f"A recorded call never came back ({trace.outcome})")
    return trace.outcome.example


class _World:
    """A thread with a real event loop, in which calls that need the network are made."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True, name="lift_sys outside")
        self._thread.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def call(self, make: Callable[[], Any]) -> Answer:
        """Make the call over there, and wait for it."""
        context = copy_context()
        context.run(recorder.set, None)
        done = threading.Event()
        found: list[Answer] = []

        async def call() -> None:
            try:
                made = make()
                found.append(Answer(await made if inspect.isawaitable(made) else made))
            except BaseException as error:
                found.append(Answer(error=error))
            finally:
                done.set()

        def begin() -> None:
            tasks.append(self._loop.create_task(call(), context=context))

        tasks: list[asyncio.Task[None]] = []  # kept, as loops keep weak references only
        self._loop.call_soon_threadsafe(begin)
        done.wait()
        return found[0]

    def close(self) -> None:
        """End the thread; connections that clients keep open are closed with their loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
