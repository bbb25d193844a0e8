"""Walking a graph: addresses, successors, stops, limits, and who is blamed for what."""

import threading
from typing import Annotated, Any

import pytest
from execution.nodes import Board, Ctx, Outputs, Split, Watch, Work, no_other_tasks, run_fork
from pydantic import BaseModel, Field, model_validator

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    NextNode,
    ParallelExecutor,
    RunContext,
    Stop,
    node,
)
from lift_sys.core.events import Event, NodeFinished
from lift_sys.errors import (
    MergeConflictError,
    NodeError,
    NotAModelError,
    ParallelExecutionError,
    StateValidationError,
    StepLimitError,
    UncopyableStateError,
    UndeclaredSuccessorError,
    UndeclaredWriteError,
)
from lift_sys.reducers import Sum
from lift_sys.testing import virtual


async def run(start: Any, state: Any = None, **options: Any) -> Any:
    watch = options.pop("watch", None) or Watch()
    graph = Graph(start, executor=ParallelExecutor[Board](4, **options))
    return await graph.run(state=Board() if state is None else state, deps=watch)


@virtual
async def test_addresses_are_a_function_of_the_path():
    """Steps count from 0, `.b` enters a branch, `/k` is its step k, the first is left out."""
    inner = Split([Work("1/1.0"), Work("1/1.1", then=Work("1/1.1/1"))], then=Work("1/2"))
    events: list[Event] = []
    graph = Graph(
        Work("0", then=Split([Work("1.0"), Work("1.1", then=inner)], then=Work("2", then=Outputs())))
    )

    result = await graph.run(state=Board(), deps=Watch(), on_event=events.append)

    assert result.state.notes == {
        "0": "0",
        "1.0": "1.0",
        "1.1": "1.1",
        "1/1.0": "1.1/1.0",
        "1/1.1": "1.1/1.1",
        "1/1.1/1": "1.1/1.1/1",
        "1/2": "1.1/2",
        "2": "2",
    }
    finished = [event.address for event in events if isinstance(event, NodeFinished)]
    assert len(finished) == len(set(finished)) == 11
    assert {"1", "1.1/1", "3"} < {*finished}


@virtual
async def test_branches_are_told_to_the_node_after_the_join_only():
    """In declared order: address, name, output, error, seconds; empty for everybody else."""
    seen: dict[str, Any] = {}

    def look(ctx: Ctx) -> None:
        seen[ctx.address] = ctx.branches

    nodes = [Work("a", 2, act=look), Work("b", 1, ValueError("x"))]
    after = Work("after", then=Work("later", act=look), act=look)
    await run(Split(nodes, then=after, strategy=MergeStrategy.BEST_EFFORT))

    one, two = seen["1"]
    assert (one.address, one.node, one.output, one.error, one.elapsed) == ("0.0", "Work", "a", None, 2)
    assert (two.address, two.output, two.elapsed) == ("0.1", None, 1)
    assert isinstance(two.error, NodeError)
    assert seen["0.0"] == seen["2"] == ()


# --- stop ---------------------------------------------------------------------------------------


@virtual
async def test_stop_ends_the_run_from_inside_nested_forks():
    """All siblings are cancelled and awaited; the output and the state are the stopping branch's."""
    watch = Watch()
    stopping = Work("stopping", 1, then=Stop("enough"))
    inner = Split([Work("cousin", 60, cleanup=0.5), stopping])
    start = Work("start", then=Split([inner, Work("sibling", 60)], then=Work("never")))

    result = await run(start, watch=watch)

    assert result.output == "enough"
    assert result.elapsed == 1.5
    assert result.state.trail == ["start", "stopping"]
    assert {watch.how("cousin"), watch.how("sibling")} == {"cancelled"}
    assert "never" not in watch.started
    assert result.blame["notes['start']"] == ("0:Work",)
    assert result.blame["notes['stopping']"] == ("1.0.1:Work",)
    assert no_other_tasks()


@virtual
async def test_stop_may_follow_a_join():
    """`then=Stop(...)` ends the run with the joined state."""
    result = await run(Split([Split([Work("a")], then=Stop("done")), Work("b", 60)]))

    assert result.output == "done"
    assert result.state.trail == ["a"]


# --- successors ---------------------------------------------------------------------------------


class Narrow(BaseNode[Board]):
    def __init__(self, returned: Any) -> None:
        self.returned = returned

    async def run(self, ctx: Ctx) -> Work | Fork[Work, Outputs]:
        return self.returned  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (Outputs(), "Outputs"),
        (End(), "End"),
        (Stop(), "Stop"),
        (None, "None"),
        (Work, "<class"),
        ("Work", "'Work'"),
        (Fork([Outputs()], then=Outputs()), "Fork"),
        (Fork([Work()], then=End()), "Fork"),
        (Fork([Work], then=Outputs()), "Fork"),
        (Fork([Work()], then=Outputs), "Fork"),
    ],
)
@virtual
async def test_a_successor_outside_the_annotation_is_an_error(returned: Any, shown: str):
    """The error names the step, what it returned and what it may return."""
    with pytest.raises(UndeclaredSuccessorError) as caught:
        await run(Narrow(returned))

    assert caught.value.address == "0"
    assert f"Step 0 (Narrow) returned {shown}" in str(caught.value)
    assert "allows Work | Fork[Work, Outputs]" in str(caught.value)
    if returned is None:
        assert "end without a `return`?" in str(caught.value)


@virtual
async def test_an_undeclared_successor_in_a_branch_is_that_branchs_failure():
    """Its siblings are merged all the same, where the strategy allows."""
    result = await run_fork([Narrow(None), Work("a")], strategy=MergeStrategy.BEST_EFFORT)

    assert result.output == ["UndeclaredSuccessorError", "a"]


@virtual
async def test_an_endless_cycle_is_stopped():
    """A clear error after so many steps, not a hang; branches count, too."""

    class Around(BaseNode[Board]):
        async def run(self, ctx: Ctx) -> "Around | Fork[Around, End]":
            ctx.state.count += 1
            if ctx.state.count == 5:
                return Fork([self, self], then=End())
            return self

    with pytest.raises(StepLimitError, match="had taken 50 steps") as caught:
        await run(Around(), max_steps=50)

    assert caught.value.max_steps == 50
    assert caught.value.address.startswith("4.")
    assert no_other_tasks()


# --- what a node may leave ----------------------------------------------------------------------


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


# --- blame --------------------------------------------------------------------------------------


@virtual
async def test_blame_names_the_last_writer_of_each_path():
    """Later steps replace earlier ones; a join takes over what its branches wrote."""
    start = Work("a", label="x", then=Split([Work("b"), Work("c", label="y")], then=Work("d")))

    result = await run(start)

    assert dict(result.blame) == {
        "label": ("1.1:Work",),
        "notes['a']": ("0:Work",),
        "notes['b']": ("1.0:Work",),
        "notes['c']": ("1.1:Work",),
        "notes['d']": ("2:Work",),
        "trail": ("2:Work",),
    }


@virtual
async def test_blame_names_all_whose_writes_were_combined():
    """Both branches of a reducer, and of an equal value; not one that changed its mind."""

    def undo(ctx: Ctx) -> None:
        ctx.state.label = ""

    nodes = [Work("a"), Work("b", label="z", then=Work("c", act=undo)), Work("d", label="y")]
    result = await run(Split(nodes))

    assert result.state.label == "y"
    assert result.blame["label"] == ("0.2:Work",)
    assert result.blame["trail"] == ("0.0:Work", "0.1/1:Work", "0.2:Work")


@node
def shout(ctx: Ctx) -> End[str]:
    ctx.state.label = "plain"
    return End(ctx.state.label)


@virtual
async def test_plain_functions_are_nodes():
    """`@node` on a `def`: it runs in a thread, and is blamed by its name."""
    result = await run_fork([shout, Work("a")])

    assert result.output == ["plain", "a"]
    assert result.blame["label"] == ("0.0:shout",)
