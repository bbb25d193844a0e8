"""Node instances that change while they run: what they have become is kept, or refused."""

from threading import Lock
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.durability import MemoryStore
from lift_sys.errors import LiftError, UnkeptValueError


class Work(BaseModel):
    done: list[int] = []


class Failing:
    """Fails at one step."""

    def __init__(self, at: str) -> None:
        self.at = at

    def pass_by(self, address: str) -> None:
        if address == self.at:
            self.at = ""
            raise ConnectionError


class Loop(BaseNode[Work]):
    """Counts in itself, and comes back to itself: at once, or by way of another."""

    def __init__(self, *, directly: bool) -> None:
        self.directly, self.count = directly, 0

    async def run(self, ctx: RunContext[Work]) -> "Loop | Back | End[int]":
        ctx.deps.pass_by(ctx.address)
        self.count += 1
        ctx.state.done.append(self.count)
        if self.count == 3:
            return End(self.count)
        return self if self.directly else Back(self)


class Back(BaseNode[Work]):
    def __init__(self, to: Loop) -> None:
        self.to = to

    async def run(self, ctx: RunContext[Work]) -> "Loop":
        ctx.deps.pass_by(ctx.address)
        return self.to


class Spread(BaseNode[Work]):
    """Starts itself again in branches."""

    def __init__(self) -> None:
        self.is_branch = False

    async def run(self, ctx: RunContext[Work]) -> "Fork[Spread, Spread] | End[bool]":
        ctx.deps.pass_by(ctx.address)
        ctx.state.done.append(int(self.is_branch))
        if self.is_branch:
            return End(self.is_branch)
        self.is_branch = True
        return Fork([self], then=self)


#: What a module holds is known by its name.
HELD = Loop(directly=True)


class Enter(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Loop:
        return HELD


MAKERS: dict[str, Any] = {
    "directly": lambda: Loop(directly=True),
    "by another": lambda: Loop(directly=False),
    "in branches": Spread,
    "in a module": Enter,
}


async def ended(make, *, at):
    """What a run comes to that fails at a step, and goes on in another process, with new nodes."""
    HELD.count = 0
    async with MemoryStore() as store:
        options: Any = {"store": store, "deps": Failing(at)}
        try:
            result = await Graph(make()).run(state=Work(), execution_id="run", **options)
        except LiftError:
            HELD.count = 0
            result = await Graph(make()).resume("run", **options)
        again = await Graph(make()).resume("run", **options)
        assert (again.state, again.output) == (result.state, result.output)
    return result.state, result.output


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("at", ["0", "1", "2", "0.0"])
async def test_a_start_that_has_changed_goes_on_as_it_was(kind, at):
    assert await ended(MAKERS[kind], at=at) == await ended(MAKERS[kind], at="")


class Locked(Loop):
    """Holds what can't be kept."""

    def __init__(self) -> None:
        super().__init__(directly=True)
        self.lock = Lock()


async def test_what_has_changed_and_cannot_be_kept_is_refused():
    """Until it changes, it is known by where it stands."""
    with pytest.raises(UnkeptValueError, match=r"Locked\.lock"):
        await Graph(Locked()).run(state=Work(), store=MemoryStore(), deps=Failing(""))
