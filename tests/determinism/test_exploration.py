"""What is claimed is never wider than what was looked at."""

import asyncio
import random

import pytest
from determinism.searching import Best, Search, Spread, State

from lift_sys import Graph, MergeStrategy, ParallelExecutor
from lift_sys.determinism.exploration import explore, shared

# --- proofs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", ["completions", "ready"])
@pytest.mark.parametrize("width", [1, 4, 16])
def test_isolated_branches_are_proven_in_one_schedule(width, space):
    found = explore(Graph(Spread(width)), State(), space=space)

    assert (found.grade.name, found.schedules, found.verdict) == ("PROVEN", 1, "same")
    assert found.outcomes[0].outcome.example.state.found == list(range(1, width + 1))
    assert any("threads" in text for text in found.assumptions)


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_waiting_for_slots_does_not_multiply_schedules(limit):
    graph = Graph(Spread(6), executor=ParallelExecutor(limit))

    found = explore(graph, State())

    assert (found.grade.name, found.schedules) == ("PROVEN", 1)


def test_nodes_joined_by_the_executor_are_proven_in_one_schedule():
    found = explore([Search(1), Search(2), Search(3)], State())

    assert (found.grade.name, found.schedules) == ("PROVEN", 1)


@pytest.mark.parametrize("strategy", [MergeStrategy.MAJORITY, MergeStrategy.FIRST_SUCCESS])
def test_strategies_that_stop_early_are_proven(strategy):
    found = explore(Graph(Spread(3, strategy)), State())

    assert found.grade.name == "PROVEN", str(found)


@pytest.mark.parametrize("form", ["fork", "merge_states"])
def test_race_differs(form):
    if form == "fork":
        found = explore(Graph(Spread(3, MergeStrategy.RACE)), State())
    else:
        found = explore([Best(1), Best(2), Best(3)], State(), merge=MergeStrategy.RACE)

    assert found.verdict == "differs"
    assert found.counterexample.expected.example.state.best == 1
    assert found.counterexample.outcome.example.state.best in (2, 3)


def test_all_outcomes_are_listed_on_demand():
    async def append():
        order = shared("order", ())

        async def one(number):
            await asyncio.sleep(number)
            order.value = (*order.value, number)

        await asyncio.gather(*[one(number) for number in range(3)])
        return order.value

    found = explore(append, space="ready", to_the_end=True)

    orders = [seen.outcome.example.output for seen in found.outcomes]
    assert orders[0] == (0, 1, 2)
    assert len(set(orders)) == 6
    assert found.schedules == 6


def test_other_loops_may_differ_is_a_note_and_no_failure():
    async def turns():
        cell = shared("cell", 0)

        async def update():
            value = cell.value
            await asyncio.sleep(0)  # a plain loop lets both read first, always
            cell.value = value + 1

        await asyncio.gather(update(), update())
        return cell.value

    plain = explore(turns, budget=60)
    other = explore(turns, budget=60, space="ready")

    assert (plain.verdict, plain.grade.name) == ("same", "SAMPLED")
    assert "other event loops" in plain.notes[0]
    assert other.verdict == "differs"


def test_all_schedules_up_to_some_deviations_is_a_bounded_claim():
    async def pairs():
        return await asyncio.gather(*[asyncio.sleep(number, number) for number in range(5)])

    part = explore(pairs, strategy="bounded", budget=40)
    whole = explore(lambda: asyncio.sleep(1, "done"), strategy="bounded", budget=40)

    assert part.grade.name == "BOUNDED"
    assert part.evidence.count >= 1
    assert whole.grade.name == "PROVEN"


def test_durations_are_kept_when_asked_for():
    async def race():
        done, _ = await asyncio.wait(
            [asyncio.ensure_future(asyncio.sleep(number, number)) for number in (1, 5)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        return sorted(task.result() for task in done)

    assert explore(race).verdict == "differs"
    strict = explore(race, strict=True, budget=60)

    assert (strict.verdict, strict.grade.name) == ("same", "SAMPLED")


# --- what caps a claim ----------------------------------------------------------------------------


def test_threads_cap_the_grade():
    async def threads():
        return await asyncio.to_thread(sum, [1, 2])

    found = explore(threads, budget=20)

    assert (found.verdict, found.grade.name) == ("same", "SAMPLED")
    assert any("thread" in text for text in found.caveats)


def test_unwatched_writes_cap_the_grade():
    found = explore(Graph(Spread(2)), State(), watch=False, budget=20)

    assert found.grade.name == "SAMPLED"


def test_what_no_schedule_controls_is_said():
    async def draw():
        return random.SystemRandom().random()

    found = explore(draw, budget=20)

    assert found.verdict == "uncontrolled"
    assert found.grade.name == "REPEATED"
    assert "two runs of one schedule" in found.evidence.text


def test_failure_in_every_schedule_is_shown():
    async def fail():
        raise ValueError("always")

    found = explore(fail)

    assert found.verdict == "same"
    assert "error ValueError: always" in str(found)


def test_a_target_that_always_fails_does_not_pass():
    async def fail():
        raise ValueError("no")

    found = explore(fail)

    assert found.always_fails
    assert found.verdict == "same"
    assert not found.is_deterministic
