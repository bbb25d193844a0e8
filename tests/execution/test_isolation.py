"""Each branch on its own: what copies keep apart, what strict mode reports, what lazy mode spares."""

from typing import Any

import pytest
from execution.nodes import Board, Ctx, Split, Watch, Work, board, no_other_tasks, run_fork
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    BestEffort,
    End,
    Fork,
    Graph,
    Isolation,
    MergeStrategy,
    NextNode,
    ParallelExecutor,
    RunContext,
    Subgraph,
)
from lift_sys.errors import ParallelExecutionError, SharedWriteError, UncopyableStateError
from lift_sys.testing import context_for, virtual


def executor(isolation: Isolation) -> ParallelExecutor[Board]:
    return ParallelExecutor(4, isolation=isolation)


@pytest.mark.parametrize("isolation", list(Isolation))
@virtual
async def test_branches_do_not_see_each_other(isolation: Isolation):
    """Nor does the caller see them, however deep they write, before they are joined."""
    ctx = board(notes={"deep": {"list": [0]}})
    seen: list[list[int]] = []

    def act(ctx: Ctx) -> None:
        seen.append([*ctx.state.notes["deep"]["list"]])
        ctx.state.notes["deep"]["list"].append(1)

    nodes = [Work(str(index), index, act=act, notes=False) for index in range(3)]
    results = await executor(isolation).execute_parallel(nodes, ctx)

    assert seen == [[0]] * 3
    assert ctx.state.notes == {"deep": {"list": [0]}}
    for result in results:
        assert result.context.state.notes == {"deep": {"list": [0, 1]}}
        assert type(result.context.state) is Board


@pytest.mark.parametrize("isolation", list(Isolation))
@virtual
async def test_a_result_is_its_own(isolation: Isolation):
    """Changing a result's or a merged context changes no other, whether the node succeeded or not."""
    ctx = board(notes={"a": [0]})
    nodes = [Work("0"), Work("1"), Work("2", then=ValueError())]
    tool = executor(isolation)
    results = await tool.execute_parallel(nodes, ctx)
    merged = tool.merge_states(results, BestEffort())

    merged.state.notes["a"].append(1)
    for result in results:
        result.context.state.notes["a"].append(2)

    assert [result.context.state.notes["a"] for result in results] == [[0, 2]] * 3
    assert tool.merge_states(results, BestEffort()).state.notes["a"] == [0]
    assert ctx.state.notes == {"a": [0]}


@virtual
async def test_what_cannot_be_copied_is_said_before_anything_runs():
    """State and metadata alike, with the path, and where it belongs."""
    watch = Watch()
    tool = ParallelExecutor[Board]()
    inside = board(watch, notes={"client": [open]})
    inside.state.notes["client"].append(iter([]) and (x for x in ()))
    beside = board(watch)
    beside.metadata["stream"] = (x for x in ())

    with pytest.raises(UncopyableStateError, match=r"`state\.notes\['client'\]\[1\]`.*`deps`"):
        await tool.execute_parallel([Work()], inside)
    with pytest.raises(UncopyableStateError, match=r"`metadata\['stream'\]` holds a generator"):
        await tool.execute_parallel([Work()], beside)
    assert watch.started == []


class Touchy:
    """Can be copied only as often as its class allows."""

    left = 0

    def __deepcopy__(self, memo: Any) -> "Touchy":
        if not Touchy.left:
            raise RuntimeError("no more copies")
        Touchy.left -= 1
        return Touchy()


class Holding(BaseModel):
    value: Any = None


@virtual
async def test_a_copy_that_fails_half_way_loses_no_slot():
    """The run fails with the copy's error, and the executor goes on to work."""

    class Start(BaseNode[Holding]):
        async def run(self, ctx: RunContext[Holding]) -> NextNode[Holding]:
            nodes = [Work(str(index), 1, notes=False) for index in range(3)]
            return Fork(nodes, then=End("joined"))

    tool = ParallelExecutor[Any](2)
    outcomes = set()

    for copies in range(20):
        Touchy.left = copies
        state = Holding(value=Touchy())
        try:
            result = await Graph(Start, executor=tool).run(state=state, deps=Watch())
        except Exception as error:
            outcomes.add(str(error).rpartition(": ")[2])
        else:
            outcomes.add(result.output)
        assert tool.slots().free == 2
        assert no_other_tasks()

    assert all("no more copies" in outcome for outcome in outcomes - {"joined"})
    assert len(outcomes) > 1


# --- strict -------------------------------------------------------------------------------------


class Remembering(BaseNode[Board]):
    """Keeps what belongs into the state on itself, which all branches and runs share."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.client = (x for x in ())  # can't be compared, and is left alone

    async def run(self, ctx: Ctx) -> End:
        self.seen.append(ctx.address)
        return End()


@virtual
async def test_strict_mode_reports_a_node_that_changed():
    """With its name, the attribute and who may have done it; other modes don't look."""
    await run_fork([Remembering(), Work("a")], executor=executor(Isolation.COPY))

    with pytest.raises(SharedWriteError) as caught:
        await run_fork([Remembering(), Work("a", 5)], executor=executor(Isolation.STRICT))

    assert caught.value.what == "Node Remembering"
    assert caught.value.paths == ("['seen']",)
    assert caught.value.suspects == ("0.0:Remembering",)
    with pytest.raises(SharedWriteError):
        await executor(Isolation.STRICT).execute_parallel([Remembering()], board())


@pytest.mark.parametrize("attribute", ["state", "metadata"])
@virtual
async def test_strict_mode_reports_a_write_through_a_kept_reference(attribute: str):
    """A step keeps its state, and a branch writes to it while others run."""
    kept: list[Any] = []

    def keep(ctx: Ctx) -> None:
        ctx.metadata["key"] = []
        kept.append(getattr(ctx, attribute))

    def write(ctx: Ctx) -> None:
        target = kept[0]
        if attribute == "state":
            target.notes["written"] = True
        else:
            target["key"].append("written")

    start = Work("keep", act=keep, then=Split([Work("a", 5), Work("b", 1, act=write)]))
    graph = Graph(start, executor=executor(Isolation.STRICT))

    with pytest.raises(SharedWriteError, match=r"written|key"):
        await graph.run(state=Board(), deps=Watch())


@virtual
async def test_strict_mode_is_content_with_nodes_that_behave():
    """Writes to one's own state are what it is for."""
    result = await run_fork([Work("a"), Work("b")], executor=executor(Isolation.STRICT))

    assert result.state.trail == ["a", "b"]


class Counting(BaseNode[Board]):
    """Changes itself, in an attribute that is in no `__dict__`."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    async def run(self, ctx: Ctx) -> End:
        self.count += 1
        return End()


@pytest.mark.parametrize("node", [Remembering, Counting])
@pytest.mark.parametrize("place", ["root", "second", "then", "subgraph"])
@virtual
async def test_strict_mode_watches_every_step(place: str, node: type[BaseNode[Board]]):
    """The run's own walk, later steps of branches, the node after a join, a graph inside."""
    copy = {"enter": lambda state: state, "leave": lambda state, result: None}
    start = {
        "root": node(),
        "second": Split([Work("a", then=node()), Work("b")]),
        "then": Split([Work("a")], then=node()),
        "subgraph": Split([Subgraph(Graph(node()), **copy)], strategy=MergeStrategy.BEST_EFFORT),
    }[place]

    with pytest.raises(SharedWriteError, match=f"Node {node.__name__}"):
        await Graph(start, executor=executor(Isolation.STRICT)).run(state=Board(), deps=Watch())
    await Graph(start).run(state=Board(), deps=Watch())


@virtual
async def test_a_shared_write_is_the_whole_runs_failure():
    """No strategy takes it for the failure of one branch."""
    inner = Split([Remembering()])

    with pytest.raises(SharedWriteError):
        await run_fork(
            [inner, Work("a")],
            executor=executor(Isolation.STRICT),
            strategy=MergeStrategy.BEST_EFFORT,
        )


# --- lazy ---------------------------------------------------------------------------------------


@virtual
async def test_a_lazy_state_is_the_models_own_type_in_the_end():
    """In the run's result, in the results of a call, and after a merge."""
    tool = executor(Isolation.LAZY)
    types: set[type] = set()

    result = await run_fork([Work("a", act=lambda ctx: types.add(type(ctx.state)))], executor=tool)
    results = await tool.execute_parallel(
        [Work("a"), Work("b")], context_for(Board(), deps=Watch())
    )

    assert type(result.state) is type(result.context.state) is Board
    assert {type(each.context.state) for each in results} == {Board}
    assert type(tool.merge_states(results, MergeStrategy.ALL_SUCCESS).state) is Board
    assert all(issubclass(each, Board) for each in types)


@virtual
async def test_lazy_branches_are_validated_as_others():
    """A wrong value that a branch wrote into a field is found at its end."""

    def spoil(ctx: Ctx) -> None:
        ctx.state.count = "three"

    with pytest.raises(ParallelExecutionError, match="`count`: Input should be a valid integer"):
        await run_fork([Work("a", act=spoil)], executor=executor(Isolation.LAZY))
