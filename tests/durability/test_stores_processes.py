"""Several processes on one store, and processes that are killed while they commit."""

import asyncio
import random
import signal

import pytest
from durability.programs import end_of, run_python, start_python
from durability.records import run

from lift_sys.durability import PostgresStore, SqliteStore

pytestmark = pytest.mark.timeout(120)  # each program is an interpreter that has to start

COMMITS = """
async def main(place, name):
    store = open_store(place)
    async def work(task):
        for step in range(10):
            await store.commit("r1", 0, [fact(f"{name}.{task}.{step}", tokens=1)])
    await asyncio.gather(*(work(task) for task in range(10)))
    await store.check()
    await store.close()
asyncio.run(main(*sys.argv[1:]))
"""
CREATES = """
async def main(place, name):
    async with open_store(place) as store:
        print([await store.create(run(f"r{number}")) for number in range(20)].count(True))
asyncio.run(main(*sys.argv[1:]))
"""
TAKES_OVER = """
async def main(place, name):
    async with open_store(place) as store:
        async def race(number):
            run = f"r{number}"
            epoch = await store.take_over(run)
            try:
                for step in range(3):
                    await store.commit(run, epoch, [fact(f"{step}", input=f"{name}{epoch}")])
                await store.finish(run, epoch, "finished")
            except FencedError:
                return 0
            return 1
        print(sum(await asyncio.gather(*(race(number) for number in range(30)))))
asyncio.run(main(*sys.argv[1:]))
"""
# Announces each commit when it has returned, one line each.
ANNOUNCES = """
async def main(place):
    store = open_store(place)
    async def work(task):
        step = 0
        while True:
            store.mark("r1", 0, fact(f"{task}.{step}", "started"))
            await store.commit("r1", 0, [fact(f"{task}.{step}", body={"a": "x" * 3000})])
            os.write(1, f"{task}.{step}\\n".encode())
            step += 1
    await asyncio.gather(*(work(task) for task in range(8)))
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where several processes keep runs."""
    if request.param == "sqlite":
        return str(tmp_path / "runs.db")
    return request.getfixturevalue("postgres_url")


def open_store(place):
    return PostgresStore(place) if place.startswith("postgres") else SqliteStore(place)


async def test_two_processes_commit_to_one_run(place):
    """Every fact of both is there, and the sums are right."""
    async with open_store(place) as store:
        await store.create(run())
        programs = [start_python(COMMITS, place, name) for name in "ab"]
        for program in programs:
            end_of(program)

        record, facts = await store.load("r1")

    assert len(facts) == record.steps == record.tokens == 200


def test_processes_that_make_the_store_at_the_same_time_share_it(place):
    """Tables are made once, and each run is created by one of them."""
    programs = [start_python(CREATES, place, name) for name in "abc"]

    assert sum(int(end_of(program)) for program in programs) == 20


async def test_processes_race_for_the_same_runs(place):
    """The last to take a run over wins it: nobody waits for ever, and its facts are of one worker."""
    async with open_store(place) as store:
        for number in range(30):
            await store.create(run(f"r{number}"))
        programs = [start_python(TAKES_OVER, place, name) for name in "ab"]
        won = sum(int(end_of(program)) for program in programs)

        for number in range(30):
            record, facts = await store.load(f"r{number}")
            assert (record.epoch, record.status) == (2, "finished")
            assert len({one.input for one in facts if one.input.endswith("2")}) == 1
            assert len(facts) == 3
        assert won >= 30


def kill_in_the_midst(place, lines):
    """Kill a program when it has announced some commits; return what it announced."""
    program = start_python(ANNOUNCES, place)
    announced = [program.stdout.readline() for _ in range(lines)]
    program.send_signal(signal.SIGKILL)
    announced += program.stdout.readlines()
    program.wait()
    program.stdout.close()
    program.stderr.close()
    return {line.strip() for line in announced if line.endswith("\n")}


async def check_announced(place, lines):
    """What was announced is kept, and the store is whole."""
    async with open_store(place) as store:
        await store.create(run())
    announced = await asyncio.to_thread(kill_in_the_midst, place, lines)
    async with open_store(place) as store:
        await store.check()
        record, facts = await store.load("r1")
        kept = {one.address for one in facts if one.kind == "step"}
        assert announced <= kept
        assert record.steps == len(kept)
        await store.delete("r1")
        await store.check()


async def test_what_was_announced_survives_a_kill(place):
    """A process is killed a few commits after another number of them."""
    for lines in range(1, 5):
        await check_announced(place, lines * 7)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_what_was_announced_survives_a_kill_at_many_instants(place):
    """As above, at twenty random instants."""
    chance = random.Random(4)
    for _ in range(20):
        await check_announced(place, chance.randint(1, 400))


def test_two_stores_in_one_process_are_two(place):
    """Opened twice, a place is shared as by two processes."""
    run_python(
        """
        async def main(place):
            async with open_store(place) as one, open_store(place) as other:
                await one.create(run())
                await asyncio.gather(*(
                    store.commit("r1", 0, [fact(f"{n}.{store is one}")])
                    for n in range(20) for store in (one, other)))
                assert (await other.load("r1"))[0].steps == 40
        asyncio.run(main(sys.argv[1]))
        """,
        place,
    )
