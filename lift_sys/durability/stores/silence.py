"""A connection to PostgreSQL that notices when the server has fallen silent.

Keepalives tell of a network or machine that is gone. A server that is frozen while its machine is
not keeps its sockets, and would be waited for without end. So after some time without an answer we
ask whether it answers anybody, by another connection: if so, it is only slow, and may be.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

ResultT = TypeVar("ResultT")


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that asks after the server.

    Attributes:
        patience: Seconds without an answer after which it asks.
        probe: Connects anew, and raises `OperationalError` if that fails.
    """

    patience = float("inf")
    probe: Callable[[], None]

    def wait(self, gen: PQGen[ResultT], *arguments: Any, **options: Any) -> ResultT:
        """As psycopg does, which steps `gen` several times a second, also without an answer."""
        return super().wait(self._watched(gen), *arguments, **options)

    def _watched(self, gen: PQGen[ResultT]) -> PQGen[ResultT]:
        due = time.monotonic() + self.patience
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > due:
                    self._ask()
                    due = time.monotonic() + self.patience
                wanted = gen.send(ready)
        except StopIteration as end:
            result: ResultT = end.value
            return result

    def _ask(self) -> None:
        try:
            self.probe()
        except psycopg.OperationalError as error:
            if error.sqlstate is None:  # else it was the server that refused
                raise
