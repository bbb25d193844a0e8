"""Walking a graph: addresses, successors, stops, limits, and who is blamed for what."""

from typing import Any

import pytest
from execution.nodes import Board, Ctx, Outputs, Split, Watch, Work, no_other_tasks, run_fork

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    ParallelExecutor,
    Stop,
    node,
)
from lift_sys.core.events import Event, NodeFinished
from lift_sys.errors import (
    NodeError,
    StepLimitError,
    UndeclaredSuccessorError,
)
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
        Work(
            "0", then=Split([Work("1.0"), Work("1.1", then=inner)], then=Work("2", then=Outputs()))
        )
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
    assert (one.address, one.node, one.output, one.error, one.elapsed) == (
        "0.0",
        "Work",
        "a",
        None,
        2,
    )
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
async def test_what_a_stop_cut_off_is_counted():
    """Branches, and the seconds that all of them worked."""
    failing = Work("failing", 0.5, ValueError())
    nodes = [Work("stopping", 1, Stop()), Work("sibling", 60), failing]
    start = Work("start", 2, then=Split(nodes, strategy=MergeStrategy.BEST_EFFORT))

    statistics = (await run(start)).statistics

    assert (statistics["forks"], statistics["branches"]) == (1, 3)
    assert (statistics["failed_branches"], statistics["cancelled_branches"]) == (1, 1)
    assert statistics["sequential_seconds"] == 2 + 1 + 1 + 0.5


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
        return self.returned


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (Outputs(), "Outputs"),
        (End(), "End"),
        (Stop(), "Stop"),
        (None, "None"),
        (Work, "Work (the class: write `Work(...)`)"),
        ("Work", "'Work'"),
        (Fork([Outputs()], then=Outputs()), "Fork"),
        (Fork([Work()], then=End()), "Fork"),
        (
            Fork([Work], then=Outputs()),
            "Fork([Work (the class: write `Work(...)`)], then=Outputs())",
        ),
        (Fork([Work()], then=Outputs), "Fork([Work()], then=Outputs (the class"),
        (Fork([Work(), None], then=Outputs()), "Fork([Work(), None], then=Outputs())"),
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
