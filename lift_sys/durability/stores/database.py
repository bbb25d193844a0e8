"""What a store needs of a database: two small ports, which `sqlite` and `postgres` fill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from lift_sys.errors import StoreError

#: What is bound to a statement, and what a row is made of.
Value: TypeAlias = str | int | float | None
Row: TypeAlias = tuple[Any, ...]


class Connection(Protocol):
    """An open connection, used by one thread; every statement outside `begin` stands alone."""

    store: str
    """The store as a person would name it; never with a password."""

    row_lock: str
    """What a `SELECT` says to keep its rows from others; "" where a transaction has the database."""

    def execute(self, statement: str, values: Sequence[Value] = ()) -> list[Row]:
        """Run one statement, with a `?` for each value; return its rows."""
        ...

    def execute_many(self, statement: str, rows: Sequence[Sequence[Value]]) -> None:
        """Run one statement, which returns nothing, for each row of values."""
        ...

    def verify(self) -> None:
        """Raise `StoreError` if the database is gone from under the connection."""
        ...

    def examine(self) -> list[str]:
        """What the database finds wrong with itself."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Database(Protocol):
    """Opens connections, and knows what their errors mean."""

    store: str
    begin: str
    """Begins a transaction that writes."""

    begin_read: str
    """Begins one that reads, and sees the database as it is at one moment."""

    def connect(self) -> Connection:
        """Open a connection to a database of the present schema, made or migrated if needed.

        Raises:
            StoreError: It is foreign, or newer than this version.
            Exception: It can't be opened; `explain` says what that means.
        """
        ...

    def explain(self, error: Exception) -> StoreError | None:
        """What an error of the database means to a person; None for any other error."""
        ...

    def is_lost(self, error: Exception) -> bool:
        """Whether the connection broke, so that another one may do."""
        ...

    def is_of_one(self, error: Exception) -> bool:
        """Whether the error may be about one job of a group, so that the others may do alone."""
        ...
