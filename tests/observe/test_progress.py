"""Progress: what the board knows, and what rich draws of it."""

import asyncio
import io

import pytest
from pydantic import BaseModel
from rich.console import Console

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RetryPolicy, RunContext
from lift_sys.core.events import (
    BranchFinished,
    CacheHit,
    GroupFinished,
    GroupStarted,
    NodeStarted,
    RetryScheduled,
    RunStarted,
    UsageReported,
)
from lift_sys.core.usage import Usage
from lift_sys.observe import Board, ProgressObserver
from lift_sys.observe.board import ENDED, BranchStatus
from lift_sys.observe.progress import draw
from lift_sys.testing import run_virtual


class State(BaseModel):
    n: int = 0


class Quick(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        await asyncio.sleep(1)
        ctx.report_progress(1, 2, "half")
        ctx.emit_tokens("some words")
        ctx.add_usage(Usage(calls=1, input_tokens=5, output_tokens=2))
        return End()


class Flaky(BaseNode[State]):
    retry = RetryPolicy(first_delay=3.0, jitter=0.0)

    async def run(self, ctx: RunContext[State]) -> End:
        if ctx.attempt == 1:
            raise ConnectionError("busy")
        return End()


class Broken(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        raise ValueError("broken for good")


class Inner(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Quick | Flaky, End]:
        return Fork([Quick(), Flaky()], then=End())


class Never(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        await asyncio.sleep(1000)
        return End()


class Outer(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Inner | Broken | Quick, End]:
        branches = [Inner(), Broken(), Quick()]
        return Fork(branches, then=End(), strategy=MergeStrategy.BEST_EFFORT)


class Contest(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Quick | Never, End]:
        return Fork([Never(), Quick()], then=End(), strategy=MergeStrategy.RACE)


def watched(start) -> Board:
    board = Board()
    run_virtual(Graph(start).run(state=State(), on_event=board.take))
    return board


def run_of(*events) -> Board:
    board = Board()
    for event in events:
        board.take(event)
    return board


def at(kind, address, time=0.0, **fields):
    return kind(execution_id="r", address=address, time=time, **fields)


GROUP = at(GroupStarted, "0", node="Outer", nodes=("A", "B", "C"), strategy="Race", time=1.0)


def drawn(board, *, now=2.0, height=24, width=100) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(draw(board, now=now, height=height))
    return console.file.getvalue()


def test_board_knows_how_every_branch_ended():
    """Statuses, tokens of nested branches, and nobody left running."""
    board = watched(Outer)

    (group,) = board.groups
    assert (group.node, group.done) == ("Outer", 3)
    statuses = [branch.status for branch in group.branches]
    assert statuses == [BranchStatus.SUCCEEDED, BranchStatus.FAILED, BranchStatus.SUCCEEDED]
    assert [branch.tokens for branch in group.branches] == [7, 0, 7]
    assert board.tokens == group.tokens == 14
    assert group.branches[0].group.node == "Inner"
    assert board.running == {}
    assert board.finished


def test_cancelled_branches_end_with_their_group():
    """A loser of a race has no event of its own."""
    board = watched(Contest)

    (group,) = board.groups
    assert group.branches[0].status is BranchStatus.CANCELLED
    assert all(branch.status in ENDED for branch in group.branches)
    assert board.running == {}


def test_a_step_belongs_to_all_branches_around_it():
    """Innermost first, also through a subgraph and later steps of a branch."""
    board = run_of(GROUP, at(GroupStarted, "0.1/2", nodes=("D",), strategy="Race"))

    assert [branch.address for branch in board.branches_of("0.1/2.0>3")] == ["0.1/2.0", "0.1"]
    assert board.branches_of("1") == []


def test_a_step_found_in_a_cache_is_done():
    """It has no start and no finish, so the hit alone counts."""
    board = run_of(at(CacheHit, "0", node="Ask", successor="End"))

    assert board.steps_done == 1
    assert not board.running


def test_drawing_has_a_bar_and_a_line_for_each_branch():
    """Who runs what since when, who waits for a retry, and tokens so far."""
    board = run_of(
        GROUP,
        at(NodeStarted, "0.0", node="A", attempt=1, time=1.0),
        at(NodeStarted, "0.1/1", node="Next", attempt=2, time=1.5),
        at(UsageReported, "0.1/1", usage=Usage(input_tokens=40, output_tokens=2)),
        at(RetryScheduled, "0.0", attempt=1, delay=4.0, error=OSError("x"), time=1.5),
    )

    lines = drawn(board, now=2.5).splitlines()

    assert "Outer Race" in lines[0]
    assert "0/3" in lines[0]
    assert "1.5 s" in lines[0]
    assert "A 0.0" in lines[1]
    assert "retry in 3 s" in lines[1]
    assert "Next (2)" in lines[2]
    assert "42 tokens" in lines[2]
    assert "waiting" in lines[3]


def test_nested_groups_stand_under_their_branch_until_they_end():
    """An ended group is its bar alone; an ended inner one is gone."""
    started = [GROUP, at(GroupStarted, "0.0", nodes=("D", "E"), strategy="Majority")]
    ended = {"strategy": "", "succeeded": 1, "failed": 0, "cancelled": 0, "elapsed": 1.0}

    during = drawn(run_of(*started))
    after = drawn(run_of(*started, at(GroupFinished, "0.0", sequential=1.0, **ended)))
    end = drawn(run_of(*started, at(GroupFinished, "0", sequential=1.0, **ended)))

    assert during.index("A 0.0") < during.index("Majority") < during.index("D 0.0.0")
    assert "Majority" not in after
    assert len(end.splitlines()) == 1
    assert "3/3" in end


@pytest.mark.parametrize("count", [1, 5, 6, 7, 5000])
def test_drawing_never_grows_over_its_height(count):
    """Of thousands of branches those at work are shown, and the rest is a number."""
    board = run_of(
        at(GroupStarted, "0", nodes=("B",) * count, strategy="Race"),
        at(NodeStarted, f"0.{count - 1}", node="B", attempt=1),
    )

    lines = drawn(board, height=6).splitlines()

    assert len(lines) <= 6
    assert f"B 0.{count - 1}" in "\n".join(lines)
    if count > 5:
        assert f"... and {count - 1} more" in lines[-1]


def test_a_chain_shows_its_step():
    """A run without a fork has no bar, but says what it is at."""
    board = run_of(at(NodeStarted, "0", node="Think", attempt=1))

    assert "Think (step 1)" in drawn(board)


def test_terminal_gets_bars_and_the_cursor_back(capsys):
    """Drawn on the given console only; after the run the terminal is as before."""
    console = Console(file=io.StringIO(), force_terminal=True, width=100)

    with ProgressObserver(console) as progress:
        run_virtual(Graph(Outer).run(state=State(), on_event=progress))

    text = console.file.getvalue()
    assert "Outer" in text
    assert "3/3" in text
    assert "broken for good" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert capsys.readouterr().out == ""


def test_elsewhere_it_is_the_sentences_of_the_log(capsys):
    """No control characters where nothing can be redrawn."""
    console = Console(file=io.StringIO(), width=200)

    run_virtual(Graph(Outer).run(state=State(), on_event=ProgressObserver(console)))

    text = console.file.getvalue()
    assert "starting parallel execution of 3 nodes: [Inner, Broken, Quick] at 0" in text
    assert "is tried again in 3 s" in text
    assert "\x1b" not in text
    assert capsys.readouterr().out == ""


def test_closing_twice_is_no_error():
    """The observer, the `with` and an interrupt may all close it."""
    progress = ProgressObserver(Console(file=io.StringIO(), force_terminal=True))
    progress(at(RunStarted, "", graph="g", seed=1))

    progress.close()
    progress.close()

    assert progress.board.graph == "g"


def test_events_of_unknown_groups_are_no_error():
    """A listener that was attached late must not fail on what it has missed."""
    board = run_of(
        at(BranchFinished, "7.0", index=0, status="succeeded", elapsed=1.0, done=1, total=2),
        at(RetryScheduled, "7.1", attempt=1, delay=1.0, error=OSError("x")),
    )

    assert board.groups == []
