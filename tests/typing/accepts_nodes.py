"""Nodes, successors and contexts as users write them: no error anywhere."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar, assert_type

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, NextNode, RetryPolicy, RunContext, Stop, Timeouts, node
from lift_sys.reducers import Append, MergeDict, Sum


class Logged(BaseModel):
    log: Annotated[list[str], Append()] = []


class Review(Logged):
    text: str
    sentiment: str = ""
    words: Annotated[int, Sum()] = 0
    notes: Annotated[dict[str, str], MergeDict()] = {}


class Read(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Sentiment | Words, Summarise] | End:
        if not ctx.state.text:
            return End()
        return Fork([Sentiment(), Words(2)], then=Summarise())


class Sentiment(BaseNode[Review]):
    retry = RetryPolicy(max_attempts=2, retry_on=(ConnectionError, TimeoutError))
    timeouts = Timeouts(attempt=1.5, node=10)
    writes = ("sentiment",)
    priority = 1

    async def run(self, ctx: RunContext[Review]) -> End:
        ctx.state.sentiment = "good"
        ctx.metadata["model"] = "none"
        ctx.add_provenance("Sentiment", "text -> sentiment", score=0.5)
        ctx.emit({"seen": len(ctx.state.text)})
        return End()


@dataclass(frozen=True)
class Words(BaseNode[Review]):
    least: int

    def run(self, ctx: RunContext[Review]) -> End[int] | Stop[str]:
        if not ctx.state.text:
            return Stop("empty")
        ctx.state.words += len([word for word in ctx.state.text.split() if len(word) >= self.least])
        return End(ctx.state.words)


class Summarise(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Log | Again | Dynamic:
        assert_type(ctx.state.notes, dict[str, str])
        assert_type(ctx.random, random.Random)
        assert_type(ctx.now(), datetime)
        for branch in ctx.branches:
            if branch.error is None:
                ctx.state.log.append(f"{branch.address} {branch.node} {branch.elapsed:.1f}")
        return Log() if ctx.state.words else Again()


class Again(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Read | End[str]:
        return Read() if ctx.state.log else End("done")


class Log(BaseNode[Logged]):
    """A node on a base class of the state is a node of every graph on a subclass."""

    async def run(self, ctx: RunContext[Logged]) -> End:
        ctx.state.log.append("logged")
        return End()


class Dynamic(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> NextNode[Review]:
        if ctx.state.words:
            return Plain()
        return shout


class AnyNode(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> BaseNode[Review]:
        return Log() if ctx.state.log else shout


class FanOut(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Words, End[str]]:
        return Fork([Words(size) for size in range(3)], then=End("joined"))


class Mixed(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Plain | Options | Data | Log, Plain]:
        return Fork([Plain(), Options(), Data(), Log()], then=Plain())


class Plain:
    """A node without a base class."""

    async def run(self, ctx: RunContext[Review]) -> Data | End:
        return Data() if ctx.state.text else End()


class Options(BaseModel):
    """A pydantic model as a node."""

    limit: int = 3

    async def run(self, ctx: RunContext[Review]) -> End[int]:
        return End(self.limit)


@dataclass
class Data:
    """A dataclass as a node."""

    limit: int = 3

    def run(self, ctx: RunContext[Review]) -> End[int]:
        return End(self.limit + ctx.state.words)


StateT = TypeVar("StateT", bound=Logged)


class Note(BaseNode[StateT], Generic[StateT]):
    """A generic node, bound to a state where it is used."""

    async def run(self, ctx: RunContext[StateT]) -> End:
        ctx.state.log.append("noted")
        return End()


class Notes(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Note[Review]:
        return Note()


@node
async def shout(ctx: RunContext[Review]) -> End[str]:
    return End(ctx.state.text.upper())


@node
def whisper(ctx: RunContext[Review]) -> Log | End:
    return Log() if ctx.state.words else End()


class Forward(BaseNode[Review]):
    """`run` may return any awaitable."""

    def run(self, ctx: RunContext[Review]) -> Awaitable[NextNode[Review]]:
        return self.later(ctx)

    async def later(self, ctx: RunContext[Review]) -> NextNode[Review]:
        return End(ctx.execution_id)


assert_type(End(3), End[int])
assert_type(End(), End[None])
assert_type(Stop("x").data, str)
context = RunContext(state=Review(text="x"), execution_id="run-1", metadata={"a": 1}, provenance=[])
assert_type(context, RunContext[Review])
assert_type(context.state.text, str)
assert_type(context.provenance, list[dict[str, Any]])
