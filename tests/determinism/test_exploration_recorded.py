"""Calls to the outside are made once; every further run gets the recorded answers."""

import asyncio
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.exploration import Recordings, explore, outside, replay
from lift_sys.errors import UncontrolledError


class Asked(BaseModel):
    answers: list[str] = []


class Outside:
    """A service that answers in another way each time."""

    def __init__(self):
        self.calls = 0

    async def ask(self, question):
        self.calls += 1
        await asyncio.sleep(1)
        return f"{question}: {self.calls}"


def test_calls_are_made_once_for_all_schedules():
    service = Outside()

    async def target():
        questions = [outside(lambda q=q: service.ask(q), key=q) for q in ("a", "b", "c")]
        return await asyncio.gather(*questions)

    found = explore(target)

    assert (found.verdict, service.calls, found.calls) == ("same", 3, 3)
    assert found.grade.name == "PROVEN"
    assert any("3 answers from outside" in text for text in found.assumptions)


def test_recorded_answers_may_come_in_any_order():
    service = Outside()

    async def target():
        order = []

        async def ask(question):
            order.append(await outside(lambda: service.ask(question), key=question))

        await asyncio.gather(*[ask(question) for question in ("a", "b", "c")])
        return order

    recordings = Recordings()
    found = explore(target, recordings=recordings)

    assert (found.verdict, service.calls) == ("differs", 3)
    again = replay(target, schedule=found.counterexample.schedule, recordings=recordings)
    assert again.digest == found.counterexample.outcome.digest
    assert service.calls == 3


def test_errors_are_recorded_too():
    calls = []

    async def target():
        async def fail():
            calls.append(1)
            raise ConnectionError("refused")

        return await outside(fail)

    found = explore(target)

    assert found.outcomes[0].outcome.text == "ConnectionError: refused"
    assert len(calls) == 1


async def test_without_an_exploration_it_is_a_plain_call():
    service = Outside()

    assert await outside(lambda: service.ask("a")) == "a: 1"


@pytest.mark.extra("pydantic_ai")
def test_agents_of_a_graph_are_asked_once_for_all_schedules():
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    calls = []

    async def answer(messages, info):
        calls.append(messages)
        await asyncio.sleep(1)
        return ModelResponse(parts=[TextPart(f"answer {len(calls)}")])

    agent = Agent(FunctionModel(answer))
    order = []

    class Ask(BaseNode[Asked]):
        async def run(self, ctx: RunContext[Asked]) -> End[str]:
            output = (await agent.run("why?")).output
            order.append(output)
            return End(output)

    class Collect(BaseNode[Asked]):
        async def run(self, ctx: RunContext[Asked]) -> End:
            ctx.state.answers = list(order)
            return End()

    class Begin(BaseNode[Asked]):
        async def run(self, ctx: RunContext[Asked]) -> Fork[Ask, Collect]:
            order.clear()
            return Fork([Ask() for _ in range(3)], then=Collect())

    found = explore(Graph(Begin), Asked(), strategy="urw", budget=60)

    assert (found.verdict, len(calls), found.calls) == ("differs", 3, 3)


@pytest.mark.extra("pydantic_ai")
def test_models_that_are_plain_functions_answer_through_threads_of_anyio():
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    calls = []

    def answer(messages, info):
        calls.append(messages)
        return ModelResponse(parts=[TextPart(f"answer {len(calls)}")])

    agent = Agent(FunctionModel(answer))

    async def ask() -> str:
        return (await agent.run("why?")).output

    before = threading.active_count()
    found = explore(ask, budget=10)

    assert (found.verdict, found.outcomes[0].outcome.text) == ("same", "'answer 1'")
    assert (len(calls), found.calls) == (1, 1)
    assert threading.active_count() == before  # one that waits for ever keeps Python from ending


class Server:
    """A web server on this machine that counts its requests."""

    def __init__(self):
        served = self.served = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                served.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(self.path.encode())

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        self.port = self.server.server_port
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


async def fetch(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


def test_calls_that_need_the_network_are_made_once_in_a_real_loop():
    with Server() as server:

        async def target():
            asked = [outside(lambda p=p: fetch(server.port, p), key=p) for p in ("/a", "/b")]
            return await asyncio.gather(*asked)

        found = explore(target)

    assert sorted(server.served) == ["/a", "/b"]
    assert found.verdict == "same"
    assert found.outcomes[0].outcome.example.output == ["/a", "/b"]


def test_sockets_on_this_machine_are_for_sampling_only():
    with Server() as server:

        async def target():
            return await asyncio.gather(fetch(server.port, "/a"), fetch(server.port, "/b"))

        found = explore(target, budget=10)

    assert (found.verdict, found.grade.name) == ("same", "SAMPLED")
    assert any("connections within this machine" in text for text in found.caveats)


@pytest.mark.parametrize("options", [{}, {"sockets": False}])
def test_other_machines_are_refused(options):
    async def target():
        await asyncio.open_connection("192.0.2.1", 80)

    with pytest.raises(UncontrolledError, match="while schedules are explored"):
        explore(target, **options)


def test_names_of_other_machines_are_never_looked_up(monkeypatch):
    """A look-up asks servers elsewhere, and once for each schedule: the first one is refused."""
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or [])
    runs: list[None] = []

    async def ask() -> None:
        runs.append(None)
        with suppress(OSError):
            await asyncio.open_connection("example.com", 80)

    with pytest.raises(UncontrolledError, match=r"A look-up of example\.com"):
        explore(ask)

    assert asked == []
    assert len(runs) <= 4


def test_names_of_this_machine_are_looked_up():
    """Servers of a test listen on localhost."""

    async def ask() -> bytes:
        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"x")
            writer.close()

        async with await asyncio.start_server(answer, "localhost", 0) as server:
            host, port = server.sockets[0].getsockname()[:2]
            reader, writer = await asyncio.open_connection(host, port)
            said = await reader.read()
            writer.close()
        return said

    assert explore(ask, budget=3).outcomes[0].outcome.example.output == b"x"


def test_what_fails_alike_in_every_schedule_ends_early():
    """Its failure has to be mended first; other strategies than `auto` do as they are told."""

    async def fails() -> None:
        await asyncio.to_thread(int)  # so that there is no proof
        await asyncio.gather(*[asyncio.sleep(0.1) for _ in range(3)])
        raise ValueError("as ever")

    found = explore(fails, budget=200)

    assert found.verdict == "same"
    assert found.always_fails
    assert 50 <= found.schedules < 200
    assert explore(fails, budget=60, strategy="urw").schedules == 60
