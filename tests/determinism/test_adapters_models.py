"""Pydantic AI agents and DSPy modules are checked as they are, and their models judged apart."""

import asyncio
import itertools

import pytest

from lift_sys.determinism import check_determinism, explore
from lift_sys.determinism.adapters import foreign_target
from lift_sys.errors import UsageError
from lift_sys.testing import ScriptedModel

needs_agents = pytest.mark.extra("pydantic_ai")
needs_dspy = pytest.mark.extra("dspy")


@pytest.fixture(scope="module", autouse=True)
def quiet_frameworks(tmp_path_factory):
    """DSPy reads these when it is first imported: no price map, no cache in the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        patch.setenv("DSPY_CACHEDIR", str(tmp_path_factory.mktemp("dspy")))
        yield


def check(target, state, **options):
    return asyncio.run(check_determinism(target, state, **options))


def labels(report):
    return [step.label for step in report.steps]


# --- Pydantic AI ---------------------------------------------------------------------------------


def answering(*texts):
    """An agent whose model gives these answers in turns, whoever asks."""
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    turns = itertools.cycle(texts)
    model = FunctionModel(lambda messages, info: ModelResponse(parts=[TextPart(next(turns))]))
    return Agent(model, name="oracle")


@needs_agents
def test_an_agent_whose_model_wavers_is_unstable_and_its_framework_is_not_blamed():
    report = check(answering("yes", "yes", "no"), "Will it rain?", runs=9)

    assert not report.deterministic
    assert report.model_stable is False
    assert report.framework_deterministic is True
    assert report.first_divergent_node == "0:model"
    assert report.first_divergence.kind == "model"
    assert report.first_divergent_field == "$.messages[0].content"
    assert (report.model.calls, report.model.agreeing) == (9, 6)
    assert report.modal_output == "yes"


@needs_agents
def test_rounds_of_tools_are_steps_and_times_in_messages_are_no_difference():
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent = Agent(TestModel())

    @agent.tool_plain
    def look_up(word: str) -> str:
        return f"{word} is a word"

    report = check(agent, "What is a word?", runs=4)

    assert report.deterministic
    assert labels(report) == ["0:model", "1:tools", "2:model", "3:tools"]
    assert [step.calls for step in report.steps] == [4, 0, 4, 0]


@needs_agents
def test_a_tool_that_differs_is_the_origin_and_the_model_only_passed_it_on():
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    agent, turns = Agent(TestModel()), itertools.count()

    @agent.tool_plain
    def count() -> int:
        return next(turns)

    report = check(agent, "How many?", runs=4)

    assert report.first_divergent_node == "1:tools"
    assert report.first_divergence.kind == "node"
    assert report.model_stable is not False


@needs_agents
def test_exploring_an_agent_asks_its_model_once():
    """Schedules after the first one run on recorded answers."""
    asked = []

    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    async def answer(messages, info):
        asked.append(messages)
        return ModelResponse(parts=[TextPart("yes")])

    found = explore(Agent(FunctionModel(answer)), "Will it rain?", budget=10)

    assert found.is_deterministic
    assert len(asked) == 1


# --- DSPy ----------------------------------------------------------------------------------------


def program(*answers):
    """Two predictors, one after the other, and a language model with these answers in turns."""
    import dspy
    from dspy.utils import DummyLM

    class Program(dspy.Module):
        def __init__(self):
            super().__init__()
            self.draft = dspy.Predict("question -> answer")
            self.check = dspy.Predict("question, answer -> verdict")

        async def aforward(self, question):
            drafted = await self.draft.acall(question=question)
            checked = await self.check.acall(question=question, answer=drafted.answer)
            return dspy.Prediction(answer=drafted.answer, verdict=checked.verdict)

    return Program(), dspy.context(lm=DummyLM(list(answers)))


@needs_dspy
def test_predictors_are_steps_and_the_one_that_wavers_is_named():
    answers = [{"answer": "4"}, {"verdict": "right"}] * 3
    module, context = program(*answers, {"answer": "5"}, {"verdict": "right"})

    with context:
        report = check(module, {"question": "2 + 2?"}, runs=4)

    assert labels(report) == ["0:draft", "1:check"]
    assert report.first_divergent_node == "0:draft"
    assert report.first_divergence.kind == "model"
    assert report.first_divergence.runs == (3,)
    assert report.model.calls == 8
    assert report.modal_output == {"answer": "4", "verdict": "right"}


@needs_dspy
def test_a_module_without_aforward_and_a_single_predictor_are_run_too():
    import dspy
    from dspy.utils import DummyLM

    class Blocking(dspy.Module):
        def __init__(self):
            super().__init__()
            self.ask = dspy.Predict("question -> answer")

        def forward(self, question):
            return self.ask(question=question)

    for module, expected in ((Blocking(), "0:ask"), (dspy.Predict("question -> answer"), "0:self")):
        with dspy.context(lm=DummyLM([{"answer": "4"}] * 3)):
            report = check(module, dspy.Example(question="2 + 2?").with_inputs("question"), runs=3)

        assert report.deterministic
        assert labels(report) == [expected]
        assert report.modal_output == {"answer": "4"}
        assert report.model.calls == 3


@needs_dspy
def test_answers_from_a_cache_are_stated_and_not_counted_for_stability():
    """Only the first run asks; that the others agree says nothing about the model."""
    import dspy

    model = ScriptedModel(["4"])
    module = dspy.Predict("question -> answer")

    with dspy.context(lm=model.for_dspy(cache=True, temperature=0.375)):
        report = check(module, {"question": "Cached: 2 + 2?"}, runs=4)

    assert len(model.calls) == 1
    assert (report.model.calls, report.model.cached_calls) == (4, 3)
    assert report.model_stable is None
    assert any("3 of 4 model calls were answered by a cache" in note for note in report.notes)


@needs_dspy
def test_inputs_without_names_are_refused():
    import dspy

    with pytest.raises(UsageError, match="inputs by name"):
        foreign_target(dspy.Predict("question -> answer")).accept("2 + 2?")
