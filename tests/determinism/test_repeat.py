"""Repeats: MAJORITY counts them, stop rules end them, views decide what is equal."""

import asyncio
import itertools
from collections import Counter
from typing import Any

import pytest
from determinism.tables import Table
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Majority, ParallelExecutor, RunContext
from lift_sys.determinism.check import check_determinism
from lift_sys.determinism.concurrency import validate_concurrency
from lift_sys.determinism.matching import can_pair
from lift_sys.determinism.statistics import Sprt, clopper_pearson
from lift_sys.errors import UsageError
from lift_sys.state.canonical import digest
from lift_sys.testing import run_virtual

draws = st.lists(st.integers(0, 3), min_size=2, max_size=12)


def giving(numbers: list[int]) -> Any:
    """A function whose runs write these numbers, one after the other."""
    left = itertools.cycle(numbers)

    def write(state: Table) -> None:
        state.noise = next(left)

    return write


def check(target: Any, state: Any, runs: int, **options: Any) -> Any:
    return asyncio.run(check_determinism(target, state, runs, **options))


# --- counting -----------------------------------------------------------------------------------


@given(numbers=draws)
def test_modal_state_and_classes_are_what_majority_takes(numbers: list[int]):
    """The same numbers as branches of a plain executor call, joined by MAJORITY, agree."""

    class Write(BaseNode[Table]):
        def __init__(self, number: int) -> None:
            self.number = number

        async def run(self, ctx: RunContext[Table]) -> End:
            ctx.state.noise = self.number
            return End()

    async def vote() -> Table:
        executor = ParallelExecutor[Table](1)
        nodes = [Write(number) for number in numbers]
        results = await executor.execute_parallel(nodes, RunContext(Table()))
        return executor.merge_states(results, Majority()).state

    report = check(giving(numbers), Table(), len(numbers))

    counts = Counter(numbers)
    assert report.modal_state == asyncio.run(vote())
    assert digest(report.modal_state.noise) == digest(numbers[report.outcomes[0].runs[0]])
    assert sorted(len(each.runs) for each in report.outcomes) == sorted(counts.values())
    assert len(set(report.digests)) == len(counts)
    field = report.fields["$.noise"]
    assert field.agreeing == max(counts.values())
    assert field.distinct == len(counts)
    assert (field.low, field.high) == clopper_pearson(field.agreeing, len(numbers))


@given(numbers=draws)
def test_stopping_at_the_first_divergence_is_a_prefix_of_all_runs(numbers: list[int]):
    """It stops with the first number that is not the first one, and says so."""
    others = [index for index, number in enumerate(numbers) if number != numbers[0]]

    report = check(giving(numbers), Table(), len(numbers), stop="first_divergence")

    assert len(report.runs) == (others[0] + 1 if others else len(numbers))
    assert report.accepted is (not others)
    if others and others[0] + 1 < len(numbers):
        assert "stopped at the first divergence" in report.decision
        assert "not estimated" in report.evidence.text


def test_the_curtailed_rule_accepts_after_59():
    """59 runs without a divergence rule out 5 % at 95 %."""
    report = check(giving([1]), Table(), 100, stop="curtailed")

    assert len(report.runs) == 59
    assert report.accepted
    assert "59 of 100" in report.decision


def test_a_sequential_test_tolerates_a_share_and_says_what_it_decided():
    """One in forty is within a tolerated 10 %, one in two is not; both are not deterministic."""
    test = Sprt(h0=0.1, h1=0.4)
    rare = check(giving([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]), Table(), 200, stop=test)
    often = check(giving([0, 1]), Table(), 200, stop=test)

    assert not rare.deterministic
    assert rare.accepted
    assert "accept" in rare.decision
    assert not often.accepted
    assert len(often.runs) < 40
    assert rare.verdict == "not deterministic, but within the tolerated share"


def test_progress_is_told_after_each_repeat():
    """How many are done, and how many different outcomes there are."""
    told: list[tuple[int, int]] = []
    check(
        giving([1, 1, 2]),
        Table(),
        3,
        on_repeat=lambda done, outcomes: told.append((done, outcomes)),
    )

    assert told == [(1, 1), (2, 1), (3, 2)]


def test_a_run_that_takes_too_long_is_an_outcome():
    """On a virtual clock: every third run hangs, and is cut off."""
    waits = itertools.cycle([1, 1, 600])

    async def wait(state: Table) -> None:
        await asyncio.sleep(next(waits))

    report, _ = run_virtual(check_determinism(wait, Table(), 6, longest_run=5))

    assert [len(each.runs) for each in report.outcomes] == [4, 2]
    assert report.outcomes[1].error.type == "TimeoutError"


def test_repeats_at_the_same_time_can_be_stopped_too():
    """Those that run beside the last one are not counted."""
    numbers = itertools.count()

    async def write(state: Table) -> None:
        number = next(numbers)
        await asyncio.sleep(number % 3)
        state.noise = number

    report, _ = run_virtual(
        check_determinism(write, Table(), 20, max_concurrent=4, stop="first_divergence")
    )

    assert len(report.runs) == 2
    assert not report.accepted


# --- views --------------------------------------------------------------------------------------


class Scores(BaseModel):
    values: list[float] = []
    names: list[str] = []
    by_name: dict[str, float] = {}


def drifting(step: float) -> Any:
    runs = itertools.count()

    def write(state: Scores) -> None:
        run = next(runs)
        state.values = [1.0, 2.0 + run * step]
        state.names = ["b", "a"] if run % 2 else ["a", "b"]
        state.by_name = {"x": 1000.0 + run * step}

    return write


def test_a_tolerance_takes_close_numbers_for_equal():
    """Differences within the tolerance disappear, the order of names does not."""
    report = check(drifting(1e-12), Scores(), 4, tolerance=1e-9)

    assert [each.path for each in report.differing_fields] == ["$.names"]
    assert report.differing_fields[0].hint == "same items in another order"


def test_a_tolerance_by_path_leaves_the_others_exact():
    """Only the path that it names is compared loosely."""
    report = check(drifting(1e-12), Scores(), 4, tolerance={"$.by_name": 1e-9}, ignore=["names"])

    assert [each.path for each in report.differing_fields] == ["$.values[1]"]
    assert report.differing_fields[0].hint == ""


def test_sums_in_another_order_differ_by_rounding():
    orders = itertools.cycle(itertools.permutations([0.1, 0.2, 0.3]))
    report = check(lambda _: {"sum": sum(next(orders))}, {}, 6)

    assert report.differing_fields[0].hint == "floats that differ by rounding"


async def test_readings_of_a_clock_differ_by_no_rounding():
    """They are within 1e-9 of each other, and have nothing to do with the order of a sum."""
    ticks = itertools.count(1_790_000_000_000_000, 37)

    def stamp(state: Any) -> dict[str, float]:
        tick = next(ticks)
        return {"created": tick / 1e6, "ended": (tick + 5) / 1e6}

    report = await check_determinism(stamp, None, 4)

    assert [each.hint for each in report.differing_fields] == ["", ""]
    lines = [line.strip() for line in str(report).splitlines()]
    shown = lines.index("output.created:")  # of two fields, the one that the values are of
    assert lines[shown + 1].startswith("- 1790000000.0")


def test_multiset_views_forget_the_order_of_a_list():
    """The same names in another order are equal then; the report says that they were."""
    report = check(drifting(0), Scores(), 4, multiset=["$.names"])

    assert report.deterministic
    assert "without order $.names" in str(report)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("$.values", 2),
        ("values[*]", 2),
        ("$..x", 2),
        ("$.by_name.x", 2),
        ('$.by_name["x"]', 2),
        ("$.*", 0),
        ("$", 0),
        ("*", 0),
        ("$.value", 3),
        ("output", 3),
    ],
)
def test_paths_of_views(pattern: str, left: int):
    """How many of the three differing fields are left when a pattern is left out."""
    report = check(drifting(1.0), Scores(), 2, ignore=[pattern])

    assert len(report.differing_fields) == left


# --- H18 ----------------------------------------------------------------------------------------


async def test_validation_runs_each_case_and_names_those_that_differ():
    """Each case has a report; the one that shares state between runs is named."""
    shared: list[int] = []

    async def count(state: Table) -> None:
        if state.start:
            shared.append(1)
            await asyncio.sleep(0)
            state.noise = len(shared)

    result = await validate_concurrency(count, {"quiet": Table(), "noisy": Table(start=1)}, 10)

    assert not result.passed
    assert result.failures == ("noisy",)
    assert result.iterations == 10
    assert result.reports["quiet"].deterministic
    assert 0.5 < result.agreement < 1
    assert "1 of 2 cases differ" in str(result)


async def test_validation_passes_and_counts():
    """A list of cases is named by number."""
    result = await validate_concurrency(giving([1]), [Table(), Table(start=2)], 5)

    assert result.passed
    assert list(result.reports) == ["0", "1"]
    assert str(result) == "all 2 cases agree, in 10 runs"


async def test_validation_without_cases_is_refused():
    with pytest.raises(UsageError, match="no test cases"):
        await validate_concurrency(giving([1]), [])


async def test_a_case_that_always_fails_is_no_agreement():
    """A validation says how many cases failed, beside those that differ."""

    async def fail(state: Table) -> None:
        if state.start:
            raise ValueError("broken")

    result = await validate_concurrency(fail, {"good": Table(), "bad": Table(start=1)}, 4)

    assert not result.passed
    assert result.failures == ("bad",)
    assert "1 of 2 cases failed in every run" in str(result)


def test_a_plain_function_that_takes_too_long_is_an_outcome():
    """Nobody can cut it off, so it is told when it ends, whether it fails then or not."""
    moment = [0.0]

    class Clock(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return moment[0]

    def slow(fails: bool) -> int:
        moment[0] += 0.3
        if fails:
            raise ValueError("late")
        return 1

    with asyncio.Runner(loop_factory=Clock) as runner:
        for fails in (False, True):
            report = runner.run(check_determinism(slow, fails, 3, longest_run=0.1))

            assert not report.accepted
            assert report.modal_error.type == "TimeoutError"
        assert runner.run(check_determinism(slow, False, 3, longest_run=1)).accepted


@pytest.mark.parametrize("first", [True, False])
def test_multiset_views_take_close_numbers_for_equal(first: bool):
    """Items agree in some order, each within the tolerance, though they are sorted otherwise."""
    lists = itertools.cycle([[1.0, 2.0], [2.0004, 0.9996]])

    def draw() -> list[float]:
        return next(lists)

    options: dict[str, Any] = {"multiset": ["output"], "tolerance": 0.001 if first else 0.0001}

    assert check(draw, None, 4, **options).deterministic is first


def test_multiset_views_leave_out_what_is_ignored_within_items():
    """Two items that differ in an ignored field only are the same item."""
    numbers = itertools.count()

    def draw() -> list[dict[str, int]]:
        return [{"id": next(numbers), "x": 1}, {"id": next(numbers), "x": 2}][:: next(turns)]

    turns = itertools.cycle([1, -1])

    assert check(draw, None, 4, multiset=["output"], ignore=["output[*].id"]).deterministic


@given(
    st.integers(0, 4).flatmap(
        lambda n: st.lists(st.lists(st.booleans(), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_bags_can_be_paired_exactly_if_some_permutation_pairs_them(fits: list[list[bool]]):
    """Against trying them all."""
    count = len(fits)
    wanted = any(
        all(fits[left][right] for left, right in enumerate(order))
        for order in itertools.permutations(range(count))
    )

    assert can_pair(count, lambda left, right: fits[left][right]) is wanted
