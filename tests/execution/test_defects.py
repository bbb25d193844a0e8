"""What the first design got wrong: a regression test for each defect of the engine."""

import asyncio
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Watch, Work, board, run_fork

from lift_sys import End, Majority, MergeStrategy, ParallelExecutor
from lift_sys.errors import ParallelExecutionError
from lift_sys.testing import run_virtual, virtual


@virtual
async def test_a_merge_drops_no_branch():
    """Each of three branches wrote its own key, and its own line: all are there."""
    executor = ParallelExecutor[Board]()

    results = await executor.execute_parallel([Work("a"), Work("b"), Work("c")], board())
    merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)

    assert merged.state.notes == {"a": "0", "b": "1", "c": "2"}
    assert merged.state.trail == ["a", "b", "c"]


@virtual
async def test_provenance_is_not_repeated():
    """The base's entries are there once, then each branch's own, in declared order."""
    executor = ParallelExecutor[Board]()
    ctx = board()
    ctx.add_provenance("Before", "s")

    def note(ctx: Ctx) -> None:
        ctx.add_provenance("Work", "s")

    nodes = [Work("slow", 2, act=note), Work("none", 1), Work("quick", act=note)]
    merged = executor.merge_states(
        await executor.execute_parallel(nodes, ctx), MergeStrategy.ALL_SUCCESS
    )

    told = [(entry["node"], entry.get("address")) for entry in merged.provenance]
    assert told == [("Before", None), ("Work", "0"), ("Work", "2")]
    assert len(ctx.provenance) == 1


@virtual
async def test_nested_metadata_is_not_shared():
    """A list deep inside the metadata is each branch's own, and merges by key."""
    executor = ParallelExecutor[Board]()
    ctx = board()
    ctx.metadata["models"] = {"tried": ["a"]}
    seen: list[list[str]] = []

    def note(ctx: Ctx) -> None:
        seen.append(list(ctx.metadata["models"]["tried"]))
        ctx.metadata["models"]["tried"].append("b")
        ctx.metadata["models"][ctx.address] = True

    results = await executor.execute_parallel([Work("0", act=note), Work("1", act=note)], ctx)
    merged = executor.merge_states(results, MergeStrategy.ALL_SUCCESS)

    assert seen == [["a"], ["a"]]
    assert ctx.metadata == {"models": {"tried": ["a"]}}
    assert merged.metadata == {"models": {"tried": ["a", "b"], "0": True, "1": True}}


def test_first_success_does_not_wait_for_everybody():
    """Index 0 is done after 1 s; nobody waits a minute for index 1."""
    result, elapsed = run_virtual(
        run_fork([Work("0", 1), Work("1", 60)], strategy=MergeStrategy.FIRST_SUCCESS)
    )

    assert elapsed == 1
    assert result.output == ["0", "CancelledError"]


VOTE = """
from execution.nodes import Board, Work, run_fork
from lift_sys import Majority
from lift_sys.testing import run_virtual

def tag(*words):
    def act(ctx):
        ctx.state.notes = {"set": set(words), "map": {word: {word} for word in words}}
    return act

nodes = [
    Work("0", act=tag("x"), notes=False),
    Work("1", act=tag("pear", "fig", "nut"), notes=False),
    Work("2", act=tag("nut", "pear", "fig"), notes=False),
]
for key in (None, "notes", lambda state: frozenset(state.notes["set"])):
    result, _ = run_virtual(run_fork(nodes, strategy=Majority(key=key)))
    print(result.votes["0"].classes, sorted(result.state.notes["set"]))
"""


def test_a_majority_does_not_depend_on_the_hash_seed():
    """Sets and dicts agree whatever their order in memory, in every process."""
    here = str(Path(__file__).parents[1])
    root = str(Path(__file__).parents[2])

    outputs = {
        subprocess.run(
            [sys.executable, "-c", VOTE],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{here}:{root}"},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "42")
    }

    assert outputs == {"((1, 2), (0,)) ['fig', 'nut', 'pear']\n" * 3}


@virtual
async def test_a_majority_tells_equal_looking_values_apart():
    """1, 1.0 and True are three opinions, and a salted hash is none."""

    def say(value: Any) -> Work:
        return Work("x", notes=False, act=lambda ctx: ctx.state.notes.update(answer=value))

    result = await run_fork([say(1), say(True), say(1.0), say(True)], strategy=Majority())

    assert result.votes["0"].classes == ((1, 3), (0,), (2,))
    assert result.state.notes["answer"] is True


def test_the_limit_does_not_belong_to_the_first_loop():
    """The same executor in two `asyncio.run`, each with more nodes than slots."""
    executor = ParallelExecutor[Board](1)

    for _ in range(2):
        results = asyncio.run(executor.execute_parallel([Work("a"), Work("b")], board()))
        assert [result.output for result in results] == ["a", "b"]


@virtual
async def test_an_error_of_a_group_can_be_pickled():
    """With its failures, its results, and an error in it that refuses to be pickled."""

    class Local(Exception):
        """Can't be found by name, so pickle refuses it."""

    nodes = [Work("fine"), Work("bad", then=Local("it broke")), Work("late", 60)]
    try:
        await run_fork(nodes)
    except ParallelExecutionError as error:
        original = error

    copy = pickle.loads(pickle.dumps(original))

    assert str(copy) == str(original)
    assert "it broke" in str(copy)
    ((_, error),) = copy.failed_nodes
    assert "Local: it broke" in str(error)
    assert [result.is_success for result in copy.partial_results] == [True, False, False]
    assert copy.partial_results[0].context.state.trail == ["fine"]
    assert copy.partial_results[0].context.deps is None


@virtual
async def test_errors_hash():
    """They can be kept in a set, and counted."""
    error = ParallelExecutionError(message="x", failed_nodes=[(Work(), ValueError())])

    assert len({error, error}) == 1


def test_a_watch_is_no_service_of_a_pickled_result():
    """Results are reports in another process: they merge no more, and say so."""
    from lift_sys.errors import MergeError

    executor = ParallelExecutor[Board]()
    results, _ = run_virtual(executor.execute_parallel([Work("a"), Work("b")], board(Watch())))

    copies = pickle.loads(pickle.dumps(results))

    assert [copy.next_node for copy in copies] == [End("a"), End("b")]
    with pytest.raises(MergeError, match="do not start from the same context"):
        executor.merge_states(copies)
