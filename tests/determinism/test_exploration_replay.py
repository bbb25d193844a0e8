"""Deadlocks, replay, and where an exploration can run."""

import asyncio
import pickle
import threading
import time

import pytest
from determinism.searching import Search, Spread, State, lost_update

from lift_sys import Graph, MergeStrategy, ParallelExecutor
from lift_sys.determinism.exploration import Schedule, explore, replay, shared, touch
from lift_sys.errors import CanonicalError, NotAModelError, ScheduleError, UsageError

# --- stuck ----------------------------------------------------------------------------------------


def test_deadlock_of_the_plain_run_needs_no_constraint():
    async def stuck():
        lock = asyncio.Lock()
        async with lock:
            await lock.acquire()

    found = explore(stuck)

    assert found.verdict == "deadlock"
    assert found.counterexample.constraints == ()
    assert "await lock.acquire()" in found.counterexample.outcome.waiting[0]


def test_endless_polling_is_a_livelock():
    async def polls():
        flag = shared("flag", False)

        async def wait():
            while not flag.value:
                await asyncio.sleep(1)

        await wait()

    found = explore(polls, limit=200)

    assert found.verdict == "livelock"
    assert "await asyncio.sleep(1)" in found.counterexample.outcome.waiting[0]


def test_fair_samplers_let_polling_end():
    async def polls():
        flag = shared("flag", False)

        async def wait():
            while not flag.value:
                await asyncio.sleep(1)

        async def set_it():
            await asyncio.sleep(3)
            flag.value = True

        await asyncio.gather(wait(), set_it())
        return flag.value

    for strategy in ("urw", "pct2", "pct3", "random"):
        assert explore(polls, strategy=strategy, budget=40).verdict == "same"


# --- replay ---------------------------------------------------------------------------------------


def test_schedule_replays_exactly():
    found = explore(lost_update)
    schedule = found.counterexample.schedule

    outcomes = {replay(lost_update, schedule=schedule).digest for _ in range(5)}

    assert outcomes == {found.counterexample.outcome.digest}
    assert replay(lost_update, schedule=schedule).example.output == 1
    assert str(Schedule.parse(schedule)) == schedule


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("", "not of the form"),
        ("ls1:completions:1=1", "not of the form"),
        ("ls2:completions:#00000000", "version 2"),
        ("ls1:elsewhere:#00000000", "its space is not"),
        ("ls1:completions:1=#00000000", "is no choice"),
        ("ls1:completions:0=9#00000000", "option 9"),
        ("ls1:completions:999=1#00000000", "choice 999"),
        ("ls1:completions:#00000000", "other steps"),
    ],
)
def test_broken_schedule_is_a_clear_error(schedule, reason):
    with pytest.raises(ScheduleError, match=reason) as error:
        replay(lost_update, schedule=schedule)

    assert error.value.schedule == schedule
    assert pickle.loads(pickle.dumps(error.value)).reason == error.value.reason


def test_schedule_of_another_graph_is_refused():
    found = explore(Graph(Spread(3, MergeStrategy.RACE)), State())

    with pytest.raises(ScheduleError, match="explore again"):
        replay(
            Graph(Spread(4, MergeStrategy.RACE)), State(), schedule=found.counterexample.schedule
        )


def test_same_seed_draws_the_same_schedules():
    first, second, other = (explore(lost_update, strategy="urw", seed=seed) for seed in (1, 1, 2))

    assert first.counterexample == second.counterexample
    assert other.verdict == "differs"


# --- where it runs --------------------------------------------------------------------------------


async def test_it_runs_inside_a_running_loop():
    found = explore(lost_update)
    await asyncio.sleep(0)

    assert found.verdict == "differs"


def test_it_runs_in_threads():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(explore(lost_update))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {each.counterexample.schedule for each in found} == {
        explore(lost_update).counterexample.schedule
    }


def test_asyncio_is_left_as_it_was():
    before = asyncio.Lock.acquire, asyncio.Semaphore.release, ParallelExecutor.merge_states

    explore(lost_update)

    assert before == (
        asyncio.Lock.acquire,
        asyncio.Semaphore.release,
        ParallelExecutor.merge_states,
    )


def test_sleeping_takes_no_time():
    started = time.perf_counter()

    explore(lambda: asyncio.sleep(3600), budget=10)

    assert time.perf_counter() - started < 10


def test_state_of_one_run_is_not_that_of_another():
    state = {"runs": 0}

    async def count(state):
        state["runs"] += 1

    found = explore(count, state)

    assert found.outcomes[0].outcome.example.state == {"runs": 1}
    assert state == {"runs": 0}


def test_state_can_be_made_by_a_function():
    async def made():
        return State(best=7)

    assert explore(Graph(Spread(2)), made).outcomes[0].outcome.example.state.best == 7


# --- declared resources ---------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "schedules"), [("read", 1), ("write", 2)])
def test_declared_writes_clash_and_reads_do_not(mode, schedules):
    async def both():
        async def use():
            await asyncio.sleep(1)
            touch("a row of a table", mode)

        await asyncio.gather(use(), use())

    found = explore(both, space="ready")

    assert (found.grade.name, found.schedules) == ("PROVEN", schedules)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: explore(7, State()), UsageError, "can't be checked"),
        (lambda: explore(Search, State()), UsageError, "is a class"),
        (lambda: explore(lost_update, strategy="best"), UsageError, "strategy='best'"),
        (lambda: explore(lost_update, space="all"), UsageError, "space='all'"),
        (lambda: explore(lost_update, budget=0), UsageError, "at least one"),
        (lambda: explore(lost_update, strategy="dpor", strict=True), UsageError, "strict"),
        (lambda: explore(Graph(Spread(2)), {"found": []}), NotAModelError, "State"),
        (lambda: explore(lambda: asyncio.sleep(1, threading.Lock())), CanonicalError, "result"),
    ],
)
def test_mistake_is_a_clear_error(call, error, match):
    with pytest.raises(error, match=match):
        call()
