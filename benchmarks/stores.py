"""A commit of one fact, ÷ an insert of the same size with bare sqlite3 (write-ahead log, FULL).

Wall time, as most of it is the disk: the median of rounds in which all ways take turns, so that
other work on the machine slows all down alike. The fact has a body of 500 bytes, as a step that
wrote a short answer has. "Chain" waits for each commit before the next, as a chain of steps does;
"at once" is a thousand commits of one run that wait together, as the branches of a fork do.
PostgreSQL is measured where Debian's package is installed, with fsync on.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from figures import Figure

from lift_sys.durability import Fact, PostgresStore, RunRecord, SqliteStore, Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from durability.postgres_server import find_binaries, running_server

STEPS, BRANCHES, ROUNDS = 100, 1000, 9
Way: TypeAlias = Callable[[], Awaitable[float]]
BODY = {"writes": {"answer": "x" * 480}}
NOW = datetime.now(UTC)


def a_fact(address: str) -> Fact:
    """A finished step."""
    return Fact(kind="step", address=address, node="Search", body=BODY, started_at=NOW)


class Ways:
    """A store in which each round commits to a run of its own."""

    def __init__(self, store: Store) -> None:
        self.store, self.rounds = store, 0

    async def begin(self) -> str:
        """A new run."""
        self.rounds += 1
        name = f"r{self.rounds}"
        now = datetime.now(UTC)
        await self.store.create(
            RunRecord(execution_id=name, graph="bench", created_at=now, updated_at=now)
        )
        return name

    async def chain(self) -> float:
        """Seconds of a commit in a chain."""
        name = await self.begin()
        facts = [a_fact(f"0.{step}") for step in range(STEPS)]
        started = time.perf_counter()
        for fact in facts:
            self.store.mark(name, 0, fact.model_copy(update={"kind": "started", "body": {}}))
            await self.store.commit(name, 0, [fact])
        return (time.perf_counter() - started) / STEPS

    async def at_once(self) -> float:
        """Seconds of a commit among a thousand."""
        name = await self.begin()
        facts = [a_fact(f"0.{branch}") for branch in range(BRANCHES)]
        started = time.perf_counter()
        await asyncio.gather(*(self.store.commit(name, 0, [fact]) for fact in facts))
        return (time.perf_counter() - started) / BRANCHES


def bare_sqlite(path: Path) -> Way:
    """Seconds of a plain insert, each in a transaction of its own."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(
        "CREATE TABLE facts (run TEXT, address TEXT, body TEXT, PRIMARY KEY (run, address))"
    )
    rounds = iter(range(10**6))

    async def way() -> float:
        row = a_fact("0").model_dump_json()
        name = str(next(rounds))
        started = time.perf_counter()
        for step in range(STEPS):
            connection.execute("INSERT INTO facts VALUES (?, ?, ?)", (name, f"0.{step}", row))
        return (time.perf_counter() - started) / STEPS

    return way


async def measure() -> list[Figure]:
    """Each store beside bare sqlite3."""
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            sqlite = Ways(await stack.enter_async_context(SqliteStore(Path(folder) / "ours.db")))
            ways: dict[str, Way] = {
                "bare": bare_sqlite(Path(folder) / "bare.db"),
                "SQLite, chain": sqlite.chain,
                "SQLite, at once": sqlite.at_once,
            }
            binaries = find_binaries()
            if binaries is not None:
                url = stack.enter_context(running_server(binaries, fsync=True))
                postgres = Ways(await stack.enter_async_context(PostgresStore(url)))
                ways |= {
                    "PostgreSQL, chain": postgres.chain,
                    "PostgreSQL, at once": postgres.at_once,
                }
            return await compare(ways, what="commit")


async def compare(ways: dict[str, Way], *, what: str) -> list[Figure]:
    """Each way beside the first, which is bare sqlite3."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            times[name].append(await way())
    bare, *others = times.values()
    figures = []
    for name, ours in zip(list(ways)[1:], others, strict=True):
        note = f"{statistics.median(ours) * 1e6:.0f} us ÷ {statistics.median(bare) * 1e6:.0f} us"
        if name.endswith("at once"):
            goal = 0.2 if name.startswith("SQLite") else None
            value = min(ours) * 1e3
            figures.append(Figure(name=f"{what}, {name}", value=value, unit="ms", goal=goal))
        else:
            # Of each round's own ratio, as a busy disk slows down whole rounds.
            value = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
            goal = 1.5 if name.startswith("SQLite") else None
            figures.append(Figure(name=f"{what}, {name}", value=value, goal=goal, note=note))
    return figures
