"""A PostgreSQL server that goes away in the middle of a run, or falls silent, and comes back."""

import asyncio
import signal
import time

import pytest
from durability.postgres_server import running_server
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.core.events import NodeFinished
from lift_sys.durability import PostgresStore
from lift_sys.durability.stores import postgres
from lift_sys.errors import StoreError

pytestmark = [pytest.mark.extra("psycopg"), pytest.mark.slow]


class Sum(BaseModel):
    done: dict[str, int] = {}


class Begin(BaseNode[Sum]):
    async def run(self, ctx: RunContext[Sum]) -> "Fork[Part, Close]":
        return Fork([Part(number) for number in range(4)], then=Close())


class Part(BaseNode[Sum]):
    """Its second step is the first one that the outage may hit."""

    def __init__(self, number: int, step: int = 0) -> None:
        self.number, self.step = number, step

    async def run(self, ctx: RunContext[Sum]) -> "Part | End":
        ctx.deps.ran.append(ctx.address)
        if self.step == 1:
            await ctx.deps.strike()
        ctx.state.done[ctx.address] = self.step
        return End() if self.step == 2 else Part(self.number, self.step + 1)


class Close(BaseNode[Sum]):
    async def run(self, ctx: RunContext[Sum]) -> End[int]:
        return End(len(ctx.state.done))


class Outage:
    """What happens to the server when the nodes say so, once; and what ran."""

    def __init__(self, happen) -> None:
        self.ran, self._happen, self._done = [], happen, None

    async def strike(self):
        self._done = self._done or asyncio.ensure_future(asyncio.to_thread(self._happen))
        await self._done


@pytest.fixture
def server(postgres_binaries):
    """A server of this test's own."""
    with running_server(postgres_binaries) as made:
        yield made


GRAPH = Graph(Begin)


async def begun(store, outage):
    """A run that the outage hits; which steps were announced, and the error."""
    announced = []

    def on_event(event):
        if isinstance(event, NodeFinished):
            announced.append(event.address)

    with pytest.raises(StoreError) as raised:
        await GRAPH.run(
            state=Sum(), store=store, execution_id="one", deps=outage, on_event=on_event
        )
    return announced, str(raised.value)


async def gone_on(store, outage):
    """The result of a run that is resumed, and what ran again."""
    before = len(outage.ran)
    result = await GRAPH.resume("one", store=store, deps=outage)
    return result.output, outage.ran[before:]


@pytest.mark.parametrize("same", [True, False])
async def test_a_server_that_crashes_stops_the_run_and_no_more(server, same):
    """The error says what to do; what was announced is not run again, also in the same store."""
    outage = Outage(server.kill)
    async with PostgresStore(server.url) as store:
        announced, said = await begun(store, outage)
        with pytest.raises(StoreError, match="can't be reached"):
            await store.load("one")
        server.start()
        async with PostgresStore(server.url) as other:
            output, again = await gone_on(store if same else other, outage)

    assert "can't be reached" in said
    assert "goes on when it is resumed" in said
    assert output == 12
    assert not {*announced} & {*again}
    assert len(announced) >= 5


@pytest.mark.timeout(60)
async def test_a_server_that_falls_silent_is_noticed(server, monkeypatch):
    """A frozen one still has its sockets: no network tells that nobody is there."""
    monkeypatch.setattr(postgres, "PATIENCE", 1)
    outage = Outage(lambda: server.signal(signal.SIGSTOP))
    url = f"{server.url}&connect_timeout=2"
    try:
        async with PostgresStore(url) as store:
            began = time.monotonic()
            announced, said = await begun(store, outage)
            took = time.monotonic() - began
            server.signal(signal.SIGCONT)
            output, again = await gone_on(store, outage)
    finally:
        server.signal(signal.SIGCONT)

    assert "can't be reached" in said
    assert took < 20
    assert output == 12
    assert not {*announced} & {*again}


@pytest.mark.timeout(60)
async def test_a_server_that_is_slow_is_waited_for(server, monkeypatch):
    """As long as it answers anybody: it may have a large table to read."""
    monkeypatch.setattr(postgres, "PATIENCE", 0.5)
    async with PostgresStore(server.url) as store:
        assert await store._do("", lambda db: db.execute("SELECT 1 FROM pg_sleep(3)")) == [(1,)]
