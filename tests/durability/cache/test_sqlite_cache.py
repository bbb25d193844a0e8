"""The file of an SQLite cache: shared by processes, safe from them, and told when it is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from cached_nodes import Ask, Ctx, Desk, Shout, Spread, Whole, run
from durability.programs import run_python

from lift_sys import BaseNode, End
from lift_sys.core.events import CacheFailed
from lift_sys.durability import SqliteCache
from lift_sys.errors import StoreError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.db"


def change(path: Any, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def test_another_object_finds_what_one_has_kept(path):
    """Results outlive the cache object, forks and models in the state included."""
    ran: list[str] = []
    for _ in range(2):
        with SqliteCache(path) as cache:
            for node in (Ask, Shout("?"), Whole, Spread):
                result = await run(node, Desk(question="one two"), cache=cache, deps=ran)

    assert sorted(ran) == ["Ask", "Shout", "Spread", "Whole"]
    assert result.state.index == {"one": 3, "two": 3}


WORK = """
import asyncio, sys
from cached_nodes import Ask, Desk, run
from lift_sys.durability import SqliteCache

async def main():
    cache = SqliteCache(sys.argv[1])
    for number in range(int(sys.argv[2]), int(sys.argv[3])):
        await run(Ask, Desk(question=f"q{number}"), cache=cache, deps=[])
        print(number, flush=True)
asyncio.run(main())
"""


def worker(project: Any, path: Any, first: int, last: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WORK, str(path), str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(project / "tests")},
    )


async def kept(path: Any, numbers: range) -> int:
    """How many of these questions need no run."""
    ran: list[str] = []
    with SqliteCache(path) as cache:
        for number in numbers:
            await run(Ask, Desk(question=f"q{number}"), cache=cache, deps=ran)
    return len(numbers) - len(ran)


@pytest.mark.slow
async def test_a_killed_process_leaves_the_file_intact(project, path):
    """Whatever it had kept is there; the database passes its own examination."""
    first = 0
    for turn in range(10):
        process = worker(project, path, first, first + 10_000)
        assert process.stdout is not None
        for _ in range(3 + turn * 7):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.communicate()

        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert await kept(path, range(first, last + 1)) == last + 1 - first
        first = last + 2


async def test_processes_share_one_file(project, path):
    """Two write at the same time; nothing is lost, and a third finds all."""
    processes = [worker(project, path, first, first + 100) for first in (0, 50)]
    for process in processes:
        process.communicate()
        assert process.returncode == 0

    assert await kept(path, range(150)) == 150


def test_a_file_that_is_no_database(path):
    """It is told when the cache is made, and the file is not touched."""
    path.write_text("my notes, much longer than a header" * 100)

    with pytest.raises(StoreError, match=r"cache\.db: it is no SQLite database"):
        SqliteCache(path)

    assert path.read_text().startswith("my notes")


def test_a_database_of_another_program(path):
    """As for any foreign file."""
    change(path, "CREATE TABLE mine (id)")

    with pytest.raises(StoreError, match="of another program"):
        SqliteCache(path)

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("mine",)]


async def test_versions_of_the_file(path):
    """An older file is emptied, since it is a cache; a newer one is left alone."""
    with SqliteCache(path) as cache:
        await run(Ask, Desk(), cache=cache, deps=[])
    change(path, "PRAGMA user_version = 0")
    ran: list[str] = []
    with SqliteCache(path) as cache:
        await run(Ask, Desk(), cache=cache, deps=ran)
    assert ran == ["Ask"]
    change(path, "PRAGMA user_version = 99")

    with pytest.raises(StoreError, match="newer lift_sys"):
        SqliteCache(path)


def test_a_folder_that_is_not_there(tmp_path):
    """The text says what to look at."""
    with pytest.raises(StoreError, match="can't be opened. Its folder has to exist"):
        SqliteCache(tmp_path / "no" / "cache.db")


async def test_a_damaged_file_is_a_warning_in_runs(path, caplog):
    """A file that breaks while it is in use costs its results, not the run."""
    with SqliteCache(path) as cache:
        for number in range(100):
            await run(Ask, Desk(question=f"{number}" * 50), cache=cache, deps=[])
    size = path.stat().st_size
    with path.open("r+b") as file:  # all pages but the first
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with SqliteCache(path) as cache:
        result = await run(Ask, Desk(question="q"), cache=cache, deps=[])

    assert result.state.answer == "Q"
    assert "it is damaged" in caplog.text


@pytest.mark.parametrize(
    "body",
    [
        "no json",
        "{}",
        '{"writes":[["set",["answer"],7]],"metadata":[],"provenance":[],'
        '"successor":{"$":"End"},"usage":null,"elapsed":0}',
        '{"writes":[],"metadata":[],"provenance":[],'
        '"successor":{"$":"os:system","v":1},"usage":null,"elapsed":0}',
    ],
)
async def test_entries_edited_by_hand_are_not_taken(path, body):
    """What does not fit is a warning, the node runs, and the entry is replaced."""
    ran: list[str] = []
    events: list[Any] = []
    with SqliteCache(path) as cache:
        await run(Ask, Desk(question="q"), cache=cache, deps=ran)
        change(path, f"UPDATE results SET body = '{body}'")
        for _ in range(2):
            result = await run(
                Ask, Desk(question="q"), cache=cache, deps=ran, on_event=events.append
            )
            assert (result.state.answer, result.output) == ("Q", "Q")

    assert len(ran) == 2
    assert sum(isinstance(event, CacheFailed) for event in events) == 1


async def test_results_that_json_can_t_carry_are_not_kept(path, caplog):
    """The warning names the place; the run is as without a cache. Secrets are never written."""
    from pydantic import SecretStr

    class Hides(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: Ctx) -> End:
            ctx.deps.append(1)
            ctx.state.secret = SecretStr("hunter2")
            return End()

    ran: list[int] = []
    with SqliteCache(path) as cache:
        for _ in range(2):
            result = await run(Hides, Desk(), cache=cache, deps=ran)
            assert result.state.secret.get_secret_value() == "hunter2"

    assert len(ran) == 2
    assert "goes without the cache" in caplog.text
    assert b"hunter2" not in path.read_bytes()


async def test_use_after_close(path):
    """It is told, also where a run would only warn."""
    cache = SqliteCache(path)
    cache.close()
    cache.close()

    with pytest.raises(StoreError, match="it was closed"):
        await cache.invalidate()


def test_a_cache_that_is_never_closed_keeps_no_process_alive(project, path):
    """The interpreter ends."""
    started = time.monotonic()
    process = worker(project, path, 0, 2)
    process.communicate(timeout=15)

    assert process.returncode == 0
    assert time.monotonic() - started < 15
    assert asyncio.run(kept(path, range(2))) == 2


def test_many_open_a_new_file_at_the_same_time(path):
    """None takes a half-made file for a foreign one."""
    with ThreadPoolExecutor(8) as pool:
        caches = list(pool.map(lambda _: SqliteCache(path), range(32)))
    for cache in caches:
        cache.close()


async def test_a_look_up_waits_for_who_keeps_the_file_locked(path):
    """Another process that has it for itself is waited for in a thread; the loop goes on."""
    ran: list[str] = []
    with SqliteCache(path) as cache:
        await run(Ask, Desk(), cache=cache, deps=ran)
    with SqliteCache(path) as cache:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("SELECT count(*) FROM results").fetchall()
        asyncio.get_running_loop().call_later(0.02, other.close)
        await run(Ask, Desk(), cache=cache, deps=ran)

    assert ran == ["Ask"]


FILL = """
import logging, resource
from pydantic import BaseModel
from lift_sys import BaseNode, End, Graph
from lift_sys.durability import CachePolicy

class Note(BaseModel):
    text: str = ""

class Long(BaseNode[Note]):
    cache = CachePolicy(version="1")

    async def run(self, ctx) -> End:
        ctx.state.text = "x" * 50_000
        return End()

logging.basicConfig(stream=sys.stdout, format="%(message)s")
with SqliteCache(sys.argv[1]) as cache:
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    result = Graph(Long).run_sync(state=Note(), cache=cache)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(result.state.text))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_disk_that_refuses_is_a_warning_that_says_what_to_do(path):
    """The run goes on without the cache."""
    said = run_python(FILL, path)

    assert "its disk refuses to read or write" in said
    assert "its quota" in said
    assert said.endswith("50000\n")
