"""The log of `lift_sys.execution`: its sentences, when it is on, and what it costs when it is not."""

import logging
from typing import Annotated

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, Majority, MergeStrategy, RetryPolicy, RunContext
from lift_sys.core.events import BranchFinished, GroupFinished, GroupStarted, Progress
from lift_sys.execution.log import LOGGER_NAME, describe, log_observer, seconds
from lift_sys.reducers import Append
from lift_sys.testing import run_virtual


class State(BaseModel):
    words: Annotated[list[str], Append()] = []
    vote: str = ""


class Good(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        ctx.state.words.append("good")
        return End()


class Bad(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        raise ConnectionError("line is dead")


class SecondTry(BaseNode[State]):
    retry = RetryPolicy(first_delay=2.0, jitter=0.0)

    async def run(self, ctx: RunContext[State]) -> End:
        if ctx.attempt == 1:
            raise ConnectionError("line is busy")
        return End()


class Says(BaseNode[State]):
    def __init__(self, word: str) -> None:
        self.word = word

    async def run(self, ctx: RunContext[State]) -> End:
        ctx.state.vote = self.word
        return End()


class Last(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        return End()


class Group(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Good | Bad | SecondTry, Last]:
        branches = [Good(), Bad(), SecondTry()]
        return Fork(branches, then=Last(), strategy=MergeStrategy.BEST_EFFORT)


class Split(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> Fork[Says, Last]:
        votes = [Says("a"), Says("b"), Says("c")]
        return Fork(votes, then=Last(), strategy=Majority(key="vote"))


def logged(caplog, graph, level):
    with caplog.at_level(level, logger=LOGGER_NAME):
        run_virtual(graph.run(state=State()))
    return [record.getMessage() for record in caplog.records if record.name == LOGGER_NAME]


def test_a_group_is_told_from_start_to_end(caplog):
    """Names at the start, each branch with its place, counts and speed-up at the end."""
    lines = logged(caplog, Graph(Group), logging.INFO)

    assert lines[0] == "starting parallel execution of 3 nodes: [Good, Bad, SecondTry] at 0"
    assert any(line.startswith("node Good completed (1/3) in ") for line in lines)
    assert any(line.startswith("node Bad failed (2/3) in ") for line in lines)
    assert any(line.startswith("node SecondTry completed (3/3) in 2 s") for line in lines)
    assert "parallel execution completed in 2 s: 2/3 succeeded, 1 failed at 0" in lines
    assert any("estimated speed-up 1.0x (sequential 2 s, parallel 2 s)" in line for line in lines)
    assert not any("isolated" in line for line in lines)


def test_debug_tells_of_contexts(caplog):
    """How many copies were made, and how many of them are merged."""
    lines = logged(caplog, Graph(Group), logging.DEBUG)

    assert "created 3 isolated contexts at 0" in lines
    assert "merging 2 isolated contexts by BestEffort at 0" in lines


def test_failures_are_told_and_retries_are_warnings(caplog):
    """Each failed attempt, with its error, and the wait before the next."""
    lines = logged(caplog, Graph(Group), logging.INFO)

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any("for good: ConnectionError: line is dead" in text for text in lines)
    assert any("may be tried again: ConnectionError: line is busy" in text for text in lines)
    assert [text for text in warnings if "is tried again in 2 s" in text] == warnings
    assert "ConnectionError: line is busy" in warnings[0]


@pytest.mark.parametrize("listener", [None, [].append], ids=["nobody", "a listener"])
@pytest.mark.parametrize(("graph", "text"), [("Group", "is tried again"), ("Split", "weak")])
def test_warnings_are_logged_by_default(caplog, graph, text, listener):
    """With logs as Python sets them up: a retry and a weak vote are seen once, and no more."""
    run_virtual(Graph(globals()[graph]).run(state=State(), on_event=listener))

    (record,) = [record for record in caplog.records if record.name == LOGGER_NAME]
    assert text in record.getMessage()
    assert record.levelname == "WARNING"


def test_weak_plurality_is_a_warning(caplog):
    """One of three votes won: that is said, with what to do."""
    logged(caplog, Graph(Split), logging.INFO)

    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    (warning,) = warnings
    assert warning.startswith("weak plurality at 0: the winner has 1 of 3 votes (33%)")
    assert 'Majority(quorum="majority")' in warning


def test_records_carry_run_and_address(caplog):
    """Structured logs need no parsing."""
    logged(caplog, Graph(Group), logging.INFO)

    records = [record for record in caplog.records if record.name == LOGGER_NAME]
    assert {record.address for record in records} >= {"0", "0.0", "0.1", "0.2"}
    assert len({record.execution_id for record in records}) == 1


@pytest.mark.parametrize(
    ("level", "is_on"), [(logging.WARNING, False), (logging.INFO, True), (logging.DEBUG, True)]
)
def test_off_unless_somebody_reads(level, is_on):
    """Below INFO there is no observer, so a run builds no events for the log."""
    logger = logging.getLogger("tests.observe.log")
    logger.setLevel(level)

    assert (log_observer(logger) is not None) == is_on


def test_names_of_a_large_fan_out_are_cut():
    """A fan-out over thousands is one line that can be read."""
    event = GroupStarted(execution_id="r", address="0", nodes=("Read",) * 5000, strategy="Race")

    (_, text), _ = describe(event)

    assert text.startswith("starting parallel execution of 5000 nodes: [Read, Read")
    assert "(4980 more)" in text
    assert len(text) < 300


def test_an_empty_group_has_no_speed_up():
    """Nothing ran, so there is nothing to divide."""
    event = GroupFinished(
        execution_id="r", strategy="", succeeded=0, failed=0, cancelled=0, elapsed=0, sequential=0
    )

    assert not any("speed-up" in text for _, text in describe(event))


def test_news_is_not_logged():
    """Progress of one node would drown the log."""
    assert list(describe(Progress(execution_id="r", done=1))) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.00005, "0.05 ms"), (0.25, "0.25 s"), (12.345, "12.3 s"), (1234.5, "1234 s")],
)
def test_durations_have_no_exponent(value, text):
    """People read them."""
    assert seconds(value) == text


def test_cancelled_is_not_failed():
    """A branch that was stopped is called so."""
    event = BranchFinished(
        execution_id="r", node="Slow", index=0, status="cancelled", elapsed=1, done=1, total=2
    )

    ((level, text),) = describe(event)

    assert (level, text) == (logging.INFO, "node Slow cancelled (1/2) in 1 s")
