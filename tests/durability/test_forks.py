"""A process that forks: its child goes on with the same store or cache, and both keep what they keep."""

import asyncio
import os
import textwrap

import pytest
from durability.programs import run_python

from lift_sys.durability import SqliteStore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")

FORKED = """
import signal

def forked(act):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        act()
        os._exit(0)
    return child

def end_of(child):
    assert os.waitpid(child, 0)[1] == 0

"""


def run_forking(code, *arguments):
    """What a program prints that forks; a child that hangs is ended, and its parent fails."""
    return run_python(FORKED + textwrap.dedent(code), *arguments)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A store that several processes share."""
    if request.param == "sqlite":
        return tmp_path / "runs.db"
    return request.getfixturevalue("postgres_url")


def test_a_forked_child_and_its_parent_go_on(place):
    """It has no writer thread, and may not use its parent's connection."""
    said = run_forking(
        """
        store = open_store(sys.argv[1])
        asyncio.run(store.create(run()))
        end_of(forked(lambda: asyncio.run(store.commit("r1", 0, [fact("child")]))))
        asyncio.run(store.commit("r1", 0, [fact("parent")]))
        print([kept.address for kept in asyncio.run(store.load("r1"))[1]])
        asyncio.run(store.check())
        """,
        place,
    )

    assert said == "['child', 'parent']\n"


def test_what_a_child_keeps_stays_when_its_parent_closes_the_store(tmp_path):
    """The last process that closes the file removes its log: the child's is not the parent's."""
    path = tmp_path / "runs.db"
    run_forking(
        """
        store = SqliteStore(sys.argv[1])
        asyncio.run(store.create(run()))
        (hears, tells), (hears_too, tells_too) = os.pipe(), os.pipe()

        def commits():
            asyncio.run(store.commit("r1", 0, [fact("0")]))
            os.write(tells, b"!")
            os.read(hears_too, 1)
            asyncio.run(store.commit("r1", 0, [fact("1")]))

        child = forked(commits)
        os.read(hears, 1)
        asyncio.run(store.close())
        os.write(tells_too, b"!")
        end_of(child)
        """,
        path,
    )

    _, facts = asyncio.run(SqliteStore(path).load("r1"))
    assert [fact.address for fact in facts] == ["0", "1"]


def test_a_process_forks_while_its_store_is_busy(place):
    """The child begins with nothing under way: no lock is held, and nothing is half written."""
    said = run_forking(
        """
        import itertools
        import threading

        async def keep(name, numbers):
            await store.create(run(name))
            for number in numbers:
                await store.commit(name, 0, [fact(f"{number}")])
            return name

        store, enough = open_store(sys.argv[1]), threading.Event()
        numbers = itertools.takewhile(lambda _: not enough.is_set(), itertools.count())
        busy = threading.Thread(target=lambda: asyncio.run(keep("parent", numbers)))
        busy.start()
        for child in range(5):
            end_of(forked(lambda: asyncio.run(keep(f"child {child}", range(3)))))
        enough.set()
        busy.join()
        found = {each.execution_id: each.steps for each in asyncio.run(store.runs())}
        children = [found.pop(f"child {child}") for child in range(5)]
        print(children == [3] * 5, [*found] == ["parent"], found["parent"] > 5)
        asyncio.run(store.check())
        """,
        place,
    )

    assert said == "True True True\n"


def test_a_store_that_was_closed_is_closed_in_a_child(tmp_path):
    """To close it again there waits for nobody."""
    said = run_forking(
        """
        store = SqliteStore(sys.argv[1])
        asyncio.run(store.create(run()))
        asyncio.run(store.close())
        end_of(forked(lambda: asyncio.run(store.close())))
        print("closed")
        """,
        tmp_path / "runs.db",
    )

    assert said == "closed\n"


def test_a_child_shares_a_cache(tmp_path):
    """What either of them has kept the other finds."""
    said = run_forking(
        """
        from cached_nodes import Ask, Desk, run

        def hits(number):
            asked = Desk(question=f"{number}")
            return asyncio.run(run(Ask(), asked, cache=cache, deps=[])).statistics["cache_hits"]

        cache = SqliteCache(sys.argv[1])
        print(hits(1), flush=True)
        end_of(forked(lambda: print(hits(1), hits(2), flush=True)))
        print(hits(1), hits(2))
        """,
        tmp_path / "cache.db",
    )

    assert said == "0\n1 0\n1 1\n"
