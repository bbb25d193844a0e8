"""Single flight: of identical calls at the same time one works, and the others share what comes.

If it fails or is cancelled, the one that has waited longest works in its place, so that each of
them either shares a result or fails by itself. Calls of different event loops know nothing of each
other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

ResultT = TypeVar("ResultT")

_flights: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, _Flight]] = WeakKeyDictionary()


class _Flight:
    """Calls with one key: one that works, and those that wait."""

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: deque[asyncio.Future[Any]] = deque()


class Flight(Generic[ResultT]):
    """A call with `key`; as a context manager, around all of it.

    `join` returns what another call has landed, or None: then this one works, and says by `land`
    what came of it. Leaving without that hands the work to the next one.
    """

    __slots__ = ("_flight", "_key", "_landed", "_open")

    def __init__(self, key: Any) -> None:
        self._key = key
        self._flight: _Flight | None = None
        self._open: dict[Any, _Flight] = _flights.setdefault(asyncio.get_running_loop(), {})
        self._landed: ResultT | None = None

    async def join(self) -> ResultT | None:
        """Wait for a call with this key that works already, if there is one."""
        flight = self._open.get(self._key)
        if flight is None:
            self._flight = self._open[self._key] = _Flight()
            return None
        turn: asyncio.Future[ResultT | None] = asyncio.get_running_loop().create_future()
        flight.waiting.append(turn)
        try:
            result = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result() is None:
                self._flight = flight  # its turn came in the same moment
                self._leave()
            raise
        if result is None:
            self._flight = flight
        return result

    def land(self, result: ResultT) -> None:
        """This is what the call came to, for all that wait."""
        self._landed = result

    def __enter__(self) -> Flight[ResultT]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        flight, self._flight = self._flight, None
        if flight is None:
            return
        while flight.waiting:
            turn = flight.waiting.popleft()
            if turn.done():  # cancelled
                continue
            turn.set_result(self._landed)
            if self._landed is None:
                return  # its turn to work
        del self._open[self._key]
