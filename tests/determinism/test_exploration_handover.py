"""What one task gives to another is shared from then on, however it was given."""

import asyncio
import functools

import pytest

from lift_sys.determinism import explore

TOTAL = 0


async def late(wait, do, *given):
    await asyncio.sleep(wait)
    return do(*given)


async def one_list_by_two_queues():
    numbers = []
    queues = [asyncio.Queue(), asyncio.Queue()]

    async def worker(queue, name):
        mine = await queue.get()
        await late(1, mine.append, name)

    tasks = [asyncio.create_task(worker(queue, name)) for queue, name in zip(queues, "ab")]  # noqa: B905
    for queue in queues:
        queue.put_nowait(numbers)
    await asyncio.gather(*tasks)
    return numbers


async def by_a_future():
    given = asyncio.get_running_loop().create_future()

    async def worker(name):
        await late(1, (await given).append, name)

    tasks = [asyncio.create_task(worker(name)) for name in "ab"]
    await asyncio.sleep(0)
    given.set_result([])
    await asyncio.gather(*tasks)
    return given.result()


async def make():
    return []


async def by_the_result_of_a_task():
    made = asyncio.create_task(make())

    async def worker(name):
        await late(1, (await made).append, name)

    await asyncio.gather(worker("a"), worker("b"))
    return made.result()


async def by_globals():
    globals()["TOTAL"] = 0

    async def add(number):
        await asyncio.sleep(number)
        globals()["TOTAL"] = number

    await asyncio.gather(add(1), add(2))
    return TOTAL


@functools.lru_cache
def kept_list():
    return []


async def by_a_cache():
    kept_list.cache_clear()
    await asyncio.gather(*[late(n, lambda n: kept_list().append(n), n) for n in (1, 2)])
    return kept_list()


@functools.lru_cache
def square(number):
    return number * number


def hits(number):
    square(3)
    return number * square.cache_info().hits


async def by_the_hits_of_a_cache():
    square.cache_clear()
    return await asyncio.gather(late(1, hits, 1), late(1, hits, 2))


async def as_completed():
    ends = asyncio.as_completed([late(n, int, n) for n in (1, 2)])
    return [await end for end in ends]


@pytest.mark.parametrize(
    "program",
    [
        one_list_by_two_queues,
        by_a_future,
        by_the_result_of_a_task,
        by_globals,
        by_a_cache,
        by_the_hits_of_a_cache,
        as_completed,
    ],
)
def test_what_was_handed_over_is_seen(program):
    found = explore(program, budget=100)
    assert found.verdict == "differs", str(found)


async def first_of_a_set():
    tasks = [asyncio.create_task(late(1, int, number)) for number in range(4)]
    done, _ = await asyncio.wait(tasks)
    return [task.result() for task in done]


async def name_of_a_task():
    return asyncio.current_task().get_name()


async def reflection():
    name = "".join(["TO", "TAL"])

    async def add(number):
        await asyncio.sleep(number)
        globals()[name] = number

    await asyncio.gather(add(1), add(2))
    return globals()[name]


@pytest.mark.parametrize("program", [first_of_a_set, name_of_a_task, reflection])
def test_what_no_schedule_decides_is_never_proven(program):
    assert explore(program, budget=50).grade.name != "PROVEN"


async def a_cache_of_numbers():
    square.cache_clear()
    return await asyncio.gather(*[late(n, square, n) for n in (1, 2, 3)])


async def own_results():
    return await asyncio.gather(*[late(n, list, [n]) for n in (1, 2, 3)])


async def own_items():
    queue = asyncio.Queue()
    tasks = [asyncio.create_task(late(1, queue.put_nowait, [number])) for number in (1, 2)]
    await asyncio.gather(*tasks)
    return sorted([queue.get_nowait(), queue.get_nowait()])


@pytest.mark.parametrize("program", [a_cache_of_numbers, own_results, own_items])
def test_what_nobody_else_changes_is_proven(program):
    found = explore(program, budget=200)
    assert found.grade.name == "PROVEN", str(found)
