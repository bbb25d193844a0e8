"""Identical requests of parallel tasks: each task has its own answer again, in whatever order they ask."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.errors import CassetteFileError, CassetteMissError
from lift_sys.llm.cassette import Cassette, at, new_run
from lift_sys.llm.cassette.file import read
from lift_sys.testing import run_virtual

URL = "http://127.0.0.1:9/"
orders = st.permutations(range(4))


class Service:
    """Answers `1`, `2`, ... in the order in which it is asked; clients come late by what they say."""

    def __init__(self) -> None:
        self.asked = 0

    def client(self, cassette: Cassette) -> httpx.AsyncClient:
        def respond(request: httpx.Request) -> httpx.Response:
            self.asked += 1
            return httpx.Response(200, json=self.asked)

        return httpx.AsyncClient(transport=cassette.transport(httpx.MockTransport(respond)))


async def ask(client: httpx.AsyncClient, delay: float, **body: Any) -> int:
    """What OpenAI's client does, too: something takes its time before the request is sent."""
    await asyncio.sleep(delay)
    answer: int = (await client.post(URL, json=body)).json()
    return answer


async def gathered(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
    return await asyncio.gather(*(ask(client, delay) for delay in delays))


async def grouped(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(ask(client, delay), name="a judge") for delay in delays]
    return [task.result() for task in tasks]


async def nested(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
    halves = (delays[:2], delays[2:])
    pairs = await asyncio.gather(*(gathered(client, half) for half in halves))
    return [answer for pair in pairs for answer in pair]


async def from_threads(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
    """A task may hand its call to a thread."""

    async def in_a_thread(delay: float) -> int:
        await asyncio.sleep(delay)
        return await asyncio.to_thread(lambda: asyncio.run(ask(client, 0)))

    return await asyncio.gather(*map(in_a_thread, delays))


Way = Callable[[httpx.AsyncClient, Sequence[float]], Coroutine[Any, Any, list[int]]]


def play(cassette: Cassette, way: Way, delays: Sequence[float]) -> list[int]:
    async def main() -> list[int]:
        with cassette.use():
            return await way(Service().client(cassette), delays)

    return run_virtual(main())[0]


@pytest.mark.parametrize("way", [gathered, grouped, nested], ids=lambda way: way.__name__)
@given(first=orders, second=orders)
@settings(max_examples=20)
def test_each_task_has_its_own_answer_again_in_any_order_of_asking(way, first, second):
    """Which task asks first when it is recorded, and which when it is replayed, is of no account."""
    cassette = Cassette.memory("record")
    recorded = play(cassette, way, first)

    assert play(cassette.replaying(), way, second) == recorded
    assert sorted(recorded) == [1, 2, 3, 4]


async def test_calls_in_threads_belong_to_the_task_that_started_them():
    """A thread has the context of its task."""
    cassette = Cassette.memory("record")
    with cassette.use():
        recorded = await from_threads(Service().client(cassette), [0.03, 0.02, 0.01, 0])
    replaying = cassette.replaying()
    with replaying.use():
        replayed = await from_threads(Service().client(replaying), [0, 0.01, 0.02, 0.03])

    assert replayed == recorded


class Panel(BaseModel):
    answers: list[int] = []


class Judges(BaseNode[Panel]):
    """Asks four times at once, and then once more."""

    async def run(self, ctx: RunContext[Panel]) -> End[None]:
        client, delays = ctx.deps
        answers = await asyncio.gather(*(ask(client, delay) for delay in delays))
        ctx.state.answers = [*answers, await ask(client, 0)]
        return End()


@given(first=orders, second=orders)
@settings(max_examples=20)
def test_step_of_a_graph_that_brings_its_own_event_loop(tmp_path_factory, first, second):
    """`use()` may be entered before there is a loop; the file says which task has asked."""
    path = tmp_path_factory.mktemp("panel") / "calls.jsonl"
    states = []
    for order in (first, second):
        with Cassette(path).use() as cassette:
            deps = (Service().client(cassette), [number / 1000 for number in order])
            states.append(Graph(Judges).run_sync(state=Panel(), deps=deps).state)

    assert states[0] == states[1]
    assert cassette.statistics.live == 0
    assert [entry.task for entry in read(path)] == ["", "1", "2", "3", "4"]


def test_every_run_numbers_its_tasks_from_one():
    """A second run finds what the first has recorded."""
    cassette = Cassette.memory()

    async def main() -> list[list[int]]:
        client, runs = Service().client(cassette), []
        with cassette.use():
            for delays in ([0, 1], [1, 0]):
                with new_run():
                    runs.append(await gathered(client, delays))
        return runs

    first, second = run_virtual(main())[0]
    assert first == second


def test_same_name_in_several_tasks_keeps_them_apart():
    """`at` adds a name to where a call stands and takes nothing away."""

    async def judges(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
        async def judge(delay: float) -> int:
            with at("judge"):
                return await ask(client, delay)

        return await asyncio.gather(*map(judge, delays))

    cassette = Cassette.memory("record")
    recorded = play(cassette, judges, [2, 1])

    assert play(cassette.replaying(), judges, [1, 2]) == recorded


def test_tasks_are_told_only_where_the_request_is_not_enough(tmp_path):
    """A file is read by people; recording it anew, in other tasks, is no news."""
    path = tmp_path / "calls.jsonl"

    async def different(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
        calls = (ask(client, delay, text=i) for i, delay in enumerate(delays))
        return await asyncio.gather(*calls)

    async def alone(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
        return [await ask(client, 0, text=i) for i, _ in enumerate(delays)]

    play(Cassette(path), different, [0, 1])
    before = path.read_text()
    assert '"task"' not in before
    play(Cassette(path, "record"), alone, [0, 1])

    lines = [
        [json.loads(line) | {"seconds": 0} for line in text.splitlines()]
        for text in (before, path.read_text())
    ]
    assert lines[0] == lines[1]


@pytest.mark.parametrize("record_wrapped", [True, False])
def test_task_more_around_a_call_changes_no_answer(record_wrapped):
    """Python 3.11 makes a task for `asyncio.wait_for` and later ones do not; files serve both."""

    async def wrapped(client: httpx.AsyncClient, delays: Sequence[float]) -> list[int]:
        async def judge(delay: float) -> int:
            return await asyncio.create_task(ask(client, delay))

        return await asyncio.gather(*map(judge, delays))

    first, second = (wrapped, gathered) if record_wrapped else (gathered, wrapped)
    cassette = Cassette.memory("record")
    recorded = play(cassette, first, [4, 3, 2, 1])

    assert play(cassette.replaying(), second, [1, 2, 3, 4]) == recorded


def test_task_more_than_recorded_is_a_miss():
    """It does not take what another one was told."""
    cassette = Cassette.memory("record")
    play(cassette, gathered, [0, 0])

    with pytest.raises(CassetteMissError, match="asked this 3 times here, and 2 answers were"):
        play(cassette.replaying(), gathered, [0, 0, 0])


async def test_loop_is_left_as_it_was():
    """What tells tasks apart is gone with the last `use()`, in whatever order they end."""
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    first, second = Cassette.memory().use(), Cassette.memory().use()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert loop.get_task_factory() is not before
    second.__exit__(None, None, None)

    assert loop.get_task_factory() is before


async def test_factory_of_tasks_of_ones_own_is_kept():
    """Eager tasks, for one."""
    loop = asyncio.get_running_loop()
    made = []

    def factory(loop: Any, coro: Any, **options: Any) -> Any:
        made.append(coro)
        return asyncio.Task(coro, loop=loop, **options)

    loop.set_task_factory(factory)
    try:
        cassette = Cassette.memory()
        with cassette.use():
            await gathered(Service().client(cassette), [0, 0])
        assert loop.get_task_factory() is factory
    finally:
        loop.set_task_factory(None)

    assert len(made) == 2
    assert [entry.task for entry in cassette.entries] == ["1", "2"]


async def test_transport_alone_tells_tasks_apart():
    """Without any `use()`, from the making of the transport until the client is closed."""
    cassette = Cassette.memory("record")
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    async with Service().client(cassette) as client:
        recorded = await gathered(client, [0.02, 0.01, 0])
    assert loop.get_task_factory() is before
    async with Service().client(replaying := cassette.replaying()) as client:
        replayed = await gathered(client, [0, 0.01, 0.02])

    assert replayed == recorded
    assert replaying.hits == 3


@pytest.mark.parametrize("task", [3, "x", "1.", ""])
def test_task_that_is_none_is_refused(tmp_path, task):
    """Somebody has edited it."""
    path = tmp_path / "calls.jsonl"
    line = {"address": "", "task": task, "client": "http", "request": {}, "answer": 1}
    header = {"format": "lift_sys.cassette", "version": 2, "salt": "5a" * 16}
    path.write_text(f"{json.dumps(header)}\n{json.dumps(line)}\n")

    with pytest.raises(CassetteFileError, match="'task'"):
        Cassette(path)
