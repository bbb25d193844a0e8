"""Whole graphs on real HTTP: the embedded model with both frameworks, and servers that fail."""

import asyncio
import gc
import json
import os
import signal
import warnings
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    BestEffort,
    End,
    Fork,
    Graph,
    ParallelExecutor,
    RetryPolicy,
    RunContext,
)
from lift_sys.core.events import RetryScheduled
from lift_sys.errors import ParallelExecutionError
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.llm.local import Endpoint, dspy_lm, local_model, pydantic_ai_model
from lift_sys.reducers import Append

pytestmark = pytest.mark.extra("dspy", "pydantic_ai", "openai", "xllamacpp")


@pytest.fixture(autouse=True)
def connections_collected():
    """Agents here live for one call, and their clients' connections until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


Mood = Literal["positive", "negative"]


class Opinion(BaseModel):
    mood: Mood


class Reviews(BaseModel):
    text: str = "I love this phone, it is wonderful."
    mood: str = ""
    moods: Annotated[list[str], Append()] = []


class ByAgent(AgentNode[Reviews, Opinion]):
    def agent_for(self, ctx):
        from pydantic_ai import Agent

        return Agent(pydantic_ai_model(ctx.deps, max_tokens=20), output_type=Opinion)

    def prompt(self, state: Reviews) -> str:
        return f"Is the mood positive or negative? {state.text}"

    def update_state(self, state: Reviews, output: Opinion) -> None:
        state.moods.append(output.mood)

    def next_node(self, ctx: RunContext[Reviews]) -> End:
        return End()


class BySignature(SignatureNode[Reviews]):
    signature = "text -> mood: Literal['positive', 'negative']"

    def lm_for(self, ctx):
        import dspy

        self.adapter = dspy.JSONAdapter()
        return dspy_lm(ctx.deps, max_tokens=40)

    def update_state(self, state: Reviews, prediction) -> None:
        state.moods.append(prediction.mood)

    def next_node(self, ctx: RunContext[Reviews]) -> End:
        return End()


class Quick(BaseNode[Reviews]):
    async def run(self, ctx: RunContext[Reviews]) -> End:
        ctx.state.moods.append("quick")
        return End()


class Long(ByAgent):
    """A long answer, to be interrupted."""

    def agent_for(self, ctx):
        from pydantic_ai import Agent

        return Agent(pydantic_ai_model(ctx.deps, max_tokens=400), output_type=str)

    def prompt(self, state: Reviews) -> str:
        return "Tell a very long story about a phone."

    def update_state(self, state: Reviews, output) -> None:
        state.moods.append("story")


class Ask(BaseNode[Reviews]):
    def __init__(self, nodes, **options) -> None:
        self.nodes, self.options = nodes, options

    async def run(
        self, ctx: RunContext[Reviews]
    ) -> Fork[ByAgent | BySignature | Quick | Long, End[None]]:
        return Fork(self.nodes, then=End(), **self.options)


@pytest.mark.slow
@pytest.mark.timeout(90)
async def test_both_frameworks_answer_side_by_side():
    """Four requests in flight, typed answers in declared order, and what they cost."""
    nodes = [ByAgent(), BySignature(), ByAgent(), BySignature()]

    async with local_model(parallel=4) as endpoint:
        result = await Graph(Ask(nodes)).run(state=Reviews(), deps=endpoint)

    assert len(result.state.moods) == 4
    assert set(result.state.moods) <= {"positive", "negative"}
    assert result.usage.total.calls == 4
    assert set(result.usage) == {"0.0", "0.1", "0.2", "0.3"}
    assert result.usage.total.output_tokens > 0


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("keeps", [False, True])
async def test_server_killed_in_mid_answer(keeps):
    """The failure names its step; what else there was is cancelled, or kept, as the policy says."""
    strategy = {"strategy": BestEffort(min_success=1)} if keeps else {}

    async with local_model(parallel=2) as endpoint:

        async def kill() -> None:
            await asyncio.sleep(1.0)  # real time: a real process is answering
            os.kill(endpoint.pid, signal.SIGKILL)

        killing = asyncio.create_task(kill())
        run = Graph(Ask([Long(), Quick(), Long()], **strategy)).run(state=Reviews(), deps=endpoint)
        if keeps:
            result = await run
            assert result.state.moods == ["quick"]
        else:
            with pytest.raises(ParallelExecutionError, match=r"0\.[02]") as caught:
                await run
            assert len(caught.value.failed_nodes) in (1, 2)
            assert caught.value.partial_results[1].is_success
        await killing


async def serve(statuses, headers=()):
    """An OpenAI-compatible server that gives these statuses in turn, then answers."""
    left = list(statuses)

    async def answer(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
        status = left.pop(0) if left else 200
        message = {"role": "assistant", "content": json.dumps({"mood": "positive"})}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        good = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
        body = json.dumps(
            good | {"choices": [choice], "usage": usage}
            if status == 200
            else {"error": {"message": "no", "type": "server"}}
        ).encode()
        extra = "".join(f"{name}: {value}\r\n" for name, value in headers if status != 200)
        writer.write(
            f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
            f"content-length: {len(body)}\r\n{extra}\r\n".encode()
            + body
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


@pytest.mark.parametrize("node", [ByAgent(), BySignature()], ids=lambda node: type(node).__name__)
@pytest.mark.parametrize(
    ("statuses", "headers", "least"),
    [([429], [("retry-after", "0.3")], 0.3), ([500, 503], [], 0.0)],
    ids=["429", "500"],
)
async def test_a_failing_server_is_retried_as_the_policy_says(
    node, statuses, headers, least, monkeypatch
):
    """A 429 waits for its `Retry-After`, a 500 for the back-off; then the answer counts."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    server, url = await serve(statuses, headers)
    retry = RetryPolicy(max_attempts=4, first_delay=0.01)
    graph = Graph(Ask([node]), executor=ParallelExecutor(retry=retry))
    delays = []

    async with server:
        result = await graph.run(
            state=Reviews(),
            deps=Endpoint(model="m", base_url=url),
            on_event=lambda e: delays.append(e.delay) if isinstance(e, RetryScheduled) else None,
        )

    assert result.state.moods == ["positive"]
    assert len(delays) == len(statuses)
    assert min(delays) >= least
