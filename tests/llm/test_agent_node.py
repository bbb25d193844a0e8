"""AgentNode: state to prompt and output to state, streaming, what a run costs, what goes wrong."""

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import End, Graph, RunContext
from lift_sys.core.context import RunScope
from lift_sys.core.events import Event, TokenDelta
from lift_sys.errors import MissingExtraError, ModelOutputError, UsageError
from lift_sys.llm import AgentNode
from lift_sys.testing import Delayed, ScriptedModel, context_for, virtual

pytestmark = pytest.mark.extra("pydantic_ai")


class Review(BaseModel):
    text: str = "It works."
    summary: str = ""
    stars: int = 0


class Line(BaseModel):
    text: str
    stars: int = 0


class Summary(AgentNode[Review, Line]):
    def prompt(self, state: Review) -> str:
        return f"Summarise: {state.text}"

    def update_state(self, state: Review, output: Line) -> None:
        state.summary, state.stars = output.text, output.stars

    def next_node(self, ctx: RunContext[Review]) -> End[str]:
        return End(ctx.state.summary)


class Aloud(AgentNode[Review, str]):
    stream = True

    def prompt(self, state: Review) -> str:
        return state.text

    def update_state(self, state: Review, output: str) -> None:
        state.summary = output

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


@dataclass
class Services:
    agent: Any


def agent_of(model: Any, output_type: Any = Line, **settings: Any) -> Any:
    """An agent on a script, or on a ready model."""
    from pydantic_ai import Agent

    model = model.for_pydantic_ai() if isinstance(model, ScriptedModel) else model
    return Agent(model, output_type=output_type, **settings)


def answering(*answers: Any, output_type: Any = Line, **fields: Any) -> RunContext[Review]:
    """A context whose agent gives these answers, one after the other."""
    services = Services(agent_of(ScriptedModel(answers), output_type))
    return context_for(Review(), deps=services, **fields)


# --- state, prompt and output -------------------------------------------------------------------


async def test_prompt_comes_from_the_state_and_output_goes_to_it():
    """The output is typed, and the successor is chosen on the updated state."""
    model = ScriptedModel([Line(text="works", stars=4)])
    ctx = context_for(Review(), deps=Services(agent_of(model)))

    successor = await Summary().run(ctx)

    assert model.calls[0].endswith("Summarise: It works.")
    assert (ctx.state.summary, ctx.state.stars) == ("works", 4)
    assert successor == End("works")


async def test_prompt_may_be_several_pieces():
    """Text, images and documents go in as Pydantic AI takes them."""

    class Node(Summary):
        def prompt(self, state: Review) -> list[str]:
            return ["First.", state.text]

    model = ScriptedModel([Line(text="works")])
    await Node().run(context_for(Review(), deps=Services(agent_of(model))))

    assert model.calls == ["First.\n\nIt works."]


async def test_next_node_may_be_async_and_declares_the_edges():
    """A graph reads the return annotation of `next_node`, and runs the node."""

    class Node(Summary):
        agent = agent_of(ScriptedModel([Line(text="works")]))

        async def next_node(self, ctx: RunContext[Review]) -> End[str]:
            await asyncio.sleep(0)
            return End(ctx.state.summary)

    result = await Graph(Node).run(state=Review())

    assert result.output == "works"
    assert result.usage.total.calls == 1


async def test_agent_of_the_class_wins_over_deps():
    """The nearest one counts; `deps` may also be a mapping."""

    class Node(Summary):
        agent = agent_of(ScriptedModel([Line(text="from class")]))

    seen = []
    for node in (Node(), Summary()):
        deps = {"agent": agent_of(ScriptedModel([Line(text="from deps")]))}
        ctx = context_for(Review(), deps=deps)
        await node.run(ctx)
        seen.append(ctx.state.summary)

    assert seen == ["from class", "from deps"]


async def test_without_agent_the_error_shows_what_to_write():
    """Nothing was asked yet."""
    with pytest.raises(UsageError, match=r"Summary has no agent.*agent = Agent\("):
        await Summary().run(context_for(Review()))


async def test_model_of_the_node_replaces_the_agents():
    """One agent may serve nodes with models of different cost."""

    class Node(Summary):
        model = ScriptedModel([Line(text="from node")]).for_pydantic_ai(model_name="cheap")

    ctx = answering(Line(text="from agent"))
    await Node().run(ctx)

    assert ctx.state.summary == "from node"
    assert ctx.provenance[0]["model"] == "cheap"


async def test_tools_get_the_contexts_deps():
    """`deps` are the user's services, for nodes and for tools alike."""
    from pydantic_ai import Agent
    from pydantic_ai import RunContext as ToolContext
    from pydantic_ai.messages import ModelResponse, ToolCallPart

    deps: dict[str, Any] = {"asked": False}
    model = ScriptedModel([ModelResponse([ToolCallPart("look_up", {})]), "done"])
    agent: Any = Agent(model.for_pydantic_ai(), deps_type=dict)
    deps["agent"] = agent

    @agent.tool
    async def look_up(tool: ToolContext[Any]) -> str:
        tool.deps["asked"] = True
        return "found"

    ctx = context_for(Review(), deps=deps)
    await Aloud().run(ctx)

    assert deps["asked"] is True
    assert ctx.state.summary == "done"
    assert ctx.scope.ledger.total.calls == 2


async def test_missing_pydantic_ai_is_said_by_name(monkeypatch):
    """The message names the extra that installs it."""
    ctx = answering(Line(text="works"))
    monkeypatch.setitem(sys.modules, "pydantic_ai", None)

    with pytest.raises(MissingExtraError, match=r"lift_sys\[ai\]"):
        await Summary().run(ctx)


# --- options ------------------------------------------------------------------------------------


async def settings_sent(node: Summary, **agent_settings: Any) -> dict[str, Any]:
    """The model settings that a request of `node` carries."""
    from pydantic_ai.messages import ModelResponse, ToolCallPart
    from pydantic_ai.models.function import FunctionModel

    sent: list[Any] = []

    async def answer(_messages: Any, info: Any) -> ModelResponse:
        sent.append(dict(info.model_settings or {}))
        return ModelResponse([ToolCallPart(info.output_tools[0].name, {"text": "works"})])

    agent = agent_of(FunctionModel(answer), **agent_settings)
    await node.run(context_for(Review(), deps=Services(agent)))
    return sent[0]


async def test_clients_own_retries_are_off_unless_somebody_chose_them():
    """The engine's retries would be multiplied; an explicit choice is respected."""

    class Chooses(Summary):
        def run_options(self, ctx: RunContext[Review]) -> dict[str, Any]:
            return {"model_settings": {"max_retries": 5, "temperature": 0.5}}

    assert await settings_sent(Summary()) == {"max_retries": 0}
    assert await settings_sent(Summary(), model_settings={"temperature": 0.25}) == {
        "temperature": 0.25,
        "max_retries": 0,
    }
    assert await settings_sent(Summary(), model_settings={"max_retries": 1}) == {"max_retries": 1}
    assert await settings_sent(Chooses()) == {"max_retries": 5, "temperature": 0.5}


async def test_model_that_ignores_max_retries_is_not_sent_it():
    """Pydantic AI would warn of a setting that the user never made."""
    from pydantic_ai.models.test import TestModel

    class Ignores(TestModel):
        unsupported_settings = frozenset({"max_retries"})

    ctx = context_for(Review(), deps=Services(agent_of(Ignores())))
    await Summary().run(ctx)

    assert ctx.state.summary == "a"


async def test_usage_limits_stop_the_run():
    """What was spent before the limit is in the ledger; the request that was not made is not."""
    from pydantic_ai.exceptions import UsageLimitExceeded
    from pydantic_ai.usage import UsageLimits

    class Node(Summary):
        def run_options(self, ctx: RunContext[Review]) -> dict[str, Any]:
            return {"usage_limits": UsageLimits(request_limit=1)}

    ctx = answering({"wrong": 1}, Line(text="works"))
    with pytest.raises(UsageLimitExceeded, match="request_limit of 1"):
        await Node().run(ctx)

    assert ctx.scope.ledger.total.calls == 1


async def test_shared_usage_counter_is_refused():
    """Parallel runs would count each other's requests."""
    from pydantic_ai.usage import RunUsage

    class Node(Summary):
        def run_options(self, ctx: RunContext[Review]) -> dict[str, Any]:
            return {"usage": RunUsage()}

    with pytest.raises(UsageError, match="`run_options` of node Node sets `usage`"):
        await Node().run(answering(Line(text="works")))


# --- streaming ----------------------------------------------------------------------------------


def listening(ctx: RunContext[Review]) -> list[Event]:
    """Collect the events of `ctx`."""
    events: list[Event] = []
    ctx.scope.publish = events.append
    return events


async def test_streamed_text_comes_out_piece_by_piece():
    """The pieces together are the output, and each came as an event of its own."""
    ctx = answering("one two three", output_type=str)
    events = listening(ctx)

    await Aloud().run(ctx)

    texts = [event.text for event in events if isinstance(event, TokenDelta)]
    assert len(texts) > 1
    assert "".join(texts) == ctx.state.summary == "one two three"


async def test_typed_output_is_validated_after_streaming():
    """Text that stands before the output comes out as it is said; the output is no text event."""
    from pydantic_ai.models.function import DeltaToolCall, FunctionModel

    class Node(Summary):
        stream = True

    async def answer(_messages: Any, info: Any) -> AsyncIterator[Any]:
        yield "Let me "
        yield "see."
        yield {1: DeltaToolCall(info.output_tools[0].name, '{"text": "wo')}
        yield {1: DeltaToolCall(json_args='rks", "stars": 4}')}

    agent = agent_of(FunctionModel(stream_function=answer))
    ctx = context_for(Review(), deps=Services(agent))
    events = listening(ctx)
    await Node().run(ctx)

    assert (ctx.state.summary, ctx.state.stars) == ("works", 4)
    assert [e.text for e in events if isinstance(e, TokenDelta)] == ["Let me ", "see."]


async def test_without_streaming_no_tokens_are_emitted():
    """Streaming is opt-in."""

    class Silent(Aloud):
        stream = False

    ctx = answering("one two three", output_type=str)
    events = listening(ctx)
    await Silent().run(ctx)

    assert ctx.state.summary == "one two three"
    assert not any(isinstance(event, TokenDelta) for event in events)


# --- what a run costs ---------------------------------------------------------------------------


async def test_usage_is_in_ledger_and_provenance():
    """Tokens as the provider reports them; no seconds in provenance, lest equal runs differ."""
    ctx = answering(Line(text="works", stars=4), address="3.2")

    await Summary().run(ctx)

    spent = ctx.scope.ledger["3.2"]
    assert spent.calls == 1
    assert spent.output_tokens > 0 < spent.input_tokens
    assert ctx.provenance == [
        {
            "node": "Summary",
            "signature": "Line",
            "execution_id": "test",
            "address": "3.2",
            "model": "scripted",
            "usage": {
                "calls": 1,
                "cached_calls": 0,
                "input_tokens": spent.input_tokens,
                "output_tokens": spent.output_tokens,
                "cost": None,
            },
            "outputs": {"text": "works", "stars": 4},
        }
    ]


async def test_price_is_reported_where_it_is_known():
    """Prices come with Pydantic AI, by the names of provider and model."""
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel
    from pydantic_ai.usage import RequestUsage

    async def answer(_messages: Any, _info: Any) -> ModelResponse:
        usage = RequestUsage(input_tokens=1_000_000, output_tokens=0)
        return ModelResponse(
            [TextPart("works")], usage=usage, model_name="gpt-4o-mini", provider_name="openai"
        )

    class Priced(FunctionModel):
        system = "openai"

    class Node(Aloud):
        stream = False

    agent = agent_of(Priced(answer, model_name="gpt-4o-mini"), output_type=str)
    ctx = context_for(Review(), deps=Services(agent))
    await Node().run(ctx)

    assert ctx.scope.ledger.total.cost == pytest.approx(0.15)
    assert ctx.provenance[0]["usage"]["cost"] == pytest.approx(0.15)


# --- what goes wrong ----------------------------------------------------------------------------


async def test_output_that_never_validates_names_node_field_and_answer():
    """All requests are in the ledger, though nobody could use the answers."""
    ctx = answering({"text": "x", "stars": "many"}, {"text": "y", "stars": "lots"}, address="0.2")

    with pytest.raises(ModelOutputError) as caught:
        await Summary().run(ctx)

    error = caught.value
    assert error.fields == ("stars",)
    assert str(error).startswith("The model gave no valid `stars` in step 0.2 (Summary) (Exceeded")
    assert "lots" in error.came
    assert pickle.loads(pickle.dumps(error)).fields == ("stars",)
    assert ctx.scope.ledger.total.calls == 2
    assert ctx.state.summary == ""


async def test_error_of_a_tool_passes_through():
    """It is neither wrapped nor taken for a bad answer."""
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, ToolCallPart

    class OutOfPaper(Exception):
        pass

    model = ScriptedModel([ModelResponse([ToolCallPart("print_it", {})])])
    agent: Any = Agent(model.for_pydantic_ai())

    @agent.tool_plain
    async def print_it() -> str:
        raise OutOfPaper

    ctx = context_for(Review(), deps=Services(agent))
    with pytest.raises(OutOfPaper):
        await Aloud().run(ctx)

    assert ctx.scope.ledger.total.calls == 1


# --- many at once -------------------------------------------------------------------------------


@virtual
async def test_fifty_runs_of_one_node_do_not_touch_each_other():
    """One shared instance and one shared agent; each run has its own state, events and ledger."""
    script = ScriptedModel(
        {f"Text {index}.": Delayed(f"answer to {index}", 60 - index) for index in range(50)}
    )

    class Node(Aloud):
        agent = agent_of(script, output_type=str)

    node = Node()
    contexts = [
        RunContext(Review(text=f"Text {index}."), address=str(index), scope=RunScope(seed=0))
        for index in range(50)
    ]
    heard = [listening(ctx) for ctx in contexts]
    before = dict(vars(node))

    await asyncio.gather(*(node.run(ctx) for ctx in contexts))

    expected = [f"answer to {index}" for index in range(50)]
    assert [ctx.state.summary for ctx in contexts] == expected
    assert [
        "".join(e.text for e in events if isinstance(e, TokenDelta)) for events in heard
    ] == expected
    assert all(ctx.scope.ledger[ctx.address].calls == 1 for ctx in contexts)
    assert vars(node) == before
    assert asyncio.get_running_loop().time() < 70


@virtual
@pytest.mark.parametrize("stream", [False, True])
async def test_cancellation_passes_through_and_the_request_is_counted(stream):
    """The request was sent; what it cost is not known, but that it was made is."""

    class Node(Aloud):
        pass

    Node.stream = stream
    ctx = answering(Delayed("too late", 100), output_type=str)
    task = asyncio.create_task(Node().run(ctx))
    await asyncio.sleep(1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ctx.scope.ledger.total.calls == 1
    assert ctx.state.summary == ""
    assert ctx.provenance == []
