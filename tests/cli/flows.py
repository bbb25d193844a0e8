"""Small graphs for tests of the command line; started there by `lift run flows.py:...`."""

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, SecretStr

from lift_sys import BaseNode, BestEffort, End, Fork, Graph, Majority, Race, RunContext, Suspend
from lift_sys.core.usage import Usage
from lift_sys.reducers import Append


class Limits(BaseModel):
    size: int = 1
    codes: list[str] = []


class Note(BaseModel):
    topic: str
    lines: Annotated[list[str], Append()] = []
    limits: Limits = Limits()
    draw: float = 0.0


class Left(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.lines.append(f"left of {ctx.state.topic}")
        ctx.add_usage(Usage(calls=1, input_tokens=3, output_tokens=4))
        return End()


class Right(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        print("a node prints")
        ctx.state.lines.append("right")
        return End()


class Close(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End[str]:
        ctx.state.draw = ctx.random.random()
        return End(f"{ctx.state.topic}: {len(ctx.state.lines)} lines")


class Both(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Left | Right, Close]:
        return Fork([Left(), Right()], then=Close())


class Assigns(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.lines += ["more"]
        return End()


class Hurries(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Fork[Left | Sleeps, End]":
        return Fork([Left(), Sleeps()], then=End(), strategy=Race())


class Fails(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        raise OSError("the tea is cold")


class Fades(BaseNode[Note]):
    """Fails one step later."""

    async def run(self, ctx: RunContext[Note]) -> Fails:
        return Fails()


class Hopes(BaseNode[Note]):
    """Goes on without branches that fail."""

    async def run(self, ctx: RunContext[Note]) -> Fork[Left | Fails | Fades, End]:
        return Fork([Left(), Fails(), Fades()], then=End(), strategy=BestEffort())


class Risks(BaseNode[Note]):
    """Fails with the first branch that does."""

    async def run(self, ctx: RunContext[Note]) -> "Fork[Fades | Sleeps, End]":
        return Fork([Fades(), Sleeps()], then=End())


class Deepens(BaseNode[Note]):
    """Fails inside."""

    async def run(self, ctx: RunContext[Note]) -> End:
        await Graph(Risks).run_inside(ctx, ctx.state)
        return End()


class Exits(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        raise SystemExit("a node wants out")


class Sleeps(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        await asyncio.sleep(600)
        return End()


class Blocks(BaseNode[Note]):
    def run(self, ctx: RunContext[Note]) -> End:
        time.sleep(600)
        return End()


class Stubborn(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue


class Waits(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Left | Sleeps | Blocks, Close]:
        return Fork([Left(), Sleeps(), Blocks()], then=Close())


class Say(BaseNode[Note]):
    def __init__(self, word: str) -> None:
        self.word = word

    async def run(self, ctx: RunContext[Note]) -> End[str]:
        await asyncio.sleep(0)  # lets the others start, if there are slots for them
        ctx.state.topic = self.word
        return End(self.word)


class Poll(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Say, Close]:
        votes = [Say("tea"), Say("milk"), Say("tea")]
        return Fork(votes, then=Close(), strategy=Majority(key="topic"))


class Many(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Right, Close]:
        return Fork([Right() for _ in range(3000)], then=Close())


graph = Graph(Both)
many = Graph(Many)


def make_graph() -> Graph[Note]:
    return Graph(Both, name="made")


def needs_size(size: int) -> Graph[Note]:
    return Graph(Both, name=f"of {size}")


number = 5


class Approval(BaseModel):
    granted: bool
    by: str = "nobody"


class Asks(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Suspend[Pours]":
        return Suspend(f"pour {ctx.state.topic}?", key="approval", schema=Approval, then=Pours())


class Pours(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End[str]:
        return End("poured" if ctx.answer.granted else "left")


class Offers(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Suspend[Pours]":
        return Suspend("more?", key="more tea", schema=Approval, then=Pours())


class AsksTwice(BaseNode[Note]):
    """Asks by one key in two branches, and by another in a third."""

    async def run(self, ctx: RunContext[Note]) -> Fork[Asks | Offers, Close]:
        return Fork([Asks(), Asks(), Offers()], then=Close())


class Kettle:
    """A service."""

    def pour(self, topic: str) -> str:
        return f"a cup of {topic}"


def kettle() -> Kettle:
    return Kettle()


a_kettle = Kettle()


def broken_kettle() -> Kettle:
    raise OSError("no water")


class Serves(BaseNode[Note]):
    """Asks before it pours, with what the services give."""

    async def run(self, ctx: RunContext[Note]) -> "Suspend[Served]":
        assert isinstance(ctx.deps, Kettle)
        return Suspend("pour?", key="approval", schema=Approval, then=Served())


class Served(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End[str]:
        return End(ctx.deps.pour(ctx.state.topic))


class Door(BaseModel):
    key: SecretStr


class Opens(BaseNode[Door]):
    async def run(self, ctx: RunContext[Door]) -> End[int]:
        return End(len(ctx.state.key.get_secret_value()))


class Vault(BaseModel):
    key: SecretStr
    door: Door
    spare: dict[str, SecretStr] = {}


class Guards(BaseNode[Vault]):
    """Writes a secret, and asks before it opens."""

    async def run(self, ctx: RunContext[Vault]) -> "Suspend[Unlocks]":
        ctx.state.key = SecretStr(f"{ctx.state.key.get_secret_value()}-again")
        return Suspend("open?", key="approval", schema=Approval, then=Unlocks())


class Unlocks(BaseNode[Vault]):
    async def run(self, ctx: RunContext[Vault]) -> End[str]:
        assert isinstance(ctx.deps, Kettle)
        return End(f"{len(ctx.state.key.get_secret_value())} letters")


class Rekeys(BaseNode[Door]):
    """Writes a secret, and waits."""

    async def run(self, ctx: RunContext[Door]) -> "Stands":
        ctx.state.key = SecretStr("another")
        return Stands()


class Stands(BaseNode[Door]):
    async def run(self, ctx: RunContext[Door]) -> End:
        await asyncio.sleep(600)
        return End()


class Hoard(BaseModel):
    things: object = Kettle()


class Hoards(BaseNode[Hoard]):
    async def run(self, ctx: RunContext[Hoard]) -> End:
        return End()


class Gated(BaseNode[Note]):
    """Notes outside what it does, and waits before its last step until somebody opens."""

    async def run(self, ctx: RunContext[Note]) -> "Gate":
        _note_outside("left")
        ctx.state.lines.append(f"left of {ctx.state.topic}")
        return Gate()


class Gate(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        path = _note_outside("gate")
        while not path.with_suffix(".open").exists():
            await asyncio.sleep(0.01)
        return End()


def _note_outside(word: str) -> Path:
    path = Path(os.environ["FLOWS_GATE"])
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{word}\n")
    return path
