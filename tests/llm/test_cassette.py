"""Cassettes behind nodes of both frameworks: by step, in any order, several runs, what it costs."""

import asyncio
import contextvars
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RetryPolicy, RunContext
from lift_sys.core.strategies import MergeStrategy
from lift_sys.errors import CassetteMissError, UsageError
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.llm.cassette import Cassette, Perturbation, at
from lift_sys.testing import Delayed, ScriptedModel, run_virtual, virtual

pytestmark = pytest.mark.extra("dspy", "pydantic_ai")


class Review(BaseModel):
    text: str = "lovely"
    sentiment: str = ""
    summary: str = ""
    answers: list[str] = []


class Verdict(BaseModel):
    sentiment: str


class Model(ScriptedModel):
    """Never says the same twice: `said 1`, `said 2`, each after a delay of its own."""

    def __init__(self, delays: Any = lambda number: 0.0) -> None:
        def answer(prompt: str) -> Any:
            number = len(self.calls)
            return Delayed(f"said {number}", delays(number))

        super().__init__(answer)


def agent_on(model: ScriptedModel, output_type: Any = str) -> Any:
    from pydantic_ai import Agent

    return Agent(model.for_pydantic_ai(), output_type=output_type)


@dataclass
class Services:
    agent: Any
    lm: Any


def services(model: ScriptedModel) -> Services:
    return Services(agent=agent_on(model), lm=model.for_dspy())


class Sentiment(AgentNode[Review, str]):
    def prompt(self, state: Review) -> str:
        return f"Sentiment of: {state.text}"

    def update_state(self, state: Review, output: str) -> None:
        state.sentiment = output

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class Summary(SignatureNode[Review]):
    signature = "text -> summary"

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class Both(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Sentiment | Summary, End[None]]:
        return Fork([Sentiment(), Summary()], then=End())


class Judges(BaseNode[Review]):
    """Asks the same thing several times at once, and notes what each was told."""

    async def run(self, ctx: RunContext[Review]) -> End[None]:
        ask = ctx.deps.agent.run
        results = await asyncio.gather(*(ask("the same") for _ in range(5)))
        ctx.state.answers = [result.output for result in results]
        return End()


GRAPH = Graph(Both)


async def play(cassette: Cassette, model: ScriptedModel, graph: Any = GRAPH, **state: Any) -> Any:
    deps = services(model)
    with cassette.use(deps.agent):
        return await graph.run(state=Review(**state), deps=deps)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cassettes" / "review.jsonl"


# --- record and replay ----------------------------------------------------------------------------


async def test_both_frameworks_replay_what_was_recorded_and_ask_no_model(path):
    """The same state and the same tokens, from nodes that know nothing of cassettes."""
    recorded = await play(Cassette(path), Model())

    silent = ScriptedModel([])
    cassette = Cassette(path, "replay")
    replayed = await play(cassette, silent)

    assert replayed.state == recorded.state
    assert recorded.state.sentiment != recorded.state.summary
    assert silent.calls == []
    assert cassette.hits == 2
    assert cassette.statistics.hits_by_address == {"0.0": 1, "0.1": 1}


async def test_what_was_replayed_is_stated_and_costs_nothing(path):
    """Tokens are those of the recording; every call is a cached one."""
    recorded = await play(Cassette(path), Model())
    replayed = await play(Cassette(path, "replay"), ScriptedModel([]))

    for address in ("0.0", "0.1"):
        before, now = recorded.usage[address], replayed.usage[address]
        assert (before.calls, before.cached_calls) == (1, 0)
        assert (now.calls, now.cached_calls) == (1, 1)
        assert now.tokens == before.tokens > 0
        assert not now.cost


def test_outside_of_use_nothing_is_recorded_or_replayed(path):
    """There is no switch that could be left on."""
    cassette = Cassette(path)
    model = Model()
    with cassette.use():
        pass
    GRAPH.run_sync(state=Review(), deps=services(model))

    assert len(model.calls) == 2
    assert not path.exists()


@given(
    st.lists(st.floats(0, 9), min_size=2, max_size=2),
    st.lists(st.floats(0, 9), min_size=2, max_size=2),
)
@settings(max_examples=15)
def test_replay_equals_record_in_any_order_of_completion(first, second):
    """Neither the order of recording nor that of replaying moves an answer to another step."""
    cassette = Cassette.memory("record")
    recorded, _ = run_virtual(play(cassette, Model(lambda number: first[number % 2])))
    entries = cassette.entries
    model = Model(lambda number: second[number % 2])
    again, _ = run_virtual(play(cassette.replaying(pace=1), model))

    assert again.state == recorded.state
    assert model.calls == []
    assert [entry.address for entry in entries] == ["0.0", "0.1"]


@given(st.permutations(range(5)), st.floats(0, 2))
@settings(max_examples=15)
def test_parallel_identical_requests_of_one_step_replay_as_recorded(order, pace):
    """Each keeps the answer it was given, whichever comes first."""
    graph = Graph(Judges)
    cassette = Cassette.memory("record")
    model = Model(lambda number: 1.0 + order[number % 5])
    recorded, _ = run_virtual(play(cassette, model, graph))
    replayed, _ = run_virtual(play(cassette.replaying(pace=pace), ScriptedModel([]), graph))

    assert replayed.state.answers == recorded.state.answers
    assert len(set(recorded.state.answers)) == 5


async def test_calls_that_race_inside_a_step_keep_their_answers_by_name():
    """`at` names them, so that the order in which they are asked is free, too."""

    class Panel(BaseNode[Review]):
        names = ("ann", "bob")

        async def run(self, ctx: RunContext[Review]) -> End[dict[str, str]]:
            async def judge(name: str) -> str:
                with at(name):
                    return (await ctx.deps.agent.run("the same")).output

            said = await asyncio.gather(*map(judge, self.names))
            return End(dict(zip(self.names, said, strict=True)))

    cassette = Cassette.memory("record")
    recorded = await play(cassette, Model(), Graph(Panel))
    Panel.names = ("bob", "ann")
    replayed = await play(cassette.replaying(), ScriptedModel([]), Graph(Panel))

    assert replayed.output == recorded.output
    assert [entry.address for entry in cassette.entries] == ["0@ann", "0@bob"]
    assert cassette.entries[0].node == "Panel"


@virtual
async def test_loser_of_a_race_is_cancelled_again():
    """What nobody waited for has no answer, and needs none."""

    class Race(BaseNode[Review]):
        async def run(self, ctx: RunContext[Review]) -> Fork[Sentiment | Summary, End[None]]:
            return Fork([Sentiment(), Summary()], then=End(), strategy=MergeStrategy.RACE)

    cassette = Cassette.memory("record")
    model = ScriptedModel(
        {"Sentiment": Delayed("slow", 60), "lovely": Delayed({"summary": "quick"}, 1)}
    )
    recorded = await play(cassette, model, Graph(Race))
    replayed = await play(cassette.replaying(), ScriptedModel([]), Graph(Race))

    assert [entry.outcome for entry in cassette.entries] == ["cancelled", "answer"]
    assert replayed.state == recorded.state
    assert replayed.state.summary == "quick"
    assert replayed.usage.total.cached_calls == replayed.usage.total.calls


@virtual
async def test_call_that_was_cancelled_then_and_is_not_now_ends_with_an_error():
    """A replay that takes another course must not hang."""
    cassette = Cassette.memory("record")
    agent = agent_on(ScriptedModel({"": Delayed("late", 60)}))
    with cassette.use(agent), pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await agent.run("hello")

    with cassette.replaying().use(agent), pytest.raises(CassetteMissError, match=r"after 5 s"):
        await agent.run("hello")


async def test_failed_attempts_replay_with_their_retries(path):
    """A retry is the second time that the step asks."""

    class Patient(Summary):
        retry = RetryPolicy(max_attempts=2, first_delay=0)

    model = ScriptedModel({"lovely": [ConnectionError("reset"), {"summary": "at last"}]})
    graph = Graph(Patient)
    recorded = await play(Cassette(path), model, graph)
    cassette = Cassette(path, "replay")
    replayed = await play(cassette, ScriptedModel([]), graph)

    assert recorded.state == replayed.state
    assert replayed.state.summary == "at last"
    assert [entry.outcome for entry in cassette.entries] == ["error", "answer"]
    assert {entry.node for entry in cassette.entries} == {"Patient"}
    assert replayed.usage.total.calls == replayed.usage.total.cached_calls == 2


# --- several runs ---------------------------------------------------------------------------------


async def test_recording_of_several_runs_plays_run_after_run(path):
    """Each run has its own answers; after the last it begins anew."""
    deps = services(Model())
    cassette = Cassette(path, "record")
    with cassette.use():
        recorded = [(await GRAPH.run(state=Review(), deps=deps)).state for _ in range(3)]

    with Cassette(path, "replay").use():
        replayed = [(await GRAPH.run(state=Review(), deps=deps)).state for _ in range(4)]

    assert replayed == [*recorded, recorded[0]]
    assert len({state.sentiment for state in recorded}) == 3


async def test_memory_answers_every_run_from_the_first():
    """That pins a model: what still differs comes from elsewhere."""
    model = Model()
    deps = services(model)
    cassette = Cassette.memory()
    with cassette.use():
        runs = [await GRAPH.run(state=Review(), deps=deps) for _ in range(5)]

    assert len({run.state.model_dump_json() for run in runs}) == 1
    assert len(model.calls) == 2
    assert [run.usage.total.cached_calls for run in runs] == [0, 2, 2, 2, 2]


async def test_parallel_runs_on_several_event_loops_share_one_recording():
    """Runs in threads with loops of their own see one cassette, and none the other's context."""
    model = Model()
    cassette = Cassette.memory("record")

    def in_a_loop_of_its_own(text: str) -> Any:
        return asyncio.run(play(cassette, model, text=text)).state

    texts = [f"text {i}" for i in range(6)]
    jobs = (asyncio.to_thread(in_a_loop_of_its_own, text) for text in texts)
    recorded = await asyncio.gather(*jobs)
    replaying = cassette.replaying()
    replayed = [(await play(replaying, ScriptedModel([]), text=text)).state for text in texts]

    assert replayed == recorded
    assert len(model.calls) == 12


async def test_two_cassettes_side_by_side_do_not_mix():
    """Each task plays from the one it was started under."""
    one, other = Cassette.memory(), Cassette.memory()
    await asyncio.gather(play(one, Model()), play(other, Model(), text="awful"))

    assert [len(one.entries), len(other.entries)] == [2, 2]
    assert "awful" not in str(one.entries)
    assert contextvars.copy_context().run(lambda: one.hits) == 0


# --- modes ----------------------------------------------------------------------------------------


async def test_miss_names_step_node_and_place_in_the_nearest_request(path):
    """Enough to see what changed, without a look into the file."""
    await play(Cassette(path), Model())
    cassette = Cassette(path, "replay")

    deps = services(ScriptedModel([]))
    with cassette.use(), pytest.raises(Exception, match="CassetteMissError") as raised:
        await Graph(Sentiment).run(state=Review(text="awful"), deps=deps)

    error: Any = raised.value
    while not isinstance(error, CassetteMissError):
        error = error.__cause__
    assert (error.address, error.node) == ("0", "Sentiment")
    assert error.reason.startswith("Nothing was recorded of this step. The nearest request, of")
    assert error.differences == (
        "$.messages[0].parts[0].content: 'Sentiment of: lovely' vs 'Sentiment of: awful'",
    )
    assert cassette.statistics.misses == 1


async def test_asking_once_more_than_recorded_is_a_miss():
    """An answer is never given twice in one run."""
    cassette = Cassette.memory()
    agent = agent_on(Model())
    with cassette.use(agent):
        await agent.run("hello")

    with cassette.replaying().use(agent):
        await agent.run("hello")
        with pytest.raises(CassetteMissError, match="asked this 2 times here, and 1 answer was"):
            await agent.run("hello")


async def test_mode_auto_adds_what_is_missing_and_record_makes_all_anew(path):
    """The two ways to bring a file up to date."""
    await play(Cassette(path), Model())
    model = Model()
    added = Cassette(path)
    await play(added, model, text="awful")
    await play(added, model, text="lovely")
    assert (added.statistics.hits, added.statistics.recorded) == (2, 2)
    assert len(Cassette(path, "replay").entries) == 4

    await play(Cassette(path, "record"), model)
    assert len(Cassette(path, "replay").entries) == 2


async def test_live_node_asks_its_model_and_the_rest_replays(path):
    """Named by class, name or address; nothing of it is recorded in mode `replay`."""
    recorded = await play(Cassette(path), Model())
    before = path.read_bytes()

    for live in (Summary, "Summary", "0.1"):
        cassette = Cassette(path, "replay", live=[live])
        model = ScriptedModel({"lovely": {"summary": "fresh"}})
        result = await play(cassette, model)
        assert result.state.summary == "fresh"
        assert result.state.sentiment == recorded.state.sentiment
        assert len(model.calls) == 1
        assert result.usage["0.1"].cached_calls == 0
        assert cassette.statistics.live_by_address == {"0.1": 1}

    assert path.read_bytes() == before


async def test_live_node_is_recorded_anew_in_mode_auto(path):
    """So one node's answers can be renewed without the others'."""
    await play(Cassette(path), Model())
    await play(Cassette(path, live=[Summary]), ScriptedModel({"lovely": {"summary": "fresh"}}))
    result = await play(Cassette(path, "replay"), ScriptedModel([]))

    assert result.state.summary == "fresh"
    assert len(Cassette(path, "replay").entries) == 2


async def test_perturbed_answer_changes_one_node_and_stays_parsable(path):
    """The same seed makes the same change; what it is not for stays."""
    recorded = await play(Cassette(path), Model())
    results = []
    for seed in (1, 1, 2):
        perturb = Perturbation(seed=seed, only="Summary")
        results.append(await play(Cassette(path, "replay", perturb=perturb), ScriptedModel([])))

    assert results[0].state == results[1].state
    for result in results:
        assert result.state.summary != recorded.state.summary
        assert result.state.sentiment == recorded.state.sentiment


async def test_perturbation_may_be_a_function_of_the_text():
    """What a user thinks a model might say instead."""
    cassette = Cassette.memory()
    agent = agent_on(Model())
    with cassette.use(agent):
        await agent.run("hello")
    with cassette.replaying(perturb=lambda text, random: text.upper()).use(agent):
        result = await agent.run("hello")

    assert result.output == "SAID 1"


def test_wrong_arguments_are_refused_with_what_to_write(path):
    """Before anything runs."""
    with pytest.raises(UsageError, match="'auto', 'record', 'replay'"):
        Cassette(path, "rewind")
    with pytest.raises(UsageError, match="`pace` is -1"):
        Cassette(path, pace=-1)
    with pytest.raises(UsageError, match="`perturb` is 3"):
        Cassette(path, perturb=3)
    with pytest.raises(UsageError, match="no pattern"):
        Cassette(path, scrub=["("])
    with pytest.raises(UsageError, match=r"can't wrap.*cassette\.transport"):
        Cassette(path).wrap(object())
    with pytest.raises(UsageError, match="no Pydantic AI agent"), Cassette(path).use(object()):
        pass
