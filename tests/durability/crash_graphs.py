"""Graphs that are killed in every place: each kind of step, fork and wait that a run can be in."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    RetryPolicy,
    RunContext,
    Subgraph,
    Suspend,
)
from lift_sys.graph.result import RunResult
from lift_sys.reducers import Append


class Work(BaseModel):
    done: Annotated[list[str], Append()] = []
    notes: dict[str, float] = {}
    total: int = 0


async def happen(ctx: RunContext[Work], name: str, *, seconds: float = 0.001) -> None:
    """What each step does: wait, as real ones do, and write in several ways."""
    await asyncio.sleep(seconds)
    ctx.state.done.append(name)
    ctx.state.notes[name] = ctx.random.random()
    ctx.metadata[name] = ctx.address
    ctx.add_provenance(name, "plain")


@dataclass
class Link(BaseNode[Work]):
    """One of a chain."""

    left: int = 5

    async def run(self, ctx: RunContext[Work]) -> Link | End[int]:
        await happen(ctx, f"link {self.left}")
        ctx.state.total += self.left
        return Link(self.left - 1) if self.left else End(ctx.state.total)


@dataclass
class Branch(BaseNode[Work]):
    """One of several, which ends later the higher its number is, or fails."""

    name: str
    inner: int = 0
    seconds: float = 0.001

    async def run(self, ctx: RunContext[Work]) -> Fork[Branch, Leaf] | Leaf:
        await happen(ctx, self.name, seconds=self.seconds)
        if self.inner:
            branches = [Branch(f"{self.name}.{index}") for index in range(self.inner)]
            return Fork(branches, then=Leaf(self.name))
        return Leaf(self.name)


@dataclass
class Leaf(BaseNode[Work]):
    """The last of a branch."""

    name: str

    async def run(self, ctx: RunContext[Work]) -> End[str]:
        if self.name == "failing":
            raise ValueError(self.name)
        await happen(ctx, f"leaf {self.name}")
        return End(self.name)


@dataclass
class Collect(BaseNode[Work]):
    """After the join."""

    async def run(self, ctx: RunContext[Work]) -> End[list[str]]:
        await happen(ctx, "collect")
        return End([str(branch.error is None and branch.output) for branch in ctx.branches])


@dataclass
class Spread(BaseNode[Work]):
    """A fork of `width`, each of which forks into `inner`."""

    width: int = 8
    inner: int = 0

    async def run(self, ctx: RunContext[Work]) -> Fork[Branch, Collect]:
        await happen(ctx, "spread")
        branches = [Branch(str(index), self.inner) for index in range(self.width)]
        return Fork(branches, then=Collect())


@dataclass
class Choose(BaseNode[Work]):
    """A fork whose branches do not all count: which ones do is a matter of the strategy."""

    strategy: MergeStrategy

    async def run(self, ctx: RunContext[Work]) -> Fork[Branch, Collect]:
        await happen(ctx, "choose")
        branches = [Branch("quick"), Branch("slow", seconds=10)]
        if self.strategy is MergeStrategy.ALL_SUCCESS:
            branches[1].seconds = 0.002
        else:
            branches.insert(0, Branch("failing", seconds=0))
        if self.strategy is MergeStrategy.BEST_EFFORT:
            branches[2].seconds = 0.002
        return Fork(branches, then=Collect(), strategy=self.strategy)


@dataclass
class Flaky(BaseNode[Work]):
    """Succeeds at its third attempt."""

    retry: ClassVar[RetryPolicy | None] = RetryPolicy(max_attempts=3, first_delay=0.002)

    async def run(self, ctx: RunContext[Work]) -> Link:
        await happen(ctx, "flaky")
        if ctx.attempt < 3:
            raise ConnectionError
        return Link(1)


class Inner(BaseModel):
    value: int = 0


class Double(BaseNode[Inner]):
    async def run(self, ctx: RunContext[Inner]) -> Increment:
        await asyncio.sleep(0.001)
        ctx.state.value *= 2
        return Increment()


class Increment(BaseNode[Inner]):
    async def run(self, ctx: RunContext[Inner]) -> End[int]:
        ctx.metadata["inner"] = ctx.address
        ctx.state.value += 1
        return End(ctx.state.value)


def enter(state: Work) -> Inner:
    return Inner(value=state.total)


def leave(state: Work, result: RunResult[Inner]) -> None:
    state.total = result.state.value


NESTED: Subgraph[Work, Inner] = Subgraph(Graph(Double), enter=enter, leave=leave)


class Before(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Subgraph[Work, Inner]:
        await happen(ctx, "before")
        ctx.state.total = 3
        return NESTED


class Order(BaseModel):
    amount: int


@dataclass
class Ask(BaseNode[Work]):
    """Waits for a person."""

    key: str

    async def run(self, ctx: RunContext[Work]) -> Suspend[Answered]:
        await happen(ctx, f"ask {self.key}")
        return Suspend("how many?", key=self.key, schema=Order, then=Answered(self.key))


@dataclass
class Answered(BaseNode[Work]):
    key: str

    async def run(self, ctx: RunContext[Work]) -> End[int]:
        await happen(ctx, f"answered {self.key}")
        ctx.state.notes[self.key] = ctx.answer.amount
        return End(ctx.answer.amount)


class Wait(BaseNode[Work]):
    """Two branches ask, one does not, and after the join there is one more question."""

    async def run(self, ctx: RunContext[Work]) -> Fork[Ask | Branch, Ask]:
        await happen(ctx, "wait")
        return Fork([Ask("a"), Branch("busy"), Ask("b")], then=Ask("last"))


ANSWERS = {"a": {"amount": 1}, "b": {"amount": 2}, "last": Order(amount=3)}

#: One for each kind of thing that a run can be in the middle of.
KINDS: dict[str, Graph[Work]] = {
    "chain": Graph(Link(5)),
    "fork": Graph(Spread(8)),
    "nested forks": Graph(Spread(2, inner=2)),
    "retry": Graph(Flaky()),
    "subgraph": Graph(Before),
    "questions": Graph(Wait),
}
STRATEGIES = {strategy.value: Graph(Choose(strategy)) for strategy in MergeStrategy}
GRAPHS = KINDS | STRATEGIES
