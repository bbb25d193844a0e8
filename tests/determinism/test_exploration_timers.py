"""Timers and sleeps: what is due first comes first, and nothing about durations is proven."""

import asyncio
import threading

import pytest

from lift_sys.determinism import explore
from lift_sys.testing import run_virtual


async def cut_off():
    try:
        return await asyncio.wait_for(asyncio.sleep(0.2, "done"), 0.05)
    except TimeoutError:
        return "late"


async def in_two_parts():
    try:
        async with asyncio.timeout(0.05):
            await asyncio.sleep(0.03)
            await asyncio.sleep(0.03)
    except TimeoutError:
        return "late"
    return "done"


async def own_timer():
    seen = []
    asyncio.get_running_loop().call_later(0.01, seen.append, "timer")
    await asyncio.sleep(0.05)
    return seen


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("program", [cut_off, in_two_parts, own_timer])
def test_a_timer_that_is_due_before_a_sleep_fires_before_it(program, strict):
    found = explore(program, budget=40, strict=strict)

    assert found.verdict == "same"
    assert found.outcomes[0].outcome.text == repr(run_virtual(program())[0])
    assert found.grade.name == "SAMPLED"


async def in_time():
    async with asyncio.timeout(10):
        return await asyncio.gather(*[asyncio.sleep(number, number) for number in (1, 2, 3)])


def test_a_deadline_that_is_never_near_takes_no_part():
    found = explore(in_time)

    assert (found.verdict, found.grade.name, found.schedules) == ("same", "PROVEN", 1)


FLAG = threading.Event()


async def by_a_flag():
    FLAG.clear()

    async def put():
        await asyncio.sleep(1)
        FLAG.set()

    async def look():
        await asyncio.sleep(2)
        return FLAG.is_set()

    return (await asyncio.gather(put(), look()))[1]


def test_what_cannot_be_looked_into_is_searched_by_chance():
    assert explore(by_a_flag, budget=60).verdict == "differs"


EVENT = threading.Event()


async def flipped_by_the_first_choice():
    """A bug that one choice shows, in a program that can't be proven and has very many orders."""
    EVENT.clear()
    seen = []

    async def work(number):
        await asyncio.sleep(number)
        for _ in range(5):
            seen.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*[work(number) for number in (1, 2, 3)])
    return seen[0]


def test_what_cannot_be_proven_is_looked_for_by_chance_first():
    found = explore(flipped_by_the_first_choice, budget=400)

    assert found.verdict == "differs"
    assert found.counterexample.found_after < 50


async def many_orders():
    seen = []

    async def work(number):
        for _ in range(4):
            await asyncio.sleep(number)
            seen.append(number)

    await asyncio.gather(*[work(number) for number in range(4)])
    return len(seen)


def test_a_proof_that_was_given_up_is_said():
    found = explore(many_orders, budget=40)

    assert found.grade.name == "SAMPLED"
    assert any("a larger `budget`" in note for note in found.notes)
