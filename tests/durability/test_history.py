"""What was run, in numbers, and how much of it is kept; the same on every store."""

import asyncio
from datetime import timedelta

import pytest
from durability.records import START, fact, run
from pydantic import BaseModel

from lift_sys import RunContext
from lift_sys.durability import MemoryStore, RunQuery, prune
from lift_sys.durability.saved_states import StatePersistence


class Note(BaseModel):
    text: str = ""


@pytest.fixture
async def filled(store):
    """Four runs, a minute after each other; the last is under way."""
    return await fill(store, ["finished", "failed", "finished", "running"])


async def fill(store, kinds):
    """Runs that stand so, a minute after each other."""
    for minute, status in enumerate(kinds):
        record = run(f"r{minute}", minute=minute, graph="even" if minute % 2 == 0 else "odd")
        facts = [fact("0", node="Search", elapsed=minute + 1.0, tokens=10, cost=0.5)]
        facts += [fact("1", node="Write", elapsed=0.5, attempt=2)] if minute else []
        await store.create(record, facts)
        if status != "running":
            await store.finish(record.execution_id, 0, status, elapsed=10.0 * (minute + 1))
    return store


async def test_runs_and_nodes_in_numbers(filled):
    found = await filled.statistics()

    assert {name: each.count for name, each in found.by_status.items()} == {
        "failed": 1,
        "finished": 2,
        "running": 1,
    }
    finished = found.by_status["finished"]
    assert (finished.steps, finished.tokens, finished.cost) == (3, 20, 1.0)
    assert (finished.shortest, finished.mean, finished.longest) == (10.0, 20.0, 30.0)
    assert [*found.by_node] == ["Search", "Write"]
    search = found.by_node["Search"]
    assert (search.count, search.shortest, search.mean, search.longest) == (4, 1.0, 2.5, 4.0)
    write = found.by_node["Write"]
    assert (write.count, write.attempts, write.cost) == (3, 6, None)


async def test_only_the_runs_that_are_meant_are_counted(filled):
    found = await filled.statistics(RunQuery(graph="odd", until=START + timedelta(minutes=2)))

    assert [*found.by_status] == ["failed"]
    assert found.by_node["Search"].count == 1


async def test_an_empty_store_has_empty_statistics(store):
    found = await store.statistics()

    assert (found.by_status, found.by_node) == ({}, {})


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"older_than": START + timedelta(minutes=2)}, ["r3", "r2", "r1"]),
        ({"older_than": START + timedelta(minutes=2), "unfinished": True}, ["r3", "r2"]),
        ({"older_than": timedelta(days=1)}, ["r3", "r1"]),
        ({"older_than": timedelta(days=1), "unfinished": True}, ["r3"]),
        ({"keep": 1}, ["r3", "r2", "r1"]),
        ({"keep": 1, "unfinished": True}, ["r3"]),
        ({"keep": 2, "unfinished": True}, ["r3", "r2"]),
        ({"status": "failed"}, ["r3", "r2", "r0"]),
        ({"status": "finished", "keep": 1}, ["r3", "r2", "r1"]),
        ({"status": "running"}, ["r2", "r1", "r0"]),
    ],
)
async def test_old_runs_are_removed(filled, conditions, left):
    gone = await prune(filled, **conditions)

    assert [each.execution_id for each in await filled.runs()] == left
    assert gone == 4 - len(left)


async def test_what_can_still_go_on_stays(store):
    """It may wait for an answer for as long as that takes."""
    kinds = ["suspended", "failed", "cancelled", "finished"]
    await fill(store, kinds)

    assert await prune(store, older_than=timedelta(days=1)) == 1
    assert [each.status for each in await store.runs()] == ["cancelled", "failed", "suspended"]
    assert await prune(store, older_than=timedelta(days=1), unfinished=True) == 3


@pytest.mark.parametrize(
    ("conditions", "left"),
    [
        ({"older_than": timedelta(0)}, []),
        ({"keep": 1}, ["r2"]),
        ({"status": "finished"}, []),
    ],
)
async def test_saved_states_stay_and_are_not_counted(store, conditions, left):
    """Somebody goes on with them, however old they are."""
    await fill(store, ["finished"] * 3)
    saved = StatePersistence(store)
    for name in ("a", "b"):
        await saved.save(RunContext(Note(), execution_id=name))

    assert await prune(store, **conditions) == 3 - len(left)

    assert {state.execution_id for state in await saved.list_states()} == {"a", "b"}
    assert [each.execution_id for each in await store.runs(RunQuery(limit=9))][2:] == left


async def test_everything_is_not_removed_by_mistake(filled):
    with pytest.raises(ValueError, match="all would go"):
        await prune(filled)


async def test_two_that_prune_at_the_same_time_share_the_work(make_store):
    """A nightly job on two machines: what the one has removed the other need not."""
    store = await fill(make_store(), ["finished"] * 20)
    other = store if isinstance(store, MemoryStore) else make_store()

    gone = await asyncio.gather(*(prune(each, keep=2) for each in (store, other)))

    assert sum(gone) == 18
    assert len(await store.runs()) == 2
    for each in (store, other):
        await each.close()


@pytest.mark.parametrize(
    ("conditions", "error"),
    [
        ({"keep": -1}, ValueError),
        ({"keep": "1"}, TypeError),
        ({"keep": True}, TypeError),
        ({"older_than": 30}, TypeError),
        ({"older_than": "30d"}, TypeError),
    ],
)
async def test_nothing_is_removed_by_a_condition_that_is_unclear(filled, conditions, error):
    """A number could be days or seconds; counted from the end, another run would stay."""
    with pytest.raises(error, match=next(iter(conditions))):
        await prune(filled, **conditions)

    assert len(await filled.runs()) == 4
