"""What providers' failures look like behind the nodes, over real HTTP on loopback.

The engine retries by HTTP status, `Retry-After` and the type of a transport error: these tests hold
both frameworks to showing them, since each wraps its client's errors in a way of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import End, RetryPolicy, RunContext
from lift_sys.errors import LiftError
from lift_sys.execution.retry import http_status, is_transient, retry_after
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.testing import context_for

pytestmark = pytest.mark.extra("dspy", "pydantic_ai", "openai")


class Question(BaseModel):
    question: str = "What colour is the sky?"
    answer: str = ""


class ByDspy(SignatureNode[Question]):
    signature = "question -> answer"

    def next_node(self, ctx: RunContext[Question]) -> End:
        return End()


class ByPydanticAI(AgentNode[Question, str]):
    def prompt(self, state: Question) -> str:
        return state.question

    def update_state(self, state: Question, output: str) -> None:
        state.answer = output

    def next_node(self, ctx: RunContext[Question]) -> End:
        return End()


class Streaming(ByPydanticAI):
    stream = True


@dataclass
class Provider:
    """An HTTP server that gives every request the same answer; None hangs up without one."""

    status: int | None
    headers: dict[str, str] = field(default_factory=dict)
    requests: int = 0
    url: str = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.splitlines()
            if line.lower().startswith(b"content-length")
        )
        await reader.readexactly(length)
        self.requests += 1
        if self.status is not None:
            body = json.dumps(ANSWER if self.status == 200 else REFUSAL).encode()
            lines = {
                "content-type": "application/json",
                "content-length": str(len(body)),
                "connection": "close",
            } | self.headers
            text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
            writer.write(f"HTTP/1.1 {self.status} Because\r\n{text}\r\n".encode() + body)
        writer.close()
        await writer.wait_closed()


REFUSAL = {"error": {"message": "not now", "type": "server", "code": "none"}}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o-mini",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "[[ ## answer ## ]]\nblue"},
        }
    ],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}


@asynccontextmanager
async def provider(status: int | None, **headers: str) -> AsyncIterator[Provider]:
    """Serve on a free port of loopback."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    made = Provider(status, named)
    server = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield made


async def ask(node: Any, url: str) -> tuple[RunContext[Question], Exception | None]:
    """Run the node against the server at `url`, with clients in their default configuration."""
    if isinstance(node, SignatureNode):
        import dspy

        lm = dspy.LM("openai/gpt-4o-mini", api_key="sk-secret", api_base=url, cache=False)
        ctx, close = context_for(Question(), deps=lm), lm.aclose
    else:
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        served = OpenAIProvider(base_url=url, api_key="sk-secret")
        agent = Agent(OpenAIChatModel("gpt-4o-mini", provider=served))
        ctx, close = context_for(Question(), deps={"agent": agent}), served.client.close
    try:
        await node.run(ctx)
    except Exception as error:
        return ctx, error
    finally:
        await close()
    return ctx, None


every_node = pytest.mark.parametrize(
    "node", [ByDspy(), ByPydanticAI(), Streaming()], ids=lambda node: type(node).__name__
)


@every_node
@pytest.mark.parametrize(("status", "wait"), [(429, 7.0), (503, 3.0), (500, None), (529, None)])
async def test_status_and_retry_after_are_visible_and_one_request_was_made(node, status, wait):
    """The client's own retries are off by default, and the wait that the server asked for shows."""
    headers = {} if wait is None else {"retry_after": f"{wait:g}"}
    async with provider(status, **headers) as server:
        ctx, error = await ask(node, server.url)

    assert error is not None
    assert not isinstance(error, LiftError)
    assert http_status(error) == status
    assert retry_after(error) == wait
    assert is_transient(RetryPolicy(), error)
    assert server.requests == ctx.scope.ledger.total.calls == 1


@every_node
async def test_refusals_that_last_are_not_transient(node):
    """A wrong key stays wrong."""
    async with provider(401) as server:
        _, error = await ask(node, server.url)

    assert error is not None
    assert http_status(error) == 401
    assert not is_transient(RetryPolicy(), error)


@every_node
async def test_refused_connection_is_transient(node):
    """Nobody listens: the error has no status, and a ConnectionError is behind it."""
    async with provider(200) as server:
        pass

    _, error = await ask(node, server.url)

    assert error is not None
    assert http_status(error) is None
    assert is_transient(RetryPolicy(), error)


@pytest.mark.parametrize(
    "node", [ByDspy(), ByPydanticAI(), Streaming()], ids=lambda n: type(n).__name__
)
async def test_dropped_connection_is_transient(node):
    """The server hung up without an answer."""
    async with provider(None) as server:
        _, error = await ask(node, server.url)

    assert error is not None
    assert is_transient(RetryPolicy(), error)
    assert server.requests == 1


@pytest.mark.parametrize("node", [ByDspy(), ByPydanticAI()], ids=lambda node: type(node).__name__)
async def test_price_is_known_and_no_key_is_kept(node):
    """Both frameworks know the price of a known model; provenance says nothing of the key."""
    async with provider(200) as server:
        ctx, error = await ask(node, server.url)

    assert error is None
    assert "blue" in ctx.state.answer
    spent = ctx.scope.ledger.total
    assert (spent.input_tokens, spent.output_tokens) == (1000, 100)
    assert spent.cost == pytest.approx(1000 * 0.15e-6 + 100 * 0.6e-6)
    assert ctx.provenance[0]["model"] == "gpt-4o-mini"
    assert "sk-secret" not in json.dumps(ctx.provenance)


async def test_answer_from_dspys_cache_costs_nothing():
    """DSPy keeps the price of the first call with the answer; it was paid once."""
    import dspy

    async with provider(200) as server:
        lm = dspy.LM("openai/gpt-4o-mini", api_key="sk-secret", api_base=server.url, seed=4)
        first, second = (context_for(Question(), deps=lm) for _ in range(2))
        await ByDspy().run(first)
        await ByDspy().run(second)
        await lm.aclose()

    assert server.requests == 1
    assert first.scope.ledger.total.cost == pytest.approx(0.00021)
    assert second.scope.ledger.total.cost == 0
    assert second.scope.ledger.total.cached_calls == 1
