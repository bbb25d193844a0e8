"""What a node may leave behind: valid values, its state's type, and only what it declared."""

import threading
from typing import Annotated, Any

import pytest
from execution.nodes import Board, Ctx, Watch
from pydantic import BaseModel, Field, model_validator

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    NextNode,
    ParallelExecutor,
    RunContext,
)
from lift_sys.errors import (
    MergeConflictError,
    NodeError,
    NotAModelError,
    ParallelExecutionError,
    StateValidationError,
    UncopyableStateError,
    UndeclaredWriteError,
)
from lift_sys.reducers import Sum
from lift_sys.testing import virtual


async def run(start: Any, state: Any = None, **options: Any) -> Any:
    watch = options.pop("watch", None) or Watch()
    graph = Graph(start, executor=ParallelExecutor[Board](4, **options))
    return await graph.run(state=Board() if state is None else state, deps=watch)


class Strict(BaseModel):
    low: int = Field(0, le=10)
    high: Annotated[int, Sum()] = 10
    label: str = ""
    extra: Any = None

    @model_validator(mode="after")
    def in_order(self) -> "Strict":
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def doing(act: Any, **fields: Any) -> Any:
    """A node on `Strict` that does this."""

    class Doing(BaseNode[Strict]):
        async def run(self, ctx: RunContext[Strict]) -> NextNode[Strict]:
            act(ctx)
            return End()

    return type("Doing", (Doing,), fields)()


def setting(**values: Any) -> Any:
    def act(ctx: RunContext[Strict]) -> None:
        for name, value in values.items():
            setattr(ctx.state, name, value)

    return doing(act)


class SplitStrict(BaseNode[Strict]):
    def __init__(self, *nodes: Any) -> None:
        self.nodes = nodes

    async def run(self, ctx: RunContext[Strict]) -> NextNode[Strict]:
        return Fork(self.nodes, then=End())


@virtual
async def test_a_wrong_value_is_found_at_the_end_of_its_node():
    """Strictly, without coercion; the error names path and step."""
    with pytest.raises(StateValidationError, match=r"by 0:Doing is invalid:\n  - `low`: Input"):
        await run(setting(low="3"), Strict())
    with pytest.raises(StateValidationError, match="less than or equal to 10"):
        await run(setting(low=11, high=20), Strict())


@virtual
async def test_branches_that_are_valid_alone_can_be_invalid_together():
    """The join runs the model's own validators, and names both branches."""
    with pytest.raises(StateValidationError) as caught:
        await run(SplitStrict(setting(low=8), setting(high=6), setting(label="x")), Strict())

    assert caught.value.joined
    assert caught.value.writers == ("0.0:Doing", "0.1:Doing", "0.2:Doing")
    assert "low is above high" in str(caught.value)


@virtual
async def test_branches_that_disagree_are_a_conflict():
    """With the path and both branches."""
    with pytest.raises(MergeConflictError) as caught:
        await run(SplitStrict(setting(low=1), setting(low=2)), Strict())

    assert (caught.value.path, caught.value.branches) == ("low", ("0.0:Doing", "0.1:Doing"))


@pytest.mark.parametrize("value", [None, 5, {}, [], "text", Board(), Strict])
@virtual
async def test_a_state_keeps_its_type(value: Any):
    """Another model, or no model at all, is an error that names the step."""
    with pytest.raises(StateValidationError, match=r"(?s)0:Doing.*must stay a Strict"):
        await run(doing(lambda ctx: setattr(ctx, "state", value)), Strict())


@virtual
async def test_a_state_may_be_replaced_by_another_of_its_type():
    """`ctx.state = ...` is a write like any other."""
    result = await run(doing(lambda ctx: setattr(ctx, "state", Strict(label="new"))), Strict())

    assert result.state == Strict(label="new")
    assert dict(result.blame) == {"label": ("0:Doing",)}


@pytest.mark.parametrize("is_branch", [False, True])
@virtual
async def test_what_cannot_be_copied_is_named(is_branch: bool):
    """A lock in the state belongs into `deps`; said at the start, and when a node puts it there."""
    start = setting(extra=[threading.Lock()])

    with pytest.raises((NodeError, ParallelExecutionError), match=r"`state\.extra\[0\]`.*`deps`"):
        await run(SplitStrict(start) if is_branch else start, Strict())
    with pytest.raises(UncopyableStateError, match=r"`state\.extra` holds a lock"):
        await run(setting(), Strict(extra=threading.Lock()))


@virtual
async def test_a_write_outside_the_declared_ones_is_an_error():
    """Also inside a nested value; the error names field and step."""

    def act(ctx: Any) -> None:
        ctx.state.extra, ctx.state.label = 1, "y"

    assert (await run(doing(act, writes=("extra", "label")), Strict())).state.label == "y"
    with pytest.raises(UndeclaredWriteError, match="changed `label`, but declares") as caught:
        await run(doing(act, writes=("extra",)), Strict())
    assert (caught.value.path, caught.value.address) == ("label", "0")


@pytest.mark.parametrize("state", [None, {"count": 1}, Strict(), Board])
@virtual
async def test_a_run_wants_the_state_that_its_graph_declares(state: Any):
    """Anything else is said before a node runs."""

    class Typed(BaseNode[Board]):
        async def run(self, ctx: Ctx) -> End:
            return End()

    with pytest.raises(NotAModelError, match="has to be a"):
        await Graph(Typed).run(state=state)
