"""Two processes that resume the same runs: the newer fences the older, and nothing is kept twice."""

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.durability import PostgresStore, RunQuery, SqliteStore
from lift_sys.errors import FencedError, ParallelExecutionError
from lift_sys.testing.crashes.processes import Child

RUNS = [f"run {number}" for number in range(100)]


class Work(BaseModel):
    done: dict[str, int] = {}


@dataclass
class Begin(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Fork["Branch", "Last"]:
        ctx.state.done["begin"] = 1
        return Fork([Branch(number) for number in range(3)], then=Last())


@dataclass
class Branch(BaseNode[Work]):
    number: int

    async def run(self, ctx: RunContext[Work]) -> End[int]:
        await asyncio.sleep(ctx.random.random() / 100)
        if self.number == 1 and ctx.deps == "the service is down":
            raise ConnectionError(ctx.deps)
        ctx.state.done[f"branch {self.number}"] = self.number
        return End(self.number)


@dataclass
class Last(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End[int]:
        await asyncio.sleep(ctx.random.random() / 100)
        return End(sum(branch.output for branch in ctx.branches))


GRAPH = Graph(Begin)


@pytest.fixture(params=["sqlite", "postgres"])
def open_store(request, tmp_path):
    """Makes a store of one kind, for the same place in every process."""
    if request.param == "sqlite":
        return lambda change: change(SqliteStore)(tmp_path / "runs.db")
    url = request.getfixturevalue("postgres_url")
    return lambda change: change(PostgresStore)(url)


def noting(notes):
    """Kinds of stores that write down what they have kept, in a file for all processes."""

    def kind(store):
        class Noting(store):
            async def commit(self, execution_id, epoch, facts):
                await super().commit(execution_id, epoch, facts)
                for fact in facts:
                    line = f"{execution_id},{fact.kind},{fact.address}\n"
                    os.write(notes, line.encode())

        return Noting

    return kind


async def begin_all(open_store):
    """Every run fails in the middle of its fork; the steps that are kept."""
    async with open_store(lambda store: store) as store:
        for run in RUNS:
            with pytest.raises(ParallelExecutionError, match="the service is down"):
                await GRAPH.run(
                    state=Work(), store=store, execution_id=run, deps="the service is down", seed=1
                )
        return await kept_in(store)


async def kept_in(store):
    """All facts of all runs, as the file of notes calls them."""
    return [
        f"{run},{fact.kind},{fact.address}"
        for run in RUNS
        for fact in (await store.load(run))[1]
        if fact.kind != "started"
    ]


async def resume_all(open_store, notes, seed, say, ready):
    """Resume the runs in an order of this process; say what came of each."""
    at_a_time = asyncio.Semaphore(10)
    ends = {}

    async def resume(run):
        async with at_a_time:
            try:
                result = await GRAPH.resume(run, store=store)
                ends[run] = [result.output, result.state.done]
            except FencedError:
                ends[run] = "fenced"

    async with open_store(noting(notes)) as store:
        await store.runs()  # connected
        os.read(ready, 1)  # which ends when both are there, as nobody holds the other end
        await asyncio.gather(*map(resume, random.Random(seed).sample(RUNS, len(RUNS))))
    say(ends)


@pytest.mark.slow
def test_two_processes_that_resume_the_same_runs_finish_each_once(open_store, tmp_path):
    begun = Child(lambda say: say(asyncio.run(begin_all(open_store)))).wait(60).said[0]
    assert isinstance(begun, list), begun["raised"]
    path = tmp_path / "notes"
    notes = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    ready, release = os.pipe()

    def racer(seed):
        def work(say):
            os.close(release)
            asyncio.run(resume_all(open_store, notes, seed, say, ready))

        return Child(work)

    racers = [racer(1), racer(2)]
    os.close(release)
    one, other = [racer.wait(100).said[0] for racer in racers]
    os.close(ready)
    os.close(notes)
    after = Child(lambda say: say(asyncio.run(look(open_store)))).wait(60).said[0]

    assert "raised" not in one | other
    for run in RUNS:
        results = [end for end in (one[run], other[run]) if end != "fenced"]
        assert results, run
        assert all(
            end == [3, {"begin": 1} | {f"branch {n}": n for n in range(3)}] for end in results
        )
    noted = path.read_text().splitlines()
    assert [line for line, times in Counter(noted).items() if times > 1] == []
    assert set(noted).isdisjoint(begun)
    assert sorted(noted + begun) == sorted(after["kept"])
    assert after["statuses"] == ["finished"]
    assert "fenced" in {*map(str, one.values()), *map(str, other.values())}


async def look(open_store):
    """How it all stands."""
    async with open_store(lambda store: store) as store:
        await store.check()
        runs = await store.runs(RunQuery(limit=1000))
        return {"kept": await kept_in(store), "statuses": sorted({run.status for run in runs})}


class Held(BaseNode[Work]):
    """Works until it may go on."""

    async def run(self, ctx: RunContext[Work]) -> End[str]:
        name, begun, may_end = ctx.deps
        ctx.state.done[name] = 1
        begun.set()
        await may_end.wait()
        return End(name)


async def test_who_works_on_a_removed_run_is_not_in_the_next_one_of_its_name(store):
    """Its steps would be those of a run that it knows nothing of, and it would end that run."""
    graph = Graph(Held)
    old, new = [(name, asyncio.Event(), asyncio.Event()) for name in ("old", "new")]
    async with asyncio.TaskGroup() as group:

        async def run(deps):
            return await graph.run(state=Work(), store=store, execution_id="run", deps=deps)

        async def fenced():
            with pytest.raises(FencedError):
                await run(old)

        stale = group.create_task(fenced())
        await old[1].wait()
        await store.delete("run")
        fresh = group.create_task(run(new))
        await new[1].wait()
        old[2].set()
        await stale
        record, facts = await store.load("run")
        assert (record.status, record.takeovers) == ("running", 0)
        assert [fact for fact in facts if fact.kind == "step"] == []
        new[2].set()

    assert (await fresh).output == "new"
    assert (await graph.resume("run", store=store)).output == "new"
