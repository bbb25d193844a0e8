"""Waiting for people: the run ends, needs no process, and goes on with the answer."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext, Stop, Suspend
from lift_sys.core.events import BranchFinished
from lift_sys.durability import MemoryStore
from lift_sys.errors import (
    AnswerError,
    GraphError,
    NodeError,
    ParallelExecutionError,
    StepTimeoutError,
    UsageError,
)
from lift_sys.testing import virtual


class Order(BaseModel):
    amount: int = 100
    log: dict[str, str] = {}


class Approval(BaseModel):
    granted: bool
    by: str = "nobody"


class Ask(BaseNode[Order]):
    def __init__(self, key: str = "approval", until: datetime | None = None) -> None:
        self.key, self.until = key, until

    async def run(self, ctx: RunContext[Order]) -> "Suspend[Decide]":
        ctx.deps.append(f"ask {self.key}")
        ctx.state.log[self.key] = "asked"
        return Suspend(
            f"pay {ctx.state.amount}?",
            key=self.key,
            schema=Approval,
            then=Decide(self.key),
            until=self.until,
        )


class Decide(BaseNode[Order]):
    def __init__(self, key: str) -> None:
        self.key = key

    async def run(self, ctx: RunContext[Order]) -> End[str]:
        ctx.deps.append(f"decide {self.key}")
        answer = ctx.answer
        said = "late" if answer is None else f"{type(answer).__name__} {answer.granted} {answer.by}"
        ctx.state.log[self.key] = said
        return End(said)


async def start(graph, **options):
    store, ran = MemoryStore(), []
    result = await graph.run(state=Order(), store=store, execution_id="run", deps=ran, **options)
    return store, ran, result


async def test_a_run_waits_and_goes_on_with_the_answer():
    graph = Graph(Ask)
    store, ran, waiting = await start(graph)

    assert waiting.suspended
    (question,) = waiting.questions
    assert (question.key, question.reason, question.address) == ("approval", "pay 100?", "0")
    assert question.schema is Approval
    assert waiting.state.log == {"approval": "asked"}

    still = await graph.resume("run", store=store, deps=ran)
    assert still.suspended

    result = await graph.resume(
        "run", store=store, deps=ran, answers={"approval": {"granted": True, "by": "eve"}}
    )

    assert ran == ["ask approval", "decide approval"]
    assert result.output == "Approval True eve"
    assert not result.suspended


class Both(BaseNode[Order]):
    def __init__(self, strategy: MergeStrategy = MergeStrategy.ALL_SUCCESS) -> None:
        self.strategy = strategy

    async def run(self, ctx: RunContext[Order]) -> "Fork[Ask | Busy, End]":
        ctx.deps.append("both")
        return Fork([Ask("a"), Busy(), Ask("b")], then=End("joined"), strategy=self.strategy)


class Busy(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End:
        ctx.deps.append("busy")
        ctx.state.log["busy"] = "done"
        return End()


async def test_siblings_finish_and_each_question_gets_its_own_answer():
    graph = Graph(Both)
    store, ran, waiting = await start(graph)

    assert [question.key for question in waiting.questions] == ["a", "b"]
    assert sorted(ran) == ["ask a", "ask b", "both", "busy"]

    half = await graph.resume("run", store=store, deps=ran, answers={"b": {"granted": False}})
    assert [question.key for question in half.questions] == ["a"]

    result = await graph.resume("run", store=store, deps=ran, answers={"a": {"granted": True}})

    assert result.output == "joined"
    assert result.state.log == {
        "a": "Approval True nobody",
        "b": "Approval False nobody",
        "busy": "done",
    }
    assert sorted(ran) == ["ask a", "ask b", "both", "busy", "decide a", "decide b"]


async def test_a_strategy_that_is_decided_withdraws_the_question():
    graph = Graph(Both(MergeStrategy.RACE))
    store, ran, result = await start(graph)

    assert not result.suspended
    assert result.state.log == {"busy": "done"}
    again = await graph.resume("run", store=store, deps=ran)
    assert again.state == result.state


async def test_wrong_answers_are_refused_and_nothing_is_lost():
    graph = Graph(Ask)
    store, ran, _ = await start(graph)

    with pytest.raises(AnswerError, match="granted"):
        await graph.resume("run", store=store, deps=ran, answers={"approval": {"granted": "what"}})
    with pytest.raises(AnswerError, match="the run waits for 'approval'"):
        await graph.resume("run", store=store, deps=ran, answers={"aproval": True})
    result = await graph.resume(
        "run", store=store, deps=ran, answers={"approval": Approval(granted=False)}
    )

    assert result.output == "Approval False nobody"


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (Approval, "{granted: boolean, by: string?}"),
        (int, "int"),
        (list[int], "list[int]"),
        (Literal["tea", "milk"], "Literal['tea', 'milk']"),
    ],
)
async def test_a_wrong_answer_is_told_what_is_wanted(schema, told):
    """Whoever gave it has not the question before his eyes."""

    class Asks(BaseNode[Order]):
        async def run(self, ctx: RunContext[Order]) -> "Suspend[Decide]":
            return Suspend("which?", key="it", schema=schema, then=Decide("it"))

    store, _, _ = await start(Graph(Asks))

    with pytest.raises(AnswerError) as wrong:
        await Graph(Asks).resume("run", store=store, answers={"it": "x"})

    assert f"'it': it is not what was asked for, {told}: " in str(wrong.value)


async def test_one_key_at_two_places_is_answered_by_address():
    class Twice(BaseNode[Order]):
        async def run(self, ctx: RunContext[Order]) -> "Fork[Ask, End]":
            return Fork([Ask("same"), Ask("same")], then=End(), strategy=MergeStrategy.BEST_EFFORT)

    graph = Graph(Twice)
    store, ran, _ = await start(graph)

    with pytest.raises(AnswerError, match=r"'0\.0', '0\.1'"):
        await graph.resume("run", store=store, deps=ran, answers={"same": {"granted": True}})


async def test_two_answers_to_one_question_are_refused():
    """One by its key and one by its step: which of them counts is not for us to choose."""
    store, ran, _ = await start(Graph(Ask))

    for other in (True, False):
        answers = {"approval": {"granted": True}, "0": {"granted": other}}
        with pytest.raises(AnswerError, match=r"'0': .*'approval' is to the same question"):
            await Graph(Ask).resume("run", store=store, deps=ran, answers=answers)

    assert ran == ["ask approval"]


class Guess(BaseNode[Order]):
    """Takes any number, and true or false as well."""

    async def run(self, ctx: RunContext[Order]) -> "Suspend[Note]":
        return Suspend("how many?", key="guess", schema=int | float | bool, then=Note())


class Note(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End[str]:
        return End(repr(ctx.answer))


@pytest.mark.parametrize(("given", "other"), [(1, True), (1.0, 1), (0.0, -0.0), (False, 0)])
async def test_what_python_calls_equal_is_another_answer(given, other):
    store, _, _ = await start(Graph(Guess))
    for _ in range(2):
        result = await Graph(Guess).resume("run", store=store, answers={"guess": given})

    assert result.output == repr(given)
    with pytest.raises(AnswerError, match="has another answer already"):
        await Graph(Guess).resume("run", store=store, answers={"guess": other})


async def test_an_answer_may_be_given_again_but_not_changed():
    """So a call that was cut off can be made again, also when the run has ended."""
    graph = Graph(Both)
    store, ran, _ = await start(graph)
    options = {"store": store, "deps": ran}
    await graph.resume("run", answers={"b": {"granted": True}}, **options)

    same = await graph.resume("run", answers={"b": Approval(granted=True)}, **options)
    assert [question.key for question in same.questions] == ["a"]
    for answers in ({"b": {"granted": False}}, {"0.2": {"granted": False}}):
        with pytest.raises(AnswerError, match=r"step 0\.2 \(Ask\) has another answer already"):
            await graph.resume("run", answers=answers, **options)
    both = {"a": {"granted": False}, "b": {"granted": True}}
    ended = await graph.resume("run", answers=both, **options)
    again = await graph.resume("run", answers=both, **options)
    with pytest.raises(AnswerError, match="has another answer already"):
        await graph.resume("run", answers={"a": {"granted": True}}, **options)

    assert ended.state == again.state
    assert sorted(ran) == ["ask a", "ask b", "both", "busy", "decide a", "decide b"]


class Halt(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> "Wait":
        return Wait()


class Wait(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> Stop[str]:
        return Stop("halted")


class Halts(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> "Fork[Ask | Halt, End]":
        return Fork([Ask("a"), Halt()], then=End())


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (Halts(), r"nobody waits for it any more: step 0\.1/1 has stopped the run"),
        (Both(MergeStrategy.RACE), r"nobody waits for it any more: step 0 was joined without it"),
    ],
)
async def test_an_answer_that_nobody_waits_for_is_refused(first, reason):
    """It is not taken as if it had counted."""
    graph = Graph(first)
    store, ran, result = await start(graph)
    assert not result.suspended

    for key in ("a", "0.0"):
        with pytest.raises(AnswerError, match=reason):
            await graph.resume("run", store=store, deps=ran, answers={key: {"granted": True}})

    record, facts = await store.load("run")
    assert record.takeovers == 0
    assert not [fact for fact in facts if fact.kind == "answer"]


async def test_an_answer_after_its_time_is_refused_when_the_run_went_on():
    clock = Moment(datetime(2026, 1, 1, tzinfo=UTC))
    graph = Graph(Ask(until=clock.value + timedelta(days=1)))
    store, ran, _ = await start(graph, clock=clock)
    clock.value += timedelta(days=2)
    await graph.resume("run", store=store, deps=ran, clock=clock)

    with pytest.raises(AnswerError, match="comes too late"):
        await graph.resume("run", store=store, deps=ran, answers={"approval": {"granted": True}})


class Moment:
    def __init__(self, now):
        self.value = now

    def now(self):
        return self.value


async def test_after_its_time_nobody_needs_to_answer():
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    clock = Moment(begin)
    graph = Graph(Ask(until=begin + timedelta(days=1)))
    store, ran, waiting = await start(graph, clock=clock)
    assert waiting.suspended

    clock.value += timedelta(days=2)
    with pytest.raises(AnswerError, match="too late"):
        await graph.resume(
            "run", store=store, deps=ran, clock=clock, answers={"approval": {"granted": True}}
        )
    result = await graph.resume("run", store=store, deps=ran, clock=clock)

    assert result.output == "late"


async def test_without_a_store_there_is_nothing_to_wait_in():
    with pytest.raises(UsageError, match=r"step 0 \(Ask\).*store"):
        await Graph(Ask).run(state=Order(), deps=[])


class Plain(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> "Suspend[Chosen]":
        return Suspend("which?", key="which", schema=Literal["left", "right"], then=Chosen())


class Chosen(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End[str]:
        return End(ctx.answer)


async def test_a_question_may_ask_for_any_type():
    graph = Graph(Plain)
    store, _ran, _ = await start(graph)

    with pytest.raises(AnswerError, match="left"):
        await graph.resume("run", store=store, answers={"which": "up"})
    assert (await graph.resume("run", store=store, answers={"which": "left"})).output == "left"


def test_what_follows_a_question_is_a_node():
    class Wrong(BaseNode[Order]):
        async def run(self, ctx: RunContext[Order]) -> Suspend[End[str]]:
            raise NotImplementedError

    with pytest.raises(GraphError, match="after a Suspend"):
        Graph(Wrong)


def test_the_edge_is_drawn():
    assert "-->|answer|" in Graph(Ask).to_mermaid()


class Slow(BaseNode[Order]):
    """Takes an hour, the first time."""

    async def run(self, ctx: RunContext[Order]) -> End:
        ctx.deps.append("slow")
        await asyncio.sleep(3600 if ctx.deps.count("slow") == 1 else 0)
        ctx.state.log["slow"] = "done"
        return End()


class Hurried(BaseNode[Order]):
    def __init__(self, strategy: MergeStrategy = MergeStrategy.BEST_EFFORT) -> None:
        self.strategy = strategy

    async def run(self, ctx: RunContext[Order]) -> "Fork[Ask | Slow | Busy, End]":
        return Fork([Ask("a"), Slow(), Busy()], then=End(), strategy=self.strategy, timeout=60.0)


@virtual
async def test_who_waits_for_an_answer_is_not_too_late():
    """Waiting takes no time: only who is at work when the deadline passes has failed."""
    graph, events = Graph(Hurried), []
    store, ran, waiting = await start(graph, on_event=events.append)

    ends = [(each.index, each.status) for each in events if isinstance(each, BranchFinished)]
    assert [question.key for question in waiting.questions] == ["a"]
    assert ends == [(2, "succeeded"), (1, "failed"), (0, "suspended")]
    counts = waiting.statistics
    assert (counts["failed_branches"], counts["cancelled_branches"]) == (1, 0)

    result = await graph.resume("run", store=store, deps=ran, answers={"a": {"granted": True}})

    assert result.state.log == {"a": "Approval True nobody", "slow": "done", "busy": "done"}
    assert sorted(ran) == ["ask a", "busy", "decide a", "slow", "slow"]


@virtual
async def test_a_deadline_that_decides_the_strategy_ends_the_fork():
    """The one at work has failed, so all can't succeed; the question is withdrawn."""
    graph = Graph(Hurried(MergeStrategy.ALL_SUCCESS))
    store, ran = MemoryStore(), []

    with pytest.raises(ParallelExecutionError) as caught:
        await graph.run(state=Order(), store=store, execution_id="run", deps=ran)

    ((node, error),) = caught.value.failed_nodes
    assert isinstance(node, Slow)
    assert isinstance(error, StepTimeoutError)


async def test_the_log_says_who_waits(caplog):
    with caplog.at_level("INFO", logger="lift_sys.execution"):
        await start(Graph(Both))

    assert "node Ask waits for an answer (2/3)" in caplog.text
    assert "cancelled" not in caplog.text


class Grouped(BaseNode[Order]):
    """Asks in two runs inside, in tasks of a group; a third task fails, if it is told to."""

    async def run(self, ctx: RunContext[Order]) -> End[list[str]]:
        async with asyncio.TaskGroup() as group:
            runs = [group.create_task(ONE_QUESTION.run_inside(ctx, Order())) for _ in range(2)]
            if ctx.deps:
                group.create_task(ctx.deps())
        return End([run.result().output for run in runs])


ONE_QUESTION = Graph(Plain)


async def test_runs_inside_may_ask_in_a_group_of_tasks():
    graph = Graph(Grouped)
    async with MemoryStore() as store:
        result = await graph.run(state=Order(), store=store, execution_id="run")
        asked = [question.address for question in result.questions]
        while result.suspended:
            answers = {question.address: "left" for question in result.questions}
            result = await graph.resume("run", store=store, answers=answers)

    assert sorted(asked) == ["0>0", "0~1>0"]
    assert result.output == ["left", "left"]


async def test_a_group_of_tasks_of_which_one_fails_asks_nothing():
    async def fail():
        raise ConnectionError

    async with MemoryStore() as store:
        with pytest.raises(NodeError) as raised:
            await Graph(Grouped).run(state=Order(), store=store, deps=fail)

    assert raised.value.error.split(ConnectionError)[1] is None
