"""Every store is held to what `Store` promises."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from durability.records import START, fact, run

from lift_sys.durability import RunQuery
from lift_sys.errors import FencedError, StoreError, UnknownRunError

NAMES = ["r1", 'naïve, "quoted"\'; DROP TABLE lift_runs; --', "?", "%s", " ", "长", "{id}"]


async def test_a_run_comes_back_as_it_was(store):
    """All that a run was created with is there, to the microsecond; sums are the store's own."""
    given = run(
        target="plan.py:graph",
        status="suspended",
        epoch=3,
        user_id="ann",
        seed=2**80,
        input="abc",
        start={"node": "Search"},
        state={"plan": [None, 1.5, "ü\u2028\0", "\ud800"], "none": None},
        metadata={"a": True},
        shape={"nodes": ["Search"]},
        parent="r0",
        parent_address="0.1",
        elapsed=1.25,
        error="boom",
    )

    assert await store.create(given)

    assert await store.load("r1") == (given, [])


@pytest.mark.parametrize("name", NAMES)
async def test_names_are_values(store, name):
    """Whatever a run, node or address is called, it is bound, never part of a statement."""
    await store.create(run(name, graph=name, user_id=name))
    await store.commit(name, 0, [fact(name, node=name, input=name)])

    record, [kept] = await store.load(name)

    assert (record.execution_id, kept) == (name, fact(name, node=name, input=name))
    asked = RunQuery(graph=name, user_id=name, node=name)
    assert [one.execution_id for one in await store.runs(asked)] == [name]


async def test_a_second_run_of_a_name_is_no_run(store):
    """`create` says so, and the first one stays as it was."""
    await store.create(run(seed=1), [fact("0")])

    assert not await store.create(run(seed=2), [fact("1")])

    record, facts = await store.load("r1")
    assert (record.seed, [kept.address for kept in facts]) == (1, ["0"])


async def test_a_run_begins_with_facts_of_another(store):
    """They are in order, and counted."""
    shared = [fact("0", tokens=5, cost=0.5), fact("0", kind="join"), fact("1", tokens=2)]

    await store.create(run(steps=99, tokens=99, cost=99.0), shared)
    await store.commit("r1", 0, [fact("2")])

    record, facts = await store.load("r1")
    assert facts == [*shared, fact("2")]
    assert (record.steps, record.tokens, record.cost) == (3, 7, 0.5)


async def test_facts_are_kept_in_the_order_of_commits(store):
    """Also several of one commit, of every kind."""
    facts = [fact("0", kind="edit"), fact("0"), fact("1", kind="answer"), fact("0", kind="join")]
    await store.create(run())

    await store.commit("r1", 0, facts[:3])
    await store.commit("r1", 0, facts[3:])

    assert (await store.load("r1"))[1] == facts


async def test_a_fact_replaces_one_of_its_kind_and_address(store):
    """The later one counts, in sums too, and stands where it was committed."""
    await store.create(run())
    await store.commit("r1", 0, [fact("0", tokens=3, cost=1.0), fact("1", tokens=4)])

    await store.commit("r1", 0, [fact("0", tokens=30)])

    record, facts = await store.load("r1")
    assert facts == [fact("1", tokens=4), fact("0", tokens=30)]
    assert (record.steps, record.tokens, record.cost) == (2, 34, None)


async def test_of_equal_facts_in_one_commit_the_last_counts(store):
    """As if each had come alone."""
    await store.create(run())

    begun = fact("1", kind="started")
    await store.commit("r1", 0, [begun, fact("0", tokens=1), fact("1"), fact("0", tokens=2)])

    record, facts = await store.load("r1")
    assert facts == [fact("1"), fact("0", tokens=2)]
    assert (record.steps, record.tokens) == (2, 2)


async def test_a_step_replaces_what_was_under_way(store):
    """But a join at the same address does not."""
    await store.create(run())
    await store.commit("r1", 0, [fact("0", kind="started"), fact("1", kind="started")])

    await store.commit("r1", 0, [fact("0"), fact("1", kind="join")])

    kinds = [(kept.address, kept.kind) for kept in (await store.load("r1"))[1]]
    assert kinds == [("1", "started"), ("0", "step"), ("1", "join")]
    assert (await store.load("r1"))[0].steps == 1


async def test_costs_are_summed_where_they_are_known(store):
    """No price known is None, not nothing."""
    await store.create(run())
    await store.commit("r1", 0, [fact("0")])
    assert (await store.load("r1"))[0].cost is None

    await store.commit("r1", 0, [fact("1", cost=0.0)])
    assert (await store.load("r1"))[0].cost == 0.0

    await store.commit("r1", 0, [fact("2", cost=0.5), fact("3"), fact("4", cost=0.25)])
    await store.commit("r1", 0, [fact("5")])
    assert (await store.load("r1"))[0].cost == 0.75


async def test_the_newer_worker_fences_the_older(store):
    """Each taking over raises the epoch; nothing of an older one is kept."""
    await store.create(run(status="failed", error="boom"))
    await store.commit("r1", 0, [fact("0")])

    assert await store.take_over("r1") == 1
    assert await store.take_over("r1") == 2

    for stale in (0, 1):
        with pytest.raises(FencedError, match="'r1' was taken over"):
            await store.commit("r1", stale, [fact("1")])
        with pytest.raises(FencedError):
            await store.finish("r1", stale, "finished", elapsed=1.0)
        with pytest.raises(FencedError):
            await store.commit("r1", stale, [])
    await store.commit("r1", 2, [fact("2")])
    record, facts = await store.load("r1")
    assert [kept.address for kept in facts] == ["0", "2"]
    assert (record.epoch, record.status, record.error, record.elapsed) == (2, "running", None, 0.0)


async def test_a_fenced_commit_fails_alone(store):
    """Those that wait beside it, for the same run or another, are kept."""
    await store.create(run("r1"))
    await store.create(run("r2"))
    await store.take_over("r1")

    results = await asyncio.gather(
        store.commit("r1", 0, [fact("0")]),
        store.commit("r2", 0, [fact("0")]),
        store.commit("r1", 1, [fact("1")]),
        store.commit("nobody", 0, [fact("1")]),
        store.commit("r2", 0, [fact("1")]),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [
        *(FencedError, type(None), type(None), UnknownRunError, type(None))
    ]
    assert [kept.address for kept in (await store.load("r1"))[1]] == ["1"]
    assert [kept.address for kept in (await store.load("r2"))[1]] == ["0", "1"]


async def test_a_value_that_cannot_be_kept_fails_alone(store):
    """Half of a surrogate pair is no text of a database; the commits beside it are kept."""
    await store.create(run())

    bad, good = await asyncio.gather(
        store.commit("r1", 0, [fact("1", node="\ud800")]),
        store.commit("r1", 0, [fact("2")]),
        return_exceptions=True,
    )

    assert isinstance(bad, StoreError)
    assert "can't be kept" in str(bad)
    assert good is None
    assert [kept.address for kept in (await store.load("r1"))[1]] == ["2"]


@pytest.mark.parametrize("facts", [[], [fact("0", node="Rank", tokens=1)]])
async def test_a_run_is_rewritten_as_a_whole(store, facts):
    """Sums and nodes are of the facts that it has now, whether it has ended or not."""
    await store.create(run(), [fact("0", tokens=5)])

    await store.rewrite(run(state={"plan": 1}, input="other"), 0, facts)

    for _ in range(2):
        record, kept = await store.load("r1")
        assert (record.state, record.input, kept) == ({"plan": 1}, "other", facts)
        assert (record.steps, record.tokens) == (len(facts), len(facts))
        assert await store.runs(RunQuery(node="Search")) == []
        assert len(await store.runs(RunQuery(node="Rank"))) == len(facts)
        await store.finish("r1", 0, "finished")


async def test_finish_says_how_a_run_stands(store):
    """Seconds add up; the error is text of any kind."""
    await store.create(run())

    await store.finish("r1", 0, "suspended", elapsed=1.5)
    await store.finish("r1", 0, "failed", elapsed=0.5, error="a\0b\ud800")

    record, _ = await store.load("r1")
    assert (record.status, record.elapsed, record.error) == ("failed", 2.0, "a\\x00b\\ud800")
    assert record.updated_at > record.created_at


async def test_a_mark_is_there_when_its_run_ends(store):
    """An attempt that never finished is seen; one that did, is not; nobody waits for either."""
    await store.create(run())
    store.mark("r1", 0, fact("0", kind="started", attempt=2))
    store.mark("r1", 0, fact("1", kind="started"))
    await store.commit("r1", 0, [fact("1")])

    await store.finish("r1", 0, "failed")

    facts = (await store.load("r1"))[1]
    assert sorted((kept.address, kept.kind) for kept in facts) == [("0", "started"), ("1", "step")]


async def test_a_mark_of_a_fenced_worker_is_dropped(store):
    """Nobody is told; the commit that follows says it."""
    await store.create(run())
    await store.take_over("r1")

    store.mark("r1", 0, fact("0", kind="started"))
    store.mark("nobody", 0, fact("0", kind="started"))
    await store.finish("r1", 1, "finished")

    assert (await store.load("r1"))[1] == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: store.load("nobody"),
        lambda store: store.take_over("nobody"),
        lambda store: store.delete("nobody"),
        lambda store: store.commit("nobody", 0, [fact()]),
        lambda store: store.finish("nobody", 0, "finished"),
    ],
)
async def test_an_unknown_run_is_named(store, ask):
    """Said with the store that was looked into."""
    with pytest.raises(UnknownRunError, match="unknown run 'nobody' in the store"):
        await ask(store)


async def test_a_deleted_run_is_gone(store):
    """Its name is free again, and nothing of it comes back."""
    await store.create(run(), [fact("0")])
    await store.create(run("r2"), [fact("9")])

    await store.delete("r1")

    with pytest.raises(UnknownRunError):
        await store.commit("r1", 0, [fact("1")])
    assert await store.create(run())
    assert (await store.load("r1"))[1] == []
    assert (await store.load("r2"))[1] == [fact("9")]
    await store.check()


async def names(store, **query):
    """Which runs a query finds."""
    return [found.execution_id for found in await store.runs(RunQuery(**query))]


async def test_runs_are_found_by_each_condition(store):
    """The newest first; conditions all hold."""
    await store.create(run("a", minute=0, graph="plan", user_id="ann", elapsed=3.0))
    await store.create(run("b", minute=2, graph="plan", user_id="bob", elapsed=9.0))
    await store.create(run("c", minute=1, graph="draw", user_id="ann", status="failed"))
    await store.commit("a", 0, [fact("0", node="Search"), fact("1", node="Rank")])
    await store.commit("b", 0, [fact("0", node="Search", kind="started")])
    moment = START + timedelta(minutes=1)

    assert await names(store) == ["b", "c", "a"]
    assert [one.execution_id for one in await store.runs()] == ["b", "c", "a"]
    assert await names(store, limit=2) == ["b", "c"]
    assert await names(store, limit=-1) == []
    assert await names(store, order="slowest") == ["b", "a", "c"]
    assert await names(store, status="failed") == ["c"]
    assert await names(store, since=moment) == ["b", "c"]
    assert await names(store, until=moment) == ["a"]
    assert await names(store, since=datetime(2026, 3, 1, 12, 2)) == ["b"]
    assert await names(store, node="Search") == ["a"]
    assert await names(store, graph="plan") == ["b", "a"]
    assert await names(store, user_id="ann") == ["c", "a"]
    assert await names(store, longer_than=3.0) == ["b", "a"]
    assert await names(store, user_id="ann", graph="plan", status="running") == ["a"]


async def test_a_list_of_runs_leaves_out_what_is_large(store):
    """State, shape and metadata are not even read."""
    given = run(start={"a": 1}, state={"big": 1}, metadata={"b": 2}, shape={"c": 3})
    await store.create(given)

    bare = {"start": None, "state": None, "metadata": None, "shape": {}}
    assert await store.runs() == [given.model_copy(update=bare)]


async def test_fifty_tasks_commit_at_once(store):
    """Every fact of every task is there, in its task's order, and summed."""
    await store.create(run())

    async def work(task):
        for step in range(10):
            await store.commit("r1", 0, [fact(f"{task}.{step}", tokens=1)])

    await asyncio.gather(*(work(task) for task in range(50)))

    record, facts = await store.load("r1")
    assert (record.steps, record.tokens, len(facts)) == (500, 500, 500)
    for task in range(50):
        mine = [kept.address for kept in facts if kept.address.startswith(f"{task}.")]
        assert mine == [f"{task}.{step}" for step in range(10)]
    await store.check()


@pytest.mark.parametrize("turns", range(4))
async def test_a_commit_is_kept_whoever_stops_waiting_for_it(store, turns):
    """What it says has happened: a step that was paid for would else be run again."""
    await store.create(run())
    task = asyncio.create_task(store.commit("r1", 0, [fact("0", tokens=3)]))
    await asyncio.sleep(0)
    for _ in range(turns):
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.wait([task])
    await store.finish("r1", 0, "cancelled")

    record, facts = await store.load("r1")
    assert (facts, record.status, record.tokens) == ([fact("0", tokens=3)], "cancelled", 3)


async def test_several_loops_in_threads_use_one_store(store):
    """Nothing of a store belongs to the loop that used it first."""
    await store.create(run())

    def work(thread):
        async def commit():
            await asyncio.gather(
                *(store.commit("r1", 0, [fact(f"{thread}.{step}")]) for step in range(10))
            )

        asyncio.run(commit())

    await asyncio.gather(*(asyncio.to_thread(work, thread) for thread in range(4)))

    assert (await store.load("r1"))[0].steps == 40


async def test_what_is_given_may_change_afterwards(store):
    """A store keeps facts as they were at the call."""
    body = {"writes": {"plan": [1]}}
    await store.create(run())
    given = fact(body=body)

    waiting = asyncio.ensure_future(store.commit("r1", 0, [given]))
    await asyncio.sleep(0)
    given.body["writes"] = json.loads("[]")
    await waiting

    assert (await store.load("r1"))[1][0].body == {"writes": {"plan": [1]}}


async def test_use_after_close_is_a_clear_error(store):
    """Closing twice is none; a mark is no more than lost."""
    await store.create(run())
    await store.close()
    await store.close()

    store.mark("r1", 0, fact(kind="started"))
    for ask in (store.load("r1"), store.commit("r1", 0, [fact()]), store.runs(), store.check()):
        with pytest.raises(StoreError, match="it was closed before"):
            await ask


async def test_a_store_is_closed_at_the_end_of_its_block(store):
    """`async with` waits for what is under way."""
    async with store as same:
        assert same is store
        await store.create(run())

    with pytest.raises(StoreError):
        await store.runs()
