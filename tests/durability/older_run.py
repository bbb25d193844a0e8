"""The graph of the run in `samples/schema_2.sql` and `schema_3.sql`, which failed in its second step."""

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, PrivateAttr, SecretStr
from typing_extensions import TypedDict

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.reducers import Append

T = TypeVar("T")


class Entry(TypedDict):
    day: date
    key: SecretStr


@dataclass
class Held(Generic[T]):
    value: T


class State(BaseModel):
    entry: Entry | None = None
    held: Held[date] | None = None
    days: Annotated[list[date], Append()] = []
    anything: Any = None
    _seen: date = PrivateAttr(default=date(2026, 1, 1))


class Write(BaseNode[State]):
    """Writes one day; the first one also where an older version wrote another form."""

    def __init__(self, day: date) -> None:
        self.day = day

    async def run(self, ctx: RunContext[State]) -> End[None]:
        ctx.state.days.append(self.day)
        if self.day.day == 7 and ctx.state.entry is not None:
            ctx.state.entry["day"] = self.day
        return End()


class Finish(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End[date]:
        if ctx.deps == "fail":
            raise ConnectionError("down")
        assert ctx.state.held is not None
        return End(ctx.state.held.value)


class Begin(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Write, Finish]:
        assert ctx.state.entry is not None
        ctx.state.entry["day"] = date(2026, 2, 3)
        ctx.state.held = Held(date(2026, 2, 4))
        ctx.state.anything = {"day": (date(2026, 2, 5), 1.5)}
        ctx.state._seen = date(2026, 2, 6)
        ctx.metadata["note"] = {"a", "b"}
        return Fork([Write(date(2026, 2, 7)), Write(date(2026, 2, 8))], then=Finish())


GRAPH = Graph(Begin)


def begun() -> State:
    """What the run began with."""
    return State(entry={"day": date(2026, 2, 2), "key": SecretStr("hidden")})
