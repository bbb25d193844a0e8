"""Explored outcomes are compared by the same views as repeats are."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism import check_determinism, explore

pytest_plugins = ["pytester"]


class Bill(BaseModel):
    shares: list[float] = [0.1, 0.2, 0.3, 0.7]
    total: float = 0.0
    arrived: list[float] = []
    first: float = 0.0


class Till:
    """What branches share, though nobody declared it."""

    def __init__(self) -> None:
        self.paid: list[float] = []


class Pay(BaseNode[Bill]):
    def __init__(self, share: float) -> None:
        self.share = share

    async def run(self, ctx: RunContext[Bill]) -> End:
        await asyncio.sleep(self.share)
        ctx.deps.paid.append(self.share)
        return End()


class Sum(BaseNode[Bill]):
    async def run(self, ctx: RunContext[Bill]) -> End[float]:
        ctx.state.total = sum(ctx.deps.paid)
        ctx.state.arrived = ctx.deps.paid
        ctx.state.first = ctx.deps.paid[0]
        return End(ctx.state.total)


class Begin(BaseNode[Bill]):
    async def run(self, ctx: RunContext[Bill]) -> Fork[Pay, Sum]:
        return Fork([Pay(share) for share in ctx.state.shares], then=Sum())


bill = Graph(Begin)
ALIKE = {
    "tolerance": {"$.total": 1e-9, "output": 1e-9},
    "multiset": ["$.arrived"],
    "ignore": ["$.first"],
}


def test_what_a_view_takes_for_equal_is_no_difference_between_schedules():
    found = explore(bill, Bill(), deps=Till, budget=60, **ALIKE)

    assert (found.verdict, len(found.outcomes)) == ("same", 1)
    assert "outcomes as they were compared: left out $.first; tolerance" in str(found)


@given(missing=st.sampled_from(sorted(ALIKE)))
@settings(max_examples=3, deadline=None)
def test_each_view_is_needed_for_that(missing: str):
    views = {name: value for name, value in ALIKE.items() if name != missing}

    assert explore(bill, Bill(), deps=Till, budget=60, **views).verdict == "differs"


def test_a_check_that_explores_compares_schedules_as_it_compares_repeats():
    report = asyncio.run(check_determinism(bill, Bill(), 2, deps=Till, explore=60, **ALIKE))

    assert (report.verdict, report.accepted) == ("deterministic", True)


def test_a_check_names_only_fields_that_no_view_takes_for_equal():
    views = {"ignore": ["$.first", "$.arrived"]}
    report = asyncio.run(check_determinism(bill, Bill(), 2, deps=Till, explore=60, **views))

    assert report.verdict == "not deterministic"
    assert {each.path for each in report.differing_fields} == {"$.total", "output"}
    assert report.first_divergent_node == "1:Sum"


def test_options_of_explore_itself_come_first():
    report = asyncio.run(
        check_determinism(
            bill, Bill(), 2, deps=Till, explore={"budget": 60, "ignore": ["$", "output"]}
        )
    )

    assert report.verdict == "deterministic"


def test_a_function_is_compared_by_what_it_returns():
    async def arrived() -> dict[str, list[int]]:
        found: list[int] = []

        async def come(number: int) -> None:
            await asyncio.sleep(number)
            found.append(number)

        await asyncio.gather(come(1), come(2))
        return {"found": found}

    assert explore(arrived, budget=20).verdict == "differs"
    assert explore(arrived, budget=20, multiset=["output.found"]).verdict == "same"


def test_a_view_hides_no_failure_and_no_deadlock():
    async def one_may_fail() -> int:
        order: list[int] = []

        async def come(number: int) -> None:
            await asyncio.sleep(number)
            order.append(number)

        await asyncio.gather(come(1), come(2))
        if order[0] == 2:
            raise ValueError("the second came first")
        return order[0]

    found = explore(one_may_fail, budget=20, ignore=["output"])

    assert (found.verdict, found.counterexample.outcome.kind) == ("differs", "error")


def test_a_view_that_is_none_is_refused_before_anything_runs():
    with pytest.raises(Exception, match="take a list of paths"):
        explore(bill, Bill(), deps=Till, ignore="$.first")


def test_two_runs_of_one_schedule_are_told_apart_by_the_field_that_differs():
    """Texts of large states look alike for as long as there is room to show them."""

    class Guess(BaseNode[Bill]):
        async def run(self, ctx: RunContext[Bill]) -> End:
            ctx.state.arrived = [0.0] * 100
            ctx.state.first = random.random()
            return End()

    found = explore(Guess(), Bill(), budget=10)

    assert found.verdict == "uncontrolled"
    assert found.evidence.text.startswith("two runs of one schedule differ at $.first: 0.")
    assert len(found.evidence.text) < 300


def test_the_mark_takes_them_too(pytester: pytest.Pytester):
    pytester.makepyfile(
        """
        import asyncio

        import pytest


        @pytest.mark.schedules(budget=20, multiset=["output"])
        async def test_all_come():
            found = []

            async def come(number):
                await asyncio.sleep(number)
                found.append(number)

            await asyncio.gather(come(1), come(2))
            return found
        """
    )
    options = ("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function")
    pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)
