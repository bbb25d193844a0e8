"""SignatureNode: state to signature and back, what a call costs, and what goes wrong."""

import asyncio
import pickle
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from lift_sys import End, Graph, RetryPolicy, RunContext
from lift_sys.core.usage import Usage
from lift_sys.errors import MissingExtraError, ModelOutputError, NodeError, UsageError
from lift_sys.llm import SignatureNode
from lift_sys.testing import Delayed, ScriptedModel, context_for, virtual

pytestmark = pytest.mark.extra("dspy")

Mood = Literal["good", "bad"]


class Review(BaseModel):
    text: str = "It works."
    sentiment: str = ""
    score: int = 0
    mood: Mood = "bad"

    @property
    def first_word(self) -> str:
        return self.text.split()[0]

    def judge(self) -> str:
        return self.mood


class Finish(SignatureNode[Review]):
    def next_node(self, ctx: RunContext[Review]) -> End[str]:
        return End(ctx.state.sentiment)


class Sentiment(Finish):
    signature = "text -> sentiment"


class Score(Finish):
    signature = "text -> score: int"


class ScoreBoth(Finish):
    signature = "text -> sentiment, score: int"


def answering(*answers: Any, **fields: Any) -> RunContext[Review]:
    """A context whose language model gives these answers, one after the other."""
    return context_for(Review(), deps=ScriptedModel(answers).for_dspy(), **fields)


# --- state and signature -------------------------------------------------------------------------


async def test_inputs_come_from_the_state_and_outputs_go_to_it():
    """Fields are matched by name, and the successor is chosen on the updated state."""
    model = ScriptedModel([{"sentiment": "fine", "score": 7}])
    ctx = context_for(Review(text="A plain text."), deps=model.for_dspy())

    successor = await ScoreBoth().run(ctx)

    assert "A plain text." in model.calls[0]
    assert (ctx.state.sentiment, ctx.state.score) == ("fine", 7)
    assert successor == End("fine")


async def test_next_node_may_be_async():
    """A successor may need awaiting, for instance to ask a service."""

    class Waits(SignatureNode[Review]):
        signature = "text -> sentiment"

        async def next_node(self, ctx: RunContext[Review]) -> End[str]:
            await asyncio.sleep(0)
            return End(ctx.state.sentiment)

    assert await Waits().run(answering("fine")) == End("fine")


async def test_next_node_declares_the_edges():
    """A graph reads the return annotation of `next_node`, and runs the node."""
    graph = Graph(Sentiment)

    result = await graph.run(state=Review(), deps=ScriptedModel(["fine"]).for_dspy())

    assert result.output == "fine"
    assert result.usage.total.calls == 1


async def test_signature_may_be_a_class():
    """The class's name goes into the provenance, and its instructions to the model."""
    import dspy

    class Judge(dspy.Signature):
        """Judge mildly."""

        text: str = dspy.InputField()
        sentiment: str = dspy.OutputField()

    class Node(Finish):
        signature = Judge

    model = ScriptedModel(["fine"])
    ctx = context_for(Review(), deps=model.for_dspy())
    await Node().run(ctx)

    assert "Judge mildly." in model.calls[0]
    assert ctx.provenance[0]["signature"] == "Judge"


async def test_types_in_a_text_signature_come_from_the_nodes_module(monkeypatch):
    """`Verdict` is known there and nowhere else: not here, not to Python, not to DSPy."""
    elsewhere = ModuleType("elsewhere")
    vars(elsewhere)["Verdict"] = Mood
    monkeypatch.setitem(sys.modules, "elsewhere", elsewhere)

    class Node(Finish):
        __module__ = "elsewhere"
        signature = "text -> mood: Verdict"

    ctx = answering({"mood": "good"})
    await Node().run(ctx)

    assert ctx.state.mood == "good"


async def test_properties_and_defaults_serve_as_inputs():
    """What the state computes is data too, and an input with a default needs no field."""
    import dspy

    class FirstWord(dspy.Signature):
        first_word: str = dspy.InputField()
        tone: str = dspy.InputField(default="calm")
        sentiment: str = dspy.OutputField()

    class Node(Finish):
        signature = FirstWord

    model = ScriptedModel(["fine"])
    await Node().run(context_for(Review(text="Hear ye"), deps=model.for_dspy()))

    assert "Hear" in model.calls[0]
    assert "ye" not in model.calls[0].rpartition("Hear")[2].split()
    assert "calm" in model.calls[0]


async def test_module_type_may_be_a_class_of_dspy():
    """ChainOfThought's reasoning is in the provenance, and needs no field."""
    import dspy

    class Node(Sentiment):
        module_type = dspy.ChainOfThought

    ctx = answering({"reasoning": "Short.", "sentiment": "fine"})
    await Node().run(ctx)

    entry = ctx.provenance[0]
    assert (entry["module"], entry["outputs"]["reasoning"]) == ("ChainOfThought", "Short.")


async def test_module_type_may_be_a_plain_function():
    """A function gets the signature alone: it does not become a method of the node."""
    import dspy

    class Node(Sentiment):
        module_type = lambda signature: dspy.Predict(  # noqa: E731
            signature.with_instructions("Be brief.")
        )

    model = ScriptedModel(["fine"])
    await Node().run(context_for(Review(), deps=model.for_dspy()))

    assert "Be brief." in model.calls[0]


async def test_adapter_lays_out_the_prompt():
    """A node may use another adapter than its neighbours."""
    import dspy

    class Node(Sentiment):
        adapter = dspy.JSONAdapter()

    model = ScriptedModel(["fine"])
    await Node().run(context_for(Review(), deps=model.for_dspy()))

    assert "JSON object" in model.calls[0]


# --- which language model -----------------------------------------------------------------------


@dataclass
class Services:
    lm: Any


@pytest.mark.parametrize("wrap", [lambda lm: lm, Services, lambda lm: {"lm": lm}])
async def test_language_model_comes_from_deps(wrap):
    """`deps` may be the model, or have it as an attribute or under a key."""
    ctx = context_for(Review(), deps=wrap(ScriptedModel(["fine"]).for_dspy()))

    await Sentiment().run(ctx)

    assert ctx.state.sentiment == "fine"


async def test_language_model_of_the_class_wins():
    """The nearest one counts: class, then `deps`, then `dspy.context`."""
    import dspy

    class Node(Sentiment):
        lm = ScriptedModel(["from class"]).for_dspy()

    with dspy.context(lm=ScriptedModel(["from context"] * 2).for_dspy()):
        seen = []
        for node, deps in [
            (Node(), ScriptedModel(["from deps"]).for_dspy()),
            (Sentiment(), ScriptedModel(["from deps"]).for_dspy()),
            (Sentiment(), None),
        ]:
            ctx = context_for(Review(), deps=deps)
            await node.run(ctx)
            seen.append(ctx.state.sentiment)

    assert seen == ["from class", "from deps", "from context"]


@pytest.mark.parametrize(
    ("deps", "what"), [(None, "has no language model"), ({"lm": "x/y"}, "x/y")]
)
async def test_without_language_model_the_error_shows_what_to_write(deps, what):
    """Nothing was asked yet, and a name alone is no language model."""
    with pytest.raises(UsageError, match=r"lm = dspy\.LM\(") as caught:
        await Sentiment().run(context_for(Review(), deps=deps))

    assert what in str(caught.value)


async def test_missing_dspy_is_said_by_name(monkeypatch):
    """The message names the extra that installs it."""
    ctx = answering("fine")
    monkeypatch.setitem(sys.modules, "dspy", None)

    with pytest.raises(MissingExtraError, match=r"lift_sys\[dspy\]"):
        await Sentiment().run(ctx)


# --- what a call costs --------------------------------------------------------------------------


async def test_usage_is_in_ledger_and_provenance():
    """Tokens as the provider reports them; no seconds in provenance, lest equal runs differ."""
    ctx = answering("fine", address="3.2")

    await Sentiment().run(ctx)

    spent = ctx.scope.ledger["3.2"]
    assert spent.calls == 1
    assert spent.output_tokens > 0 < spent.input_tokens
    assert ctx.provenance[0] == {
        "node": "Sentiment",
        "signature": "text -> sentiment",
        "execution_id": "test",
        "address": "3.2",
        "module": "Predict",
        "model": "scripted/model",
        "usage": {
            "calls": 1,
            "cached_calls": 0,
            "input_tokens": spent.input_tokens,
            "output_tokens": spent.output_tokens,
            "cost": None,
        },
        "outputs": {"sentiment": "fine"},
    }


async def test_answer_from_the_cache_is_marked_and_free():
    """The second call makes no request, and says so."""
    model = ScriptedModel(["fine"])
    lm = model.for_dspy(cache=True, temperature=0.125)
    first, second = (context_for(Review(text="Cache me."), deps=lm) for _ in range(2))

    await Sentiment().run(first)
    await Sentiment().run(second)

    assert len(model.calls) == 1
    assert first.scope.ledger.total.cached_calls == 0
    assert second.scope.ledger.total == Usage(
        calls=1, cached_calls=1, seconds=second.scope.ledger.total.seconds
    )
    assert second.state.sentiment == "fine"


async def test_each_candidate_is_a_request():
    """`n=3` asks a model three times."""
    lm = ScriptedModel(["fine"] * 3).for_dspy(n=3)
    ctx = context_for(Review(), deps=lm)

    await Sentiment().run(ctx)

    assert ctx.scope.ledger.total.calls == 3


async def test_failed_call_stays_in_the_ledger():
    """The answer was paid for, though nobody could use it: once as chat, once more as JSON."""
    ctx = answering("{", "{")

    with pytest.raises(ModelOutputError):
        await Score().run(ctx)

    assert ctx.scope.ledger.total.calls == 2
    assert ctx.scope.ledger.total.input_tokens > 0


async def test_usage_tracker_of_the_caller_hears_everything():
    """Whoever counts with DSPy's own tool around a run keeps counting."""
    import dspy

    with dspy.track_usage() as tracker:
        ctx = answering("fine")
        await Sentiment().run(ctx)

    spent = ctx.scope.ledger.total
    assert tracker.get_total_tokens()["scripted/model"]["prompt_tokens"] == spent.input_tokens


async def test_model_held_by_a_module_is_counted():
    """A module may ask another model than the node's; its tokens are spent all the same."""
    import dspy

    inner = ScriptedModel(["fine"]).for_dspy()

    def with_own_model(signature: Any) -> Any:
        module = dspy.Predict(signature)
        module.lm = inner
        return module

    class Node(Sentiment):
        module_type = with_own_model

    ctx = answering("never asked")
    await Node().run(ctx)

    assert ctx.state.sentiment == "fine"
    assert ctx.scope.ledger.total.calls == 1
    assert ctx.scope.ledger.total.input_tokens > 0
    assert inner.history == []


async def test_nothing_grows_with_the_number_of_calls():
    """Neither histories nor traces keep what was asked, and DSPy's settings stay as they were."""
    import dspy
    from dspy.clients.base_lm import GLOBAL_HISTORY

    lm = ScriptedModel(["fine"] * 20).for_dspy()
    before = len(GLOBAL_HISTORY), len(dspy.settings.trace), dspy.settings.lm
    for _ in range(20):
        await Sentiment().run(context_for(Review(), deps=lm))

    assert (len(GLOBAL_HISTORY), len(dspy.settings.trace), dspy.settings.lm) == before
    assert lm.history == lm.callbacks == []


# --- what goes wrong ----------------------------------------------------------------------------


async def test_answer_of_a_wrong_type_names_node_field_and_answer():
    """Whoever reads the message knows what to change without a debugger."""
    bad = "[[ ## score ## ]]\nrather high\n\n[[ ## completed ## ]]"
    ctx = answering(bad, '{"score": "rather high"}', address="0.2")

    with pytest.raises(ModelOutputError) as caught:
        await Score().run(ctx)

    assert caught.value.fields == ("score",)
    assert str(caught.value).startswith("The model gave no valid `score` in step 0.2 (Score).")
    assert "rather high" in caught.value.came
    assert pickle.loads(pickle.dumps(caught.value)).fields == ("score",)


async def test_answer_that_lacks_a_field_names_it():
    """What did come is not blamed."""
    half = '{"sentiment": "fine"}'

    with pytest.raises(ModelOutputError, match="`score`") as caught:
        await ScoreBoth().run(answering(half, half))

    assert caught.value.fields == ("score",)


async def test_long_answers_are_cut_in_the_message_only():
    """A page of text would bury the message; the attribute has all of it."""
    page = "{" + "x" * 5000

    with pytest.raises(ModelOutputError) as caught:
        await Score().run(answering(page, page))

    assert len(str(caught.value)) < 1000
    assert page in caught.value.came


async def test_value_that_the_state_refuses_is_the_models_fault():
    """A state that validates assignments is asked, and its reason is passed on."""

    class Strict(BaseModel):
        model_config = ConfigDict(validate_assignment=True)
        text: str = ""
        mood: Literal["good", "bad"] = "bad"

    class Node(SignatureNode[Strict]):
        signature = "text -> mood"

        def next_node(self, ctx: RunContext[Strict]) -> End:
            return End()

    ctx = context_for(Strict(), deps=ScriptedModel(["dreadful"]).for_dspy())
    with pytest.raises(ModelOutputError, match="'good' or 'bad'") as caught:
        await Node().run(ctx)

    assert (caught.value.fields, caught.value.came) == (("mood",), "'dreadful'")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("judge -> sentiment", "input `judge`.*Review has no such field.*extract_inputs"),
        ("text -> verdict", "output `verdict`.*Review has no such field.*update_state"),
    ],
)
async def test_signature_that_does_not_fit_the_state_names_the_field(text, what):
    """Also where the state has a method of that name: methods are no data."""

    class Node(Finish):
        signature = text

    with pytest.raises(UsageError, match=what):
        await Node().run(answering({"sentiment": "fine", "verdict": "fine"}))


async def test_missing_signature_is_said():
    """An attribute error would not tell what to write."""
    with pytest.raises(UsageError, match="signature = 'input -> output'"):
        await Finish().run(answering("fine"))


async def test_refused_answer_can_be_retried_by_policy():
    """Not by default; by naming the error in `retry_on`. Both attempts stay in the ledger."""

    class Again(Score):
        retry = RetryPolicy(first_delay=0, retry_on=(ModelOutputError,))

    answers = ["{", "{", {"score": 3}]
    result = await Graph(Again).run(state=Review(), deps=ScriptedModel(answers).for_dspy())

    assert result.state.score == 3
    assert result.usage.total.calls == 3
    assert len(result.context.provenance) == 1

    with pytest.raises(NodeError, match="no valid `score`"):
        await Graph(Score).run(state=Review(), deps=ScriptedModel(answers).for_dspy())


# --- many at once -------------------------------------------------------------------------------


@virtual
async def test_fifty_runs_of_one_node_do_not_touch_each_other():
    """One shared instance, each run with its own model, state, ledger entry and answer."""
    node = Sentiment()
    contexts = [
        context_for(
            Review(text=f"Text {index}."),
            deps=ScriptedModel(
                {f"Text {index}.": Delayed(f"answer {index}", 60 - index)}
            ).for_dspy(),
            address=str(index),
        )
        for index in range(50)
    ]
    before = dict(vars(node))

    await asyncio.gather(*(node.run(ctx) for ctx in contexts))

    assert [ctx.state.sentiment for ctx in contexts] == [f"answer {i}" for i in range(50)]
    assert all(ctx.scope.ledger[ctx.address].calls == 1 for ctx in contexts)
    assert vars(node) == before
    assert asyncio.get_running_loop().time() < 70


@virtual
async def test_cancellation_passes_through_and_the_request_is_counted():
    """The request was sent; what it cost is not known, but that it was made is."""
    ctx = answering(Delayed("too late", 100))
    task = asyncio.create_task(Sentiment().run(ctx))
    await asyncio.sleep(1)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ctx.scope.ledger.total.calls == 1
    assert ctx.state.sentiment == ""
    assert ctx.provenance == []
