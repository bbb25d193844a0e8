"""A commit of one fact, ÷ an insert of the same size with bare sqlite3 (write-ahead log, FULL).

Wall time, as most of it is the disk: the median of rounds in which all ways take turns, so that
other work on the machine slows all down alike. The fact has a body of 500 bytes, as a step that
wrote a short answer has. "Chain" waits for each commit before the next, as a chain of steps does;
"at once" is a thousand commits of one run that wait together, as the branches of a fork do. Each round
opens the files anew, as a process does that runs one chain, and "open for long" does not: see `durable`,
which has the goal, for a step as a whole.
PostgreSQL is measured where Debian's package is installed, with fsync on.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from figures import Figure

from lift_sys.durability import Fact, PostgresStore, RunRecord, SqliteStore, Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from durability.postgres_server import find_binaries, running_server

STEPS, BRANCHES, ROUNDS = 100, 1000, 9
CHAINS = 25  # of files just opened: what a thread's wake-up takes differs from one to the next
LOG_IS_FULL = 6  # rounds until plain inserts have filled SQLite's log for the first time
Way: TypeAlias = Callable[[], Awaitable[float]]
BODY = {"writes": {"answer": "x" * 480}}
NOW = datetime.now(UTC)


def a_fact(address: str) -> Fact:
    """A finished step."""
    return Fact(kind="step", address=address, node="Search", body=BODY, started_at=NOW)


class Ways:
    """A store in which each round commits to a run of its own."""

    def __init__(self, store: Store, rounds: Iterator[int] | None = None) -> None:
        self.store, self.rounds = store, rounds or itertools.count()

    async def begin(self) -> str:
        """A new run."""
        name = f"r{next(self.rounds)}"
        now = datetime.now(UTC)
        await self.store.create(
            RunRecord(execution_id=name, graph="bench", created_at=now, updated_at=now)
        )
        return name

    async def chain(self) -> float:
        """Seconds of a commit in a chain."""
        name = await self.begin()
        facts = [a_fact(f"0.{step}") for step in range(STEPS)]
        marks = [fact.model_copy(update={"kind": "started", "body": {}}) for fact in facts]
        started = time.perf_counter()
        for mark, fact in zip(marks, facts, strict=True):
            self.store.mark(name, 0, mark)
            await self.store.commit(name, 0, [fact])
        return (time.perf_counter() - started) / STEPS

    async def at_once(self) -> float:
        """Seconds of a commit among a thousand."""
        name = await self.begin()
        facts = [a_fact(f"0.{branch}") for branch in range(BRANCHES)]
        started = time.perf_counter()
        await asyncio.gather(*(self.store.commit(name, 0, [fact]) for fact in facts))
        return (time.perf_counter() - started) / BRANCHES


@contextmanager
def bare_file(path: Path) -> Iterator[sqlite3.Connection]:
    """A file with one table, for plain inserts, open and ready."""
    bare = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    with closing(bare):
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("PRAGMA synchronous = FULL")
        columns = "run TEXT, step TEXT, body TEXT, PRIMARY KEY (run, step)"
        bare.execute(f"CREATE TABLE IF NOT EXISTS facts ({columns})")
        yield bare


def insert(bare: sqlite3.Connection, name: str) -> float:
    """Seconds of a plain insert, each in a transaction of its own."""
    row = a_fact("0").model_dump_json()
    started = time.perf_counter()
    for step in range(STEPS):
        bare.execute("INSERT INTO facts VALUES (?, ?, ?)", (name, f"0.{step}", row))
    return (time.perf_counter() - started) / STEPS


@contextmanager
def long_open(path: Path) -> Iterator[Way]:
    """Plain inserts into a file whose log has been filled once, and is written over since then."""
    rounds = itertools.count()
    with bare_file(path) as bare:
        for _ in range(LOG_IS_FULL):
            insert(bare, str(next(rounds)))

        async def way() -> float:
            return insert(bare, str(next(rounds)))

        yield way


def just_opened(folder: Path) -> dict[str, Way]:
    """Plain inserts, and a chain of commits, into files that are opened for it."""
    rounds = itertools.count()

    async def bare() -> float:
        with bare_file(folder / "opened.db") as file:
            return insert(file, str(next(rounds)))

    async def ours() -> float:
        async with SqliteStore(folder / "ours-opened.db") as store:
            return await Ways(store, rounds).chain()

    return {"bare": bare, "SQLite, chain": ours}


async def measure() -> list[Figure]:
    """Each store beside bare sqlite3."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        figures = await compare(just_opened(folder), what="commit", rounds=CHAINS)
        async with AsyncExitStack() as stack:
            sqlite = Ways(await stack.enter_async_context(SqliteStore(folder / "ours.db")))
            ways: dict[str, Way] = {
                "bare": stack.enter_context(long_open(folder / "bare.db")),
                "SQLite open for long, chain": sqlite.chain,
                "SQLite, at once": sqlite.at_once,
            }
            binaries = find_binaries()
            if binaries is not None:
                url = stack.enter_context(running_server(binaries, fsync=True)).url
                postgres = Ways(await stack.enter_async_context(PostgresStore(url)))
                ways |= {
                    "PostgreSQL, chain": postgres.chain,
                    "PostgreSQL, at once": postgres.at_once,
                }
            return figures + await compare(ways, what="commit")


async def compare(ways: dict[str, Way], *, what: str, rounds: int = ROUNDS) -> list[Figure]:
    """Each way beside the first, which is bare sqlite3."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
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
            figures.append(Figure(name=f"{what}, {name}", value=value, note=note))
    return figures
