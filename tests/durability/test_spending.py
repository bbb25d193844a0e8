"""What was spent is in the ledger of a run that went on: also by what failed, lost or was stopped."""

import asyncio
from typing import Annotated

import pytest
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
    RunContext,
    Stop,
)
from lift_sys.core.usage import Usage
from lift_sys.durability import MemoryStore, SqliteStore, rewind
from lift_sys.errors import LiftError, NodeError
from lift_sys.reducers import Append
from lift_sys.testing import run_virtual


class Work(BaseModel):
    done: Annotated[list[str], Append()] = []


class Spend(BaseNode[Work]):
    """Spends as many tokens as it is told to, then ends as it is told to."""

    def __init__(self, tokens: int, *, end: str = "", seconds: float = 0) -> None:
        self.tokens, self.end, self.seconds = tokens, end, seconds

    async def run(self, ctx: RunContext[Work]) -> Stop | End:
        ctx.add_usage(Usage(calls=1, input_tokens=self.tokens, cost=0.5))
        await ctx.deps(self.seconds)
        if self.end == "fails":
            raise ValueError
        return Stop() if self.end == "stops" else End()


class Spread(BaseNode[Work]):
    def __init__(self, strategy: MergeStrategy, nodes: list[Spend]) -> None:
        self.strategy, self.nodes = strategy, nodes

    async def run(self, ctx: RunContext[Work]) -> Fork[Spend, End]:
        return Fork(self.nodes, then=End(), strategy=self.strategy)


async def spent_twice(graph, **options):
    """Usage of a run, and of the same when its result is given again; and what its store sums up."""
    async with MemoryStore() as store:
        first = await graph.run(
            state=Work(), store=store, execution_id="run", deps=asyncio.sleep, **options
        )
        again = await graph.resume("run", store=store, deps=asyncio.sleep)
        record, _ = await store.load("run")
        return dict(first.usage), dict(again.usage), (record.tokens, record.cost)


@pytest.mark.parametrize(
    ("strategy", "nodes"),
    [
        (MergeStrategy.RACE, [Spend(3, seconds=9), Spend(4)]),
        (MergeStrategy.FIRST_SUCCESS, [Spend(3, end="fails"), Spend(4), Spend(5, seconds=9)]),
        (MergeStrategy.BEST_EFFORT, [Spend(3, end="fails"), Spend(4)]),
        (MergeStrategy.ALL_SUCCESS, [Spend(3, seconds=9), Spend(4, end="stops")]),
    ],
)
def test_what_branches_spent_that_did_not_come_through(strategy, nodes):
    (first, again, sums), _ = run_virtual(spent_twice(Graph(Spread(strategy, nodes))))

    assert (
        again
        == first
        == {
            f"0.{index}": Usage(calls=1, input_tokens=node.tokens, cost=0.5)
            for index, node in enumerate(nodes)
        }
    )
    assert sums == (sum(node.tokens for node in nodes), len(nodes) / 2)


class Several(BaseNode[Work]):
    """Runs nodes in an executor and graphs inside, at each attempt; only the third succeeds."""

    retry = RetryPolicy(max_attempts=3, first_delay=1, retry_on=(ConnectionError, NodeError))

    async def run(self, ctx: RunContext[Work]) -> End:
        await ParallelExecutor(2).execute_parallel([Spend(1), Spend(2, end="fails")], ctx)
        await Graph(Spend(0)).run_inside(ctx, Work(), start_node=Spend(4))
        if ctx.attempt == 1:
            raise ConnectionError
        last = Spend(8, end="fails" if ctx.attempt == 2 else "")
        await Graph(Spend(0)).run_inside(ctx, Work(), start_node=last)
        return End()


def test_what_attempts_spent_that_were_repeated():
    """By nodes of an executor, too, which have no facts of their own."""
    (first, again, sums), _ = run_virtual(spent_twice(Graph(Several)))

    assert again == first
    assert {address: usage.tokens for address, usage in first.items()} == {
        "0~0.0": 3,
        "0~0.1": 6,
        "0~1>0": 12,
        "0~2>0": 16,
    }
    assert sums == (37, 0.5 * 11)


class Twice(BaseNode[Work]):
    broken = True

    async def run(self, ctx: RunContext[Work]) -> End:
        ctx.add_usage(Usage(calls=1, output_tokens=5))
        if Twice.broken:
            raise ConnectionError
        return End()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_a_run_spent_that_failed(kind, tmp_path, monkeypatch):
    """What was spent is spent: the step that is done again has cost twice as much."""
    store = MemoryStore() if kind == "memory" else SqliteStore(tmp_path / "runs.db")
    async with store:
        with pytest.raises(LiftError):
            await Graph(Twice).run(state=Work(), store=store, execution_id="run")
        assert (await store.load("run"))[0].tokens == 5
        monkeypatch.setattr(Twice, "broken", False)

        result = await Graph(Twice).resume("run", store=store)
        again = await Graph(Twice).resume("run", store=store)

        assert dict(result.usage) == dict(again.usage) == {"0": Usage(calls=2, output_tokens=10)}
        assert (await store.load("run"))[0].tokens == 10


class Last(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End:
        return End()


class First(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Fork[Spend, Last]:
        nodes = [Spend(3, end="fails"), Spend(4)]
        return Fork(nodes, then=Last(), strategy=MergeStrategy.BEST_EFFORT)


async def test_a_run_that_goes_back_shares_what_was_spent_before():
    async with MemoryStore() as store:
        options = {"store": store, "deps": asyncio.sleep}
        first = await Graph(First).run(state=Work(), execution_id="run", **options)
        await rewind(store, None, "run", at="1", new_id="two")

        again = await Graph(First).resume("two", **options)

        assert dict(again.usage) == dict(first.usage)
