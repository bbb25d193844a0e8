"""Scripted models, used through the real DSPy and the real Pydantic AI."""

import asyncio
import copy
from typing import Literal

import dspy
import dspy.lm15
import pytest
from dspy.clients.errors import LMError
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput

from lift_sys.errors import UnscriptedPromptError
from lift_sys.testing import Delayed, ScriptedModel, run_virtual

CITIES = {f"<{number}>": f"city {number}" for number in range(50)}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


class Place(BaseModel):
    """Somewhere."""

    city: str


class Judge(dspy.Signature):
    """Judge a text and find the people in it."""

    text: str = dspy.InputField()
    label: Literal["good", "bad"] = dspy.OutputField()
    people: list[Person] = dspy.OutputField()


async def predict(model, signature, module=dspy.Predict, adapter=None, **inputs):
    """Call a DSPy module once on the scripted `model`."""
    with dspy.context(lm=model, adapter=adapter or dspy.ChatAdapter(), disable_history=True):
        return await module(signature).acall(**inputs)


def delays(script):
    """Let the later entries of a script answer sooner, so that calls end in reverse order."""
    return {key: Delayed(text, 100.0 - index) for index, (key, text) in enumerate(script.items())}


def test_dspy_answers_parallel_calls_by_content():
    """Fifty predictions at a time each get their own answer, in the virtual time of the slowest."""
    script = ScriptedModel(delays(CITIES))
    model = script.for_dspy()

    async def main():
        calls = (predict(model, "question -> answer", question=key) for key in CITIES)
        return [prediction.answer for prediction in await asyncio.gather(*calls)]

    answers, elapsed = run_virtual(main())

    assert answers == list(CITIES.values())
    assert elapsed == 100.0
    assert sorted(key for key in CITIES for call in script.calls if key in call) == sorted(CITIES)


def test_pydantic_ai_answers_parallel_calls_by_content():
    """Fifty agent runs at a time each get their own answer, in the virtual time of the slowest."""
    script = ScriptedModel(delays(CITIES))
    agent = Agent(script.for_pydantic_ai())

    async def main():
        return [run.output for run in await asyncio.gather(*(agent.run(key) for key in CITIES))]

    answers, elapsed = run_virtual(main())

    assert answers == list(CITIES.values())
    assert elapsed == 100.0
    assert script.calls == list(CITIES)


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter, dspy.JSONAdapter, dspy.XMLAdapter])
@pytest.mark.parametrize("as_model", [True, False])
def test_dspy_fields_come_through_every_adapter(adapter, as_model):
    """A dict of output fields, models inside or not, is laid out as the adapter reads it."""
    person = Person(name="Ada", age=36)
    answer = {"label": "good", "people": [person if as_model else person.model_dump()]}
    model = ScriptedModel([answer]).for_dspy()

    prediction, _ = run_virtual(predict(model, Judge, adapter=adapter(), text="Ada was here"))

    assert prediction.label == "good"
    assert prediction.people == [person]


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter, dspy.JSONAdapter, dspy.XMLAdapter])
def test_dspy_text_fills_the_only_output(adapter):
    """Plain text is enough for one output field, with and without reasoning before it."""
    script = ScriptedModel(["a {brace}", "two"])
    model = script.for_dspy()

    async def main():
        first = await predict(model, "question -> answer", adapter=adapter(), question="one?")
        second = await predict(
            model, "question -> answer", dspy.ChainOfThought, adapter(), question="two?"
        )
        return first.answer, second.answer, second.reasoning

    assert run_virtual(main())[0] == ("a {brace}", "two", "As scripted.")
    assert ["one?" in script.calls[0], "two?" in script.calls[1]] == [True, True]


def test_dspy_reports_tokens():
    """Usage is counted in words of what was really sent and answered."""
    script = ScriptedModel(["one two three"])

    async def main():
        with dspy.context(lm=script.for_dspy(), track_usage=True):
            return await dspy.Predict("question -> answer").acall(question="how many?")

    (usage,) = run_virtual(main())[0].get_lm_usage().values()

    assert usage["prompt_tokens"] == len(script.calls[0].split())
    answered = "[[ ## answer ## ]]\none two three\n\n[[ ## completed ## ]]"
    assert usage["completion_tokens"] == len(answered.split())


def test_dspy_works_without_a_loop():
    """A plain call, as a node with `def run` makes it, asks the same script."""
    script = ScriptedModel({"one?": "first"})

    with dspy.context(lm=script.for_dspy()):
        prediction = dspy.Predict("question -> answer")(question="one?")

    assert prediction.answer == "first"
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    ("output_type", "answer", "expected"),
    [
        (str, "plain", "plain"),
        (Person, {"name": "Ada", "age": 36}, Person(name="Ada", age=36)),
        (Person, Person(name="Ada", age=36), Person(name="Ada", age=36)),
        (NativeOutput(Person), Person(name="Ada", age=36), Person(name="Ada", age=36)),
        (Literal["good", "bad"], "bad", "bad"),
        (list[int], [1, 2], [1, 2]),
        ([Person, Place], Place(city="Rome"), Place(city="Rome")),
        ([Person, Place], {"city": "Rome"}, Place(city="Rome")),
        ([str, Place], "plain", "plain"),
    ],
)
def test_pydantic_ai_output_types(output_type, answer, expected):
    """Whatever output the agent wants, the script gives just the value."""
    agent = Agent(ScriptedModel([answer]).for_pydantic_ai(), output_type=output_type)

    assert run_virtual(agent.run("go"))[0].output == expected


def test_pydantic_ai_reports_tokens_and_sees_instructions():
    """Usage counts words; instructions belong to the prompt, so a script may tell agents apart."""
    script = ScriptedModel({"Be brief": "two words"})
    agent = Agent(script.for_pydantic_ai(), instructions="Be brief.")

    usage = run_virtual(agent.run("say it"))[0].usage

    assert (usage.input_tokens, usage.output_tokens, usage.requests) == (4, 2, 1)


@pytest.mark.parametrize("text", ["word by word", "  led, with\nlines \n", "one"])
def test_pydantic_ai_streams_words_over_the_delay(text):
    """A streamed answer comes in words at even intervals, and whole in the end."""
    agent = Agent(ScriptedModel([Delayed(text, 9.0)]).for_pydantic_ai())

    async def main():
        now = asyncio.get_running_loop().time
        async with agent.run_stream("go") as stream:
            words = stream.stream_text(delta=True, debounce_by=None)
            return [(now(), word) async for word in words]

    moments, elapsed = run_virtual(main())

    assert "".join(delta for _, delta in moments) == text
    assert elapsed == 9.0
    assert [round(time, 6) for time, _ in moments] == [
        round(9.0 * (index + 1) / len(moments), 6) for index in range(len(moments))
    ]


def test_errors_are_raised_and_lists_under_a_key_are_consumed():
    """A retry can be scripted: first an error, then an answer, whatever other calls do."""
    script = ScriptedModel({"flaky": [Delayed(ConnectionError("gone"), 3.0), "back"], "": "other"})
    agent = Agent(script.for_pydantic_ai())

    async def main():
        with pytest.raises(ConnectionError, match="gone"):
            await agent.run("flaky")
        return [(await agent.run(prompt)).output for prompt in ("steady", "flaky")]

    assert run_virtual(main()) == (["other", "back"], 3.0)


@pytest.mark.parametrize("error", [ConnectionError("gone"), dspy.lm15.RateLimitError("gone")])
def test_dspy_wraps_a_scripted_error_and_keeps_it_as_cause(error):
    """Errors take DSPy's own way out, without a retry behind the script's back."""
    script = ScriptedModel([error, "never asked"])

    with pytest.raises(LMError, match="gone") as caught:
        run_virtual(predict(script.for_dspy(), "question -> answer", question="one?"))

    assert caught.value.__cause__ is error
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([], "its 0 answers have been given"),
        ({"left": "l", "right": "r"}, "it answers to 'left', 'right'"),
        (lambda prompt: None, "its function returned None"),
    ],
)
def test_missing_answer_shows_prompt_and_script(answers, reason):
    """What the script doesn't know is an error that says what was asked and what it knows."""
    agent = Agent(ScriptedModel(answers).for_pydantic_ai())

    with pytest.raises(UnscriptedPromptError, match=reason) as caught:
        run_virtual(agent.run("which way?"))

    assert caught.value.prompt == "which way?"
    assert str(caught.value).endswith("which way?")


def test_functions_and_predicates_see_the_prompt():
    """A script may compute its answers, and keys may be predicates; the first that fits counts."""
    echo = ScriptedModel(lambda prompt: Delayed(prompt.upper(), 2.0))
    by_length = ScriptedModel({(lambda prompt: len(prompt) > 4): "long", "o": "short"})

    async def ask(script, prompt):
        return (await Agent(script.for_pydantic_ai()).run(prompt)).output

    assert run_virtual(ask(echo, "hello")) == ("HELLO", 2.0)
    assert run_virtual(ask(by_length, "hello")) == ("long", 0.0)
    assert run_virtual(ask(by_length, "no")) == ("short", 0.0)


def test_copies_share_one_script():
    """A framework that copies its models neither repeats answers nor loses calls."""
    script = ScriptedModel(["one", "two"])
    first, second = script.for_dspy(), copy.deepcopy(script).for_dspy().copy(temperature=0.5)

    async def main():
        asked = [await predict(lm, "question -> answer", question="?") for lm in (first, second)]
        return [prediction.answer for prediction in asked]

    assert run_virtual(main())[0] == ["one", "two"]
    assert len(script.calls) == 2


def test_text_is_no_script():
    """A string would be taken apart into letters; it is refused, with what to write instead."""
    with pytest.raises(TypeError, match=r"write \['yes'\]"):
        ScriptedModel("yes")
