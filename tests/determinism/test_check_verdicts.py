"""Two verdicts: what the framework does, and what the models do; caches are no evidence."""

import asyncio
import itertools
from typing import Any

import pytest
from determinism.tables import Cell, Table
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext
from lift_sys.core.usage import Usage
from lift_sys.determinism.check import check_determinism

RUNS = 8


class Note(BaseModel):
    answer: str = ""
    other: str = ""
    length: int = 0


class Model:
    """Answers that a test decides, and how they are counted."""

    def __init__(self, *answers: str, cached_from: int = 1000) -> None:
        self.answers = itertools.cycle(answers)
        self.calls = 0
        self.cached_from = cached_from

    def ask(self, ctx: RunContext[Any]) -> str:
        cached = self.calls >= self.cached_from
        self.calls += 1
        ctx.add_usage(Usage(calls=1, cached_calls=int(cached)))
        return next(self.answers)


class Ask(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.answer = ctx.deps.ask(ctx)
        return End()


class Plain(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.other = "as ever"
        return End()


class Sum(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.length = len(ctx.state.answer)
        return End()


class Begin(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Ask | Plain, Sum]:
        return Fork([Ask(), Plain()], then=Sum())


def checked(target: Any, state: Any, **options: Any) -> Any:
    return asyncio.run(check_determinism(target, state, RUNS, **options))


def check(model: Model, runs: int = RUNS) -> Any:
    return asyncio.run(check_determinism(Graph(Begin), Note(), runs, deps=model))


def test_a_model_that_varies_is_unstable_and_the_framework_is_not():
    """The first divergent node is the one that asked; its results still join to one state."""
    report = check(Model("tea", "tea", "tea", "coffee"))

    assert not report.deterministic
    assert report.model_stable is False
    assert report.framework_deterministic is True
    assert report.code_deterministic is True
    assert report.first_divergence.kind == "model"
    assert report.first_divergent_node == "0.0:Ask"
    assert report.divergences.passed_on == ("1:Sum",)
    assert (report.model.agreeing, report.model.compared) == (6, 8)
    assert report.model.low < 0.75 < report.model.high
    assert report.framework.orders == 2  # of two branches, however often it is played
    assert "arriving in 2 orders" in report.framework.text
    assert report.framework.states == 1


def test_a_model_that_agrees_is_stable_with_its_number():
    """All eight answers agree: stable, with N and an interval that does not say 100 % for sure."""
    report = check(Model("tea"))

    assert report.deterministic
    assert report.model_stable is True
    assert (report.model.compared, report.model.high) == (8, 1.0)
    assert 0.5 < report.model.low < 0.9
    assert "8 of 8 outputs agree" in report.model.text


@pytest.mark.parametrize("live", [0, 1])
def test_answers_from_a_cache_say_nothing_about_the_model(live: int):
    """One answer of its own, or none, can't be compared with anything."""
    report = check(Model("tea", cached_from=live))

    assert report.deterministic
    assert report.model_stable is None
    assert report.model.cached_calls == RUNS - live
    assert any("answered by a cache" in note for note in report.notes)


def test_only_answers_of_its_own_are_compared_where_some_are_cached():
    """Three runs asked, five took the cache: N is 3."""
    report = check(Model("tea", cached_from=3))

    assert report.model_stable is True
    assert report.model.compared == 3


def test_answers_that_the_code_keeps_are_seen_where_calls_are_missing():
    """With an `lru_cache` around the call only the first run asks: nothing is compared, and why."""
    kept: dict[str, str] = {}

    class Remembers(Model):
        def ask(self, ctx: RunContext[Any]) -> str:
            return kept["answer"] if kept else kept.setdefault("answer", super().ask(ctx))

    report = check(Remembers("tea", "coffee"))
    (note,) = report.notes

    assert report.model_stable is None
    assert "0.0:Ask called a model 1 time in 8 runs" in note
    assert not check(Model("tea")).notes


def test_no_model_no_verdict_about_one():
    """None is not True."""
    report = asyncio.run(check_determinism(Graph(Plain), Note(), RUNS))

    assert report.model_stable is None
    assert report.model.calls == 0
    assert report.model.text == "no model was called"


def test_a_function_does_not_show_its_calls_and_the_report_does_not_deny_them():
    """What can't be seen is said to be unseen."""

    async def ask(note: Note) -> None:
        note.answer = "tea"

    report = asyncio.run(check_determinism(ask, Note(), RUNS))

    assert report.model_stable is None
    assert "seen through a cassette only" in report.model.text


class Finish(BaseModel):
    start: int = 0


class Gives(BaseNode[Finish]):
    def __init__(self, number: int, seconds: float) -> None:
        self.number, self.seconds = number, seconds

    async def run(self, ctx: RunContext[Finish]) -> End:
        await asyncio.sleep(self.seconds)
        ctx.state.start = self.number
        return End()


class Races(BaseNode[Finish]):
    async def run(self, ctx: RunContext[Finish]) -> Fork[Gives, End[None]]:
        nodes = [Gives(1, 0), Gives(2, 0.005)]
        return Fork(nodes, then=End(None), strategy=MergeStrategy.RACE)


def test_a_race_is_not_called_deterministic_for_having_one_winner():
    report = asyncio.run(check_determinism(Graph(Races), Finish(), runs=5))

    assert report.deterministic
    assert report.framework_deterministic is None
    assert "by definition" in report.framework.text


def test_a_graph_that_always_fails_says_nothing_about_the_framework():
    """There is no final state that it could be judged by."""

    class Fail(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            raise ValueError("no")

    assert checked(Graph(Fail), Table()).framework_deterministic is None


def test_views_that_leave_nothing_to_compare_do_not_pass():
    """Runs that nobody has compared agree, and nothing is known by it."""

    def answer() -> int:
        return 1

    report = checked(answer, None, ignore=["output"])
    whole = checked(Graph(Cell(End())), Table(), ignore=["$"])

    assert not report.accepted
    assert report.headline == "nothing was compared"
    assert "leaves out all that a run comes to (output)" in report.notes[0]
    assert "($.cells, $.noise, $.start)" in whole.notes[0]
    assert checked(Graph(Cell(End())), Table(), ignore=["$.cells"]).accepted


async def test_parts_of_a_group_of_errors_are_compared():
    numbers = itertools.count()

    async def fails(state: object) -> None:
        raise ExceptionGroup("both failed", [ValueError(next(numbers) % 2), KeyError("b")])

    report = await check_determinism(fails, None, runs=4)

    assert report.verdict == "not deterministic"
