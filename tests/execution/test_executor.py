"""The executor's own calls: what they take, what they give, and merging by hand."""

from contextlib import aclosing
from itertools import chain
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Split, Watch, Work, board, workers

from lift_sys import (
    AllSuccess,
    BaseNode,
    BestEffort,
    End,
    FirstSuccess,
    Fork,
    Graph,
    Majority,
    MergeStrategy,
    NextNode,
    ParallelExecutor,
    Race,
    RetryPolicy,
    Timeouts,
)
from lift_sys.core.usage import Usage
from lift_sys.errors import (
    BranchRejectedError,
    EmptyGroupError,
    MergeConflictError,
    MergeError,
    NotAModelError,
    ParallelExecutionError,
    UsageError,
)
from lift_sys.testing import context_for, virtual


@virtual
async def test_an_empty_list_is_an_error():
    """Of nodes or of results: there is nothing to run, nothing to merge."""
    executor = ParallelExecutor[Board]()

    with pytest.raises(EmptyGroupError, match="`execute_parallel` got an empty list"):
        await executor.execute_parallel([], board())
    with pytest.raises(ValueError, match="`merge_states` got an empty list"):
        executor.merge_states([])


@pytest.mark.parametrize("thing", [Work, "Work", None, object(), 5])
@virtual
async def test_what_is_no_node_is_refused(thing: Any):
    """A class is no node: the error says how to make one of it. Nothing has run by then."""
    watch = Watch()
    hint = r"give Work\(\)" if thing is Work else "give an object with `run`"

    with pytest.raises(TypeError, match=hint):
        await ParallelExecutor[Board]().execute_parallel([Work(), thing], board(watch))

    assert watch.started == []


@pytest.mark.parametrize("state", [None, {"count": 1}, Board, "text"])
@virtual
async def test_a_state_is_a_model(state: Any):
    """Anything else is said at once."""
    with pytest.raises(NotAModelError, match="has to be a pydantic model, not"):
        await ParallelExecutor[Any]().execute_parallel([Work()], context_for(state))


@virtual
async def test_anything_with_a_run_is_a_node():
    """No base class is needed; async or not."""

    class Plain:
        def run(self, ctx: Ctx) -> End[int]:
            ctx.state.count += 1
            return End(ctx.state.count)

    class Quick:
        async def run(self, ctx: Ctx) -> End[str]:
            return End("quick")

    results = await ParallelExecutor[Board]().execute_parallel([Plain(), Quick()], board())

    assert [result.output for result in results] == [1, "quick"]


@virtual
async def test_successors_are_returned_and_not_run():
    """Only a graph walks: a node, a fork and an end come back as they are."""
    watch = Watch()
    after = Work("after")
    nodes = [Work("a", then=after), Split([after]), Work("b")]

    results = await ParallelExecutor[Board]().execute_parallel(nodes, board(watch))

    assert results[0].next_node is after
    assert isinstance(results[1].next_node, Fork)
    assert [result.is_end for result in results] == [False, False, True]
    assert "after" not in watch.started


@virtual
async def test_a_single_node_runs_on_a_copy():
    """Its result is what `execute_parallel` gives for one."""
    ctx = board(count=1)

    result = await ParallelExecutor[Board]().execute_single_with_isolation(Work("a"), ctx)

    assert (result.output, result.index, result.attempts) == ("a", 0, 1)
    assert ctx.state.trail == []


@virtual
async def test_results_stream_in_the_order_of_completion():
    """They know their place, so that a partial merge is in declared order all the same."""
    executor = ParallelExecutor[Board]()
    seen = []

    async with aclosing(executor.stream_parallel(workers(3, 1, 2), board())) as results:
        async for result in results:
            seen.append(result)
            if len(seen) == 2:
                merged = executor.merge_states(seen, MergeStrategy.ALL_SUCCESS)

    assert [result.index for result in seen] == [1, 2, 0]
    assert [result.rank for result in seen] == [0, 1, 2]
    assert merged.state.trail == ["1", "2"]
    assert executor.merge_states(seen, MergeStrategy.ALL_SUCCESS).state.trail == ["0", "1", "2"]


@virtual
async def test_the_same_instance_may_run_many_times():
    """Nodes are shared, contexts are not."""
    node = Work("x", 1)

    results = await ParallelExecutor[Board](2).execute_parallel([node] * 5, board())

    assert [result.context.state.trail for result in results] == [["x"]] * 5


# --- merging ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "taken"),
    [
        (FirstSuccess(), ["1"]),
        (Race(), ["3"]),
        (BestEffort(), ["1", "2", "3"]),
        (Majority(key="label"), ["2"]),
        (MergeStrategy.FIRST_SUCCESS, ["1"]),
    ],
)
@virtual
async def test_results_are_merged_by_a_strategy(strategy: Any, taken: list[str]):
    """The first in declared order, the first in time, all survivors, or the largest class."""
    executor = ParallelExecutor[Board]()
    nodes = [
        Work("0", 0, ValueError()),
        Work("1", 3),
        Work("2", 2, act=lambda ctx: setattr(ctx.state, "label", "x")),
        Work("3", 1, act=lambda ctx: setattr(ctx.state, "label", "x")),
    ]
    results = await executor.execute_parallel(nodes, board())

    assert executor.merge_states(results, strategy).state.trail == taken
    assert executor.merge_states(results[::-1], strategy).state.trail == taken


@virtual
async def test_a_refused_result_is_a_failure_of_the_merge():
    """`accept` counts in a merge, too; the results themselves stay as they are."""
    executor = ParallelExecutor[Board]()
    results = await executor.execute_parallel(workers(0, 0), board())

    with pytest.raises(ParallelExecutionError) as caught:
        executor.merge_states(results, AllSuccess(accept=lambda result: result.output == "0"))

    ((node, error),) = caught.value.failed_nodes
    assert node is results[1].node
    assert isinstance(error, BranchRejectedError)
    assert all(result.is_success for result in results)


@virtual
async def test_results_of_different_contexts_do_not_mix():
    """A three-way merge needs one base."""
    executor = ParallelExecutor[Board]()
    one = await executor.execute_parallel([Work("a")], board())
    two = await executor.execute_parallel([Work("b")], board())

    with pytest.raises(MergeError, match="do not start from the same context"):
        executor.merge_states(one + two)


@virtual
async def test_metadata_merges_like_the_state():
    """By key; unequal values conflict unless the key has a reducer."""

    def act(ctx: Ctx) -> None:
        ctx.metadata["tags"] = [ctx.address]
        ctx.metadata[ctx.address] = True

    plain = ParallelExecutor[Board]()
    reducing = ParallelExecutor[Board](
        metadata_reducers={"tags": lambda base, values: [*chain(*values)]}
    )
    nodes = [Work("a", act=act), Work("b", act=act)]

    results = await plain.execute_parallel(nodes, board())

    with pytest.raises(MergeConflictError, match=r"metadata\['tags'\]"):
        plain.merge_states(results, MergeStrategy.ALL_SUCCESS)
    merged = reducing.merge_states(results, MergeStrategy.ALL_SUCCESS)
    assert merged.metadata == {"tags": ["0", "1"], "0": True, "1": True}


@pytest.mark.parametrize("wrong", [{"max_steps": 0}, {"max_concurrent": 0}, {"isolation": "none"}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]):
    """When the executor is made."""
    with pytest.raises(ValueError, match=r"must be ≥1|is not a valid Isolation"):
        ParallelExecutor[Board](**wrong)


@virtual
async def test_calls_inside_a_step_have_addresses_of_their_own():
    """Two calls and the fork of one step: nothing is drawn, or accounted, twice."""
    executor = ParallelExecutor[Board](4)
    seen: list[tuple[str, float]] = []

    def look(ctx: Ctx) -> None:
        seen.append((ctx.address, ctx.random.random()))
        ctx.add_usage(Usage(calls=1))

    class Start(BaseNode[Board]):
        retry = RetryPolicy(first_delay=0)

        async def run(self, ctx: Ctx) -> NextNode[Board]:
            for _ in range(2):
                await executor.execute_parallel([Work("x", act=look), Work("y", act=look)], ctx)
            if ctx.attempt == 1:
                raise ConnectionError
            return Fork([Work("z", act=look)], then=Work("last", act=look))

    result = await Graph(Start(), executor=executor).run(state=Board(), deps=Watch(), seed=1)

    calls = ["0~0.0", "0~0.1", "0~1.0", "0~1.1"]
    assert [address for address, _ in seen] == [*calls, *calls, "0.0", "1"]
    assert len({drawn for _, drawn in seen}) == 6
    assert list(result.usage) == [*calls, "0.0", "1"]


@pytest.mark.parametrize("name", ["retry", "timeouts", "priority", "writes"])
@virtual
async def test_what_belongs_to_the_class_is_refused_on_an_instance(name: str):
    """It would be read off the first instance only; the error says where to write it."""
    value = {
        "retry": RetryPolicy(),
        "timeouts": Timeouts(attempt=1),
        "priority": 1,
        "writes": ("notes", "trail"),
    }[name]
    node = Work("x")
    setattr(node, name, value)
    declared = type("Declared", (Work,), {name: value})

    (result,) = await ParallelExecutor[Board]().execute_parallel([node], board())
    with pytest.raises(UsageError, match=f"Work sets `{name}` on an instance"):
        await Graph(node).run(state=Board(), deps=Watch())

    assert isinstance(result.error, UsageError)
    assert (await Graph(declared("x")).run(state=Board(), deps=Watch())).output == "x"


@pytest.mark.parametrize("kept", [0, 1, 2])
@virtual
async def test_provenance_that_was_made_anew_is_joined_without_loss(kept: int):
    """A branch may assign a list that keeps none, some or all of what was there."""

    def anew(ctx: Ctx) -> None:
        ctx.provenance = [*ctx.provenance[:kept], {"node": "new"}]

    ctx = context_for(Board(), deps=Watch(), provenance=[{"node": "a"}, {"node": "b"}])
    executor = ParallelExecutor[Board]()
    results = await executor.execute_parallel([Work("x", act=anew), Work("y", act=anew)], ctx)

    merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)

    assert [entry["node"] for entry in merged.provenance] == ["a", "b", "new", "new"]
