"""A state and cached nodes that count how often they really run: `ctx.deps` is a list of notes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Stop
from lift_sys.core.usage import Usage
from lift_sys.durability import CachePolicy


class Note(BaseModel):
    text: str = ""
    tags: list[str] = []


class Desk(BaseModel):
    """What the nodes work on."""

    question: str = ""
    answer: str = ""
    user: str = ""
    count: int = 0
    note: Note = Note()
    log: list[str] = []
    index: dict[str, int] = {}
    secret: SecretStr | None = None


Ctx = RunContext[Desk]


async def run(node: Any, state: Desk, **options: Any) -> Any:
    """Run a graph of `node`; `deps` is a list of what ran."""
    return await Graph(node).run(state=state, **options)


class Ask(BaseNode[Desk]):
    """Reads the question, writes the answer."""

    cache = CachePolicy(version="1", tags=("asked",))
    reads = ("question",)

    async def run(self, ctx: Ctx) -> End[str]:
        ctx.deps.append("Ask")
        ctx.state.answer = ctx.state.question.upper()
        ctx.add_provenance("Ask", "question -> answer", model="m")
        ctx.add_usage(Usage(calls=1, input_tokens=3, cost=0.5))
        return End(ctx.state.answer)


class Slow(Ask):
    """As `Ask`, after a second."""

    cache = CachePolicy(version="2")

    async def run(self, ctx: Ctx) -> End[str]:
        ctx.deps.append("started")
        await asyncio.sleep(1)
        return await super().run(ctx)


@dataclass
class Shout(BaseNode[Desk]):
    """Configured by its fields."""

    mark: str = "!"
    cache = True

    async def run(self, ctx: Ctx) -> End:
        ctx.deps.append("Shout")
        ctx.state.answer = f"{ctx.state.question}{self.mark}"
        return End()


class Whole(BaseNode[Desk]):
    """Declares no reads: the whole state is its input."""

    cache = True

    def run(self, ctx: Ctx) -> End:
        ctx.deps.append("Whole")
        ctx.state.log.append(ctx.state.question)
        ctx.state.index["n"] = ctx.state.count
        return End()


@dataclass
class Piece(BaseNode[Desk]):
    text: str

    async def run(self, ctx: Ctx) -> End:
        ctx.state.index[self.text] = len(self.text)
        return End()


class Spread(BaseNode[Desk]):
    """Returns a fork, which is a part of what is kept."""

    cache = True
    reads = ("question",)

    async def run(self, ctx: Ctx) -> Fork[Piece, Ask]:
        ctx.deps.append("Spread")
        return Fork([Piece(word) for word in ctx.state.question.split()], then=Ask())


class Halt(BaseNode[Desk]):
    cache = True

    async def run(self, ctx: Ctx) -> Stop[list[int]]:
        ctx.deps.append("Halt")
        return Stop([1])
