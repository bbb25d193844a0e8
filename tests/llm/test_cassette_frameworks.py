"""Cassettes in front of DSPy's and Pydantic AI's own models: tools, streams, options, failures."""

import asyncio
import copy
import gc
import warnings
from typing import Any

import pytest
from counting_provider import counting_provider
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RunContext, Subgraph
from lift_sys.core.events import TokenDelta
from lift_sys.errors import CassetteMissError
from lift_sys.llm import AgentNode
from lift_sys.llm.cassette import Cassette, Perturbation, at, new_run
from lift_sys.testing import ScriptedModel, context_for

pytestmark = pytest.mark.extra("dspy", "pydantic_ai", "openai")

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture(autouse=True)
def connections_collected():
    """Language models here live for one test, and their connections until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.fixture
def provider():
    with counting_provider(lambda n, body: f"[[ ## answer ## ]]\nit is {n} o'clock") as made:
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def lm_of(provider: Any, **settings: Any) -> Any:
    import dspy

    options = {"cache": False, "num_retries": 0, "api_key": KEY} | settings
    return dspy.LM("openai/gpt-4o-mini", api_base=provider.url, **options)


def numbered() -> ScriptedModel:
    """Answers `said 1`, `said 2`..."""
    model = ScriptedModel(lambda prompt: f"said {len(model.calls)}")
    return model


# --- DSPy -----------------------------------------------------------------------------------------


async def test_dspy_replays_sync_and_async_calls_with_history_and_callbacks(provider, path):
    """The frameworks hear of a replay as of any call, and of no cost."""
    import dspy
    from dspy.utils.callback import BaseCallback

    class Heard(BaseCallback):
        def __init__(self) -> None:
            self.events: list[str] = []

        def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
            self.events.append("start")

        def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            self.events.append(f"end {outputs}")

    async def ask(cassette: Cassette) -> tuple[Any, list[str], Any, list[Any]]:
        heard = Heard()
        lm = cassette.wrap(lm_of(provider, callbacks=[heard]))
        predict = dspy.Predict("question -> answer")
        with dspy.context(lm=lm, track_usage=True):
            answers = [predict(question="when?").answer]
            answers.append((await predict.acall(question="and now?")).answer)
            answers += lm("hello")
        last = lm.history[-1]
        return answers, heard.events, last["usage"]["total_tokens"], last["outputs"]

    with Cassette(path).use() as cassette:
        recorded = await ask(cassette)
    assert len(provider.requests) == 3
    with Cassette(path, "replay").use() as cassette:
        replayed = await ask(cassette)

    assert replayed == recorded
    assert len(provider.requests) == 3
    assert recorded[0][1] == "it is 2 o'clock"
    assert recorded[1].count("start") == 3


async def test_wrapped_lm_is_a_copy_and_copies_of_it_play_too(provider):
    """The user's own object is what it was; DSPy's optimizers copy language models."""
    cassette = Cassette.memory()
    original = lm_of(provider)
    lm = cassette.wrap(original)

    lm("hello")
    for other in (lm.copy(temperature=None), copy.deepcopy(lm), cassette.wrap(lm)):
        assert isinstance(other, type(original))
        with cassette.replaying().use() as replaying:
            replaying.wrap(other)("hello")
    original("hello")

    assert len(provider.requests) == 2
    assert cassette.wrap(lm) is lm
    assert lm.dump_state()["_dspy_lm_class"] == "dspy.clients.lm.LM"


async def test_dspy_request_has_what_is_asked_and_nothing_of_the_connection(provider, path):
    """Settings, schema and rollout are parts of the key; address, key and retries are none."""

    class Out(BaseModel):
        answer: str

    with Cassette(path).use() as cassette:
        cassette.wrap(lm_of(provider, temperature=0.5, seed=3))("hello", response_format=Out)

    (entry,) = cassette.entries
    assert entry.request["messages"] == [{"role": "user", "content": "hello"}]
    assert set(entry.request) == {"model", "messages", "temperature", "seed", "response_format"}
    assert entry.request["response_format"]["required"] == ["answer"]
    assert KEY not in path.read_text(encoding="utf-8")

    changed = Cassette(path, "replay").wrap(lm_of(provider, temperature=0.7, seed=3, timeout=9))
    with pytest.raises(CassetteMissError) as error:
        changed("hello", response_format=Out)
    assert error.value.differences == ("$.temperature: 0.5 vs 0.7",)


async def test_several_candidates_replay_as_several(provider):
    """What a provider was asked n times for counts n times, and none of it anew."""
    cassette = Cassette.memory()
    recorded = cassette.wrap(lm_of(provider, temperature=1.0))("hello", n=3)
    lm = cassette.replaying().wrap(lm_of(provider, temperature=1.0))

    assert lm("hello", n=3) == recorded
    assert len(set(recorded)) == len(provider.requests) == 3
    assert len(lm.history[-1]["response"]) == 3


async def test_explicit_request_replays_as_a_response(provider):
    """DSPy's own types come back, tool calls and thoughts included."""
    from dspy.lm15 import Message, Request

    request = Request(model="openai/gpt-4o-mini", messages=(Message.user("hello"),))
    cassette = Cassette.memory()
    recorded = cassette.wrap(lm_of(provider))(request)
    replayed = await cassette.replaying().wrap(lm_of(provider)).acall(request)

    assert replayed == recorded
    assert len(provider.requests) == 1


async def test_language_models_of_ones_own_are_played(path):
    """Also those that DSPy calls the old way, and its dummies."""
    from dspy.utils.dummies import DummyLM

    with Cassette(path).use() as cassette:
        recorded = cassette.wrap(DummyLM([{"answer": "first"}]))("hello")
    with Cassette(path, "replay").use() as cassette:
        replayed = cassette.wrap(DummyLM([{"answer": "second"}]))("hello")

    assert replayed == recorded


async def test_use_covers_the_current_language_model_of_dspy(provider):
    """A plain module in anybody's code plays, too."""
    import dspy

    cassette = Cassette.memory()
    with dspy.context(lm=lm_of(provider)):
        answers = []
        for _ in range(2):
            with cassette.use():
                answers.append(
                    (await dspy.Predict("question -> answer").acall(question="?")).answer
                )
        live = dspy.Predict("question -> answer")(question="?").answer

    assert answers == ["it is 1 o'clock"] * 2
    assert live == "it is 2 o'clock"


async def test_dspy_errors_replay_by_type_and_auto_asks_again(provider, path):
    """With what the engine judges them by: status and cause."""
    from dspy.utils.exceptions import LMRateLimitError

    provider.failing.append(429)
    for mode in ("auto", "replay"):
        with Cassette(path, mode).use() as cassette, pytest.raises(LMRateLimitError) as error:
            await cassette.wrap(lm_of(provider)).acall("hello")
        assert error.value.status == 429
    assert len(provider.requests) == 1

    with Cassette(path).use() as cassette:
        assert await cassette.wrap(lm_of(provider)).acall("hello")


async def test_dspy_streams_replay_as_streams(provider, path):
    """`streamify` gives the same pieces from the recording."""
    import dspy

    async def pieces(cassette: Cassette) -> list[str]:
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        predict = dspy.Predict("question -> answer")
        stream = dspy.streamify(predict, stream_listeners=[listener])
        with dspy.context(lm=cassette.wrap(lm_of(provider))):
            got = [part async for part in stream(question="when?")]
        said = [part.chunk for part in got if isinstance(part, dspy.streaming.StreamResponse)]
        return [*said, got[-1].answer]

    with Cassette(path).use() as cassette:
        recorded = await pieces(cassette)
    with Cassette(path, "replay").use() as cassette:
        replayed = await pieces(cassette)

    assert replayed == recorded
    assert len(recorded) > 2
    assert len(provider.requests) == 1


# --- Pydantic AI ----------------------------------------------------------------------------------


def tool_using(model: Any) -> Any:
    """An agent with a tool, whose result differs in each process."""
    from pydantic_ai import Agent

    agent: Any = Agent(model, instructions="Be brief.")

    @agent.tool_plain
    def look_up(word: str) -> str:
        return f"{word} is a word"

    return agent


def calling_a_tool() -> ScriptedModel:
    from pydantic_ai.messages import ModelResponse, ToolCallPart

    return ScriptedModel(
        [
            ModelResponse([ToolCallPart("look_up", {"word": "tape"})]),
            "It is a word.",
        ]
    )


async def test_agent_with_tools_replays_though_ids_are_drawn_anew(path):
    """The tool runs again; what is sent after it is the same request."""
    agent = tool_using(calling_a_tool().for_pydantic_ai())
    with Cassette(path).use(agent) as cassette:
        recorded = await agent.run("What is a tape?")
    silent = tool_using(ScriptedModel([]).for_pydantic_ai())
    with Cassette(path, "replay").use(silent) as replaying:
        replayed = await silent.run("What is a tape?")

    assert replayed.output == recorded.output == "It is a word."
    assert replaying.hits == cassette.statistics.recorded == 2
    first, second = cassette.entries
    assert len(first.request["messages"]) < len(second.request["messages"])
    assert "pyd_ai" not in str(second.request)
    assert replayed.usage.requests == recorded.usage.requests
    assert replayed.usage.input_tokens == recorded.usage.input_tokens


async def test_changed_tool_result_is_a_miss_that_shows_it(path):
    """What a tool returns is a part of what the model is asked."""
    agent = tool_using(calling_a_tool().for_pydantic_ai())
    with Cassette(path).use(agent):
        await agent.run("What is a tape?")

    other: Any = tool_using(ScriptedModel([]).for_pydantic_ai())
    cassette = Cassette(path, "replay", perturb=lambda text, _: text.replace("tape", "drum"))
    with cassette.use(other), pytest.raises(CassetteMissError) as error:
        await other.run("What is a tape?")
    assert error.value.differences == (
        "$.messages[1].parts[0].args.word: 'tape' vs 'drum'",
        "$.messages[2].parts[0].content: 'tape is a word' vs 'drum is a word'",
    )


async def test_streamed_answers_replay_in_the_same_pieces(path):
    """Also as token events of a node; and a stream may replay a whole answer, and back."""

    class Review(BaseModel):
        text: str = "a few words to stream"
        said: str = ""

    class Aloud(AgentNode[Review, str]):
        stream = True

        def prompt(self, state: Review) -> str:
            return state.text

        def update_state(self, state: Review, output: str) -> None:
            state.said = output

        def next_node(self, ctx: RunContext[Review]) -> End:
            return End()

    class Whole(Aloud):
        stream = False

    async def tokens(cassette: Cassette, model: ScriptedModel, node: Any = Aloud) -> Any:
        from pydantic_ai import Agent

        deps = {"agent": Agent(model.for_pydantic_ai())}
        with cassette.use():
            heard = [event async for event in Graph(node).stream(state=Review(), deps=deps)]
        return [event.text for event in heard if isinstance(event, TokenDelta)]

    recorded = await tokens(Cassette(path), ScriptedModel({"": "one two three"}))
    replayed = await tokens(Cassette(path, "replay"), ScriptedModel([]))
    assert replayed == recorded
    assert len(recorded) == 3

    assert await tokens(Cassette(path, "replay"), ScriptedModel([]), Whole) == []
    with Cassette(path, "replay", perturb=Perturbation(seed=1)).use() as cassette:
        changed = await tokens(cassette, ScriptedModel([]))
    assert changed != recorded


async def test_streamed_tool_calls_replay(path):
    """Their arguments come in pieces, too."""
    agent = tool_using(calling_a_tool().for_pydantic_ai())

    async def ask(agent: Any) -> str:
        async with agent.run_stream("What is a tape?") as result:
            return "".join(
                [text async for text in result.stream_text(delta=True, debounce_by=None)]
            )

    with Cassette(path).use(agent) as cassette:
        recorded = await ask(agent)
    silent = tool_using(ScriptedModel([]).for_pydantic_ai())
    with Cassette(path, "replay").use(silent):
        assert await ask(silent) == recorded == "It is a word."
    assert [entry.outcome for entry in cassette.entries] == ["answer", "answer"]


async def test_structured_output_settings_and_retries_are_played(path):
    """Settings are asked, time limits are not; an answer that does not validate is asked again."""
    from pydantic_ai import Agent

    class Line(BaseModel):
        stars: int

    model = ScriptedModel([{"stars": "many"}, {"stars": 4}])
    agent = Agent(
        model.for_pydantic_ai(), output_type=Line, model_settings={"temperature": 0.5, "timeout": 9}
    )
    with Cassette(path).use(agent) as cassette:
        assert (await agent.run("hello")).output == Line(stars=4)
    with Cassette(path, "replay").use(agent):
        assert (await agent.run("hello", model_settings={"timeout": 1})).output == Line(stars=4)

    assert cassette.entries[0].request["settings"] == {"temperature": 0.5}
    assert cassette.entries[0].request["output_tools"][0]["name"] == "final_result"


async def test_provider_errors_replay_by_type(provider, path):
    """A graph that retries by status does so in a replay."""
    from pydantic_ai import Agent
    from pydantic_ai.exceptions import ModelHTTPError
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider.failing.append(503)
    made = OpenAIProvider(base_url=provider.url, api_key=KEY)
    made.client.max_retries = 0
    agent = Agent(OpenAIChatModel("m", provider=made))
    for mode in ("auto", "replay"):
        with Cassette(path, mode).use(agent), pytest.raises(ModelHTTPError) as error:
            await agent.run("hello")
        assert error.value.status_code == 503
    assert len(provider.requests) == 1
    assert KEY not in path.read_text(encoding="utf-8")


async def test_capability_plays_for_the_model_that_serves_an_agent():
    """Also one that a test overrides."""
    from pydantic_ai import Agent

    cassette = Cassette.memory()
    agent = Agent(ScriptedModel([]).for_pydantic_ai(), capabilities=[cassette.capability()])
    with agent.override(model=numbered().for_pydantic_ai()):
        first = await agent.run("hello")

    assert first.output == "said 1"
    assert len(cassette.entries) == 1


# --- where a call is made -------------------------------------------------------------------------


class Notes(BaseModel):
    said: list[str] = []


class Ask(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        ctx.state.said.append((await ctx.deps.run("the same")).output)
        return End()


class AskPlainly(BaseNode[Notes]):
    """A plain function, which runs in a thread."""

    def run(self, ctx: RunContext[Notes]) -> "Nest":
        ctx.state.said.append(asyncio.run(ctx.deps.run("the same")).output)
        return Nest()


class Nest(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        inner = await Graph(Ask).run(state=Notes(), deps=ctx.deps)
        tasks = [asyncio.create_task(ctx.deps.run("the same")) for _ in range(2)]
        ctx.state.said += [*inner.state.said, *[(await task).output for task in tasks]]
        return End()


async def test_address_and_node_are_known_in_threads_tasks_and_inner_graphs():
    """Every call of one run has a place of its own, whether or not somebody listens."""
    from pydantic_ai import Agent

    agent = Agent(numbered().for_pydantic_ai())
    cassette = Cassette.memory("record")
    with cassette.use(agent):
        recorded = await Graph(AskPlainly).run(state=Notes(), deps=agent)
    silent = Agent(ScriptedModel([]).for_pydantic_ai())
    with cassette.replaying().use(silent):
        replayed = await Graph(AskPlainly).run(state=Notes(), deps=silent)

    assert replayed.state == recorded.state
    assert len(set(recorded.state.said)) == 4
    assert [(entry.address, entry.node) for entry in cassette.entries] == [
        ("0", "AskPlainly"),
        ("1", "Nest"),
        ("1", "Nest"),
        ("1>0", "Ask"),
    ]


async def test_runs_side_by_side_are_told_apart_by_name():
    """Runs of one graph have the same addresses, and which is first is anybody's guess."""
    from pydantic_ai import Agent

    graph = Graph(Ask)

    async def run(name: str, agent: Any) -> str:
        with at(name):
            return (await graph.run(state=Notes(), deps=agent)).state.said[0]

    agent = Agent(numbered().for_pydantic_ai())
    cassette = Cassette.memory("record")
    with cassette.use(agent):
        recorded = await asyncio.gather(run("ann", agent), run("bob", agent))
    silent = Agent(ScriptedModel([]).for_pydantic_ai())
    with cassette.replaying().use(silent):
        replayed = await asyncio.gather(run("bob", silent), run("ann", silent))

    assert replayed == [recorded[1], recorded[0]]
    assert [entry.address for entry in cassette.entries] == ["@ann>0", "@bob>0"]


async def test_subgraphs_and_executors_in_a_step_have_their_addresses():
    """As in events: `>` for a graph inside, `~` for a call of an executor."""
    from pydantic_ai import Agent

    class Inside(BaseNode[Notes]):
        async def run(self, ctx: RunContext[Notes]) -> End[None]:
            await ParallelExecutor().execute_parallel([Ask(), Ask()], ctx)
            return End()

    agent = Agent(numbered().for_pydantic_ai())
    cassette = Cassette.memory("record")
    step: Any = Subgraph(Graph(Inside), enter=lambda s: Notes(), leave=lambda s, result: None)
    with cassette.use(agent):
        await Graph(step).run(state=Notes(), deps=agent)

    assert [entry.address for entry in cassette.entries] == ["0>0~0.0", "0>0~0.1"]


async def test_repeats_of_a_function_find_the_answers_of_one_call():
    """`new_run` begins anew, also for graphs that run inside and in branches of an executor."""
    from pydantic_ai import Agent

    class Repeat(BaseNode[Notes]):
        async def run(self, ctx: RunContext[Notes]) -> End[None]:
            with new_run():
                inner = await Graph(Ask).run(state=Notes(), deps=ctx.deps)
                again = await Graph(Ask).run(state=Notes(), deps=ctx.deps)
            ctx.state.said = inner.state.said + again.state.said
            return End()

    agent = Agent(numbered().for_pydantic_ai())
    cassette = Cassette.memory()
    with cassette.use(agent):
        first = await Graph(Repeat).run(state=Notes(), deps=agent)
        ctx = context_for(Notes(), deps=agent)
        results = await ParallelExecutor().execute_parallel([Repeat() for _ in range(3)], ctx)

    said = [result.context.state.said for result in results]
    assert said == [first.state.said] * 3 == [["said 1", "said 2"]] * 3
    assert [(entry.address, entry.occurrence) for entry in cassette.entries] == [("0", 0), ("0", 1)]
