"""Why branches failed is the same to the node after their join, whether that had happened before."""

import asyncio

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext, Timeouts
from lift_sys.durability import MemoryStore, replay
from lift_sys.errors import (
    BranchRejectedError,
    LiftError,
    MergeConflictError,
    NodeError,
    ParallelExecutionError,
    RemoteCause,
    StateValidationError,
    StepTimeoutError,
    UndeclaredSuccessorError,
)
from lift_sys.testing import run_virtual


class Own(Exception):
    """Of the user."""


class Nothing(BaseModel):
    number: int = 0


class Service:
    """Sees what the last node sees, and fails it the first time."""

    def __init__(self) -> None:
        self.seen: list[list[BaseException | None]] = []

    def look(self, ctx):
        self.seen.append([branch.error for branch in ctx.branches])
        if len(self.seen) == 1:
            raise ConnectionError


class Look(BaseNode[Nothing]):
    async def run(self, ctx: RunContext[Nothing]) -> End:
        ctx.deps.look(ctx)
        return End()


class Raising(BaseNode[Nothing]):
    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def run(self, ctx: RunContext[Nothing]) -> "Fork[Raising | Setting, End] | End":
        match self.kind:
            case "missing":
                raise FileNotFoundError(2, "No such file", "a.txt")
            case "own":
                raise Own("mine")
            case "from":
                raise ValueError("bad") from KeyError("a")
            case "group":
                raise ExceptionGroup("several", [Own("mine"), TypeError("no")])
            case "conflict":
                return Fork([Setting(1), Setting(2)], then=End())
            case "all":
                return Fork([Raising("own"), Raising("from")], then=End())
            case "invalid":
                ctx.state.number = "no number"
            case "undeclared":
                return Look()
        return End()


class Setting(BaseNode[Nothing]):
    def __init__(self, number: int) -> None:
        self.number = number

    async def run(self, ctx: RunContext[Nothing]) -> End:
        ctx.state.number = self.number
        return End()


class Slow(BaseNode[Nothing]):
    timeouts = Timeouts(attempt=1)

    async def run(self, ctx: RunContext[Nothing]) -> End:
        await asyncio.sleep(9)
        return End()


def is_not_refused(result):
    return getattr(result.node, "kind", "") != "refused"


class Begin(BaseNode[Nothing]):
    def __init__(self, kind: str) -> None:
        self.kind = kind

    async def run(self, ctx: RunContext[Nothing]) -> Fork[Raising | Setting | Slow, Look]:
        node = Slow() if self.kind == "slow" else Raising(self.kind)
        return Fork(
            [node, Setting(7)],
            then=Look(),
            strategy=MergeStrategy.BEST_EFFORT,
            accept=is_not_refused,
        )


async def seen_twice(kind):
    """The error as the last node sees it in the process where it was raised, and in another."""
    graph, service = Graph(Begin(kind)), Service()
    async with MemoryStore() as store:
        with pytest.raises(LiftError):
            await graph.run(state=Nothing(), store=store, execution_id="run", deps=service)
        await graph.resume("run", store=store, deps=service)
        report = await replay(store, graph, "run", deps=service)
        assert report.identical, str(report.first)
    [first, _], [again, _], *_ = service.seen
    return first, again


def known(error):
    """An error as far as it is kept: type, text, attributes, and the same of its causes."""
    if isinstance(error, (list, tuple)):
        return [known(each) for each in error]
    if isinstance(error, BaseNode):
        return type(error).__name__
    if not isinstance(error, BaseException):
        return error
    if isinstance(error, Own):
        return "Own: mine"
    if isinstance(error, RemoteCause):
        return str(error)
    left_out = {"usage", "partial_results"}
    fields = {name: known(value) for name, value in vars(error).items() if name not in left_out}
    return type(error), known(error.args), str(error), fields, known(error.__cause__)


@pytest.mark.parametrize(
    ("kind", "error", "cause"),
    [
        ("missing", NodeError, FileNotFoundError),
        ("own", NodeError, RemoteCause),
        ("from", NodeError, ValueError),
        ("group", NodeError, ExceptionGroup),
        ("conflict", MergeConflictError, None),
        ("all", ParallelExecutionError, None),
        ("invalid", StateValidationError, None),
        ("undeclared", UndeclaredSuccessorError, None),
        ("refused", BranchRejectedError, None),
        ("slow", NodeError, StepTimeoutError),
    ],
)
def test_an_error_comes_back_as_what_it_was(kind, error, cause):
    (first, again), _ = run_virtual(seen_twice(kind))

    assert type(first) is type(again) is error
    assert cause is None or type(again.__cause__) is cause
    if isinstance(again, NodeError):
        assert again.error is again.__cause__
    assert known(again) == known(first)


async def test_what_is_no_error_of_ours_is_only_described():
    """Nothing is looked up in modules of the user's, whatever the journal says."""
    graph, service = Graph(Begin("own")), Service()
    async with MemoryStore() as store:
        with pytest.raises(LiftError):
            await graph.run(state=Nothing(), store=store, execution_id="run", deps=service)

        await graph.resume("run", store=store, deps=service)

    [[first, _], [again, _]] = service.seen
    assert type(first.error) is Own
    assert (again.error.type_name, again.error.text) == ("Own", "mine")
    assert str(again) == str(first)
