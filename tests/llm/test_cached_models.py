"""Cached nodes that ask models: repeated prompts cost nothing, and another model is asked again."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.core.node import BaseNode
from lift_sys.durability import MemoryCache, SqliteCache
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.identity import identity_of_lm
from lift_sys.testing import ScriptedModel


class Review(BaseModel):
    number: int = 0
    text: str = ""
    sentiment: str = ""


@pytest.mark.extra("dspy")
class TestSignatureNodes:
    class Judge(SignatureNode[Review]):
        signature = "text -> sentiment"
        cache = True
        reads = ("text", "sentiment")

        def next_node(self, ctx: RunContext[Review]) -> End[str]:
            return End(ctx.state.sentiment)

    async def asked(self, node: Any, lms: list[Any], script: ScriptedModel, text: str) -> int:
        """How many calls reach the model when the node runs once with each of these."""
        cache, before = MemoryCache(), len(script.calls)
        for lm in lms:
            await Graph(node).run(state=Review(text=text), deps=lm, cache=cache)
        return len(script.calls) - before

    async def test_sixty_percent_repeated_prompts_are_sixty_percent_hits(self):
        """Of 100 reviews 60 repeat an earlier text; the model is asked 40 times."""
        chance = random.Random(7)
        fresh = [f"review {number}" for number in range(40)]
        texts = fresh + [chance.choice(fresh) for _ in range(60)]
        chance.shuffle(texts)
        script = ScriptedModel(lambda prompt: "good")
        graph, cache = Graph(self.Judge, executor=ParallelExecutor(8)), MemoryCache()
        hits = 0
        for number, text in enumerate(texts):
            result = await graph.run(
                state=Review(number=number, text=text), deps=script.for_dspy(), cache=cache
            )
            assert result.state == Review(number=number, text=text, sentiment="good")
            hits += result.statistics["cache_hits"]

        assert hits == 60
        assert len(script.calls) == 40

    async def test_model_and_settings_are_a_part_of_the_key(self):
        """Another temperature is another answer; the same one is not."""
        script = ScriptedModel(lambda prompt: "good")
        models = [
            script.for_dspy(),
            script.for_dspy(temperature=0.5),
            script.for_dspy(),
            script.for_dspy(temperature=0.5),
        ]

        assert await self.asked(self.Judge, models, script, "text") == 2

    def test_keys_and_addresses_are_no_part_of_it(self):
        """The same model at another place is the same model, and no secret is digested."""
        import dspy

        here = dspy.LM("openai/m", api_key="sk-1", api_base="http://localhost:1", max_tokens=9)
        there = dspy.LM("openai/m", api_key="sk-2", api_base="http://localhost:2", max_tokens=9)

        assert identity_of_lm(here) == identity_of_lm(there)
        assert "sk-1" not in str(identity_of_lm(here))
        assert identity_of_lm(here) != identity_of_lm(dspy.LM("openai/other", max_tokens=9))

    async def test_signature_is_a_part_of_the_key(self):
        """Also where it is a class of another module."""
        import dspy

        script = ScriptedModel(lambda prompt: "good")
        cache = MemoryCache()
        for words in ("Judge it.", "Judge it well.", "Judge it."):
            signature = dspy.Signature("text -> sentiment", words)

            class Judge(self.Judge):
                pass

            Judge.signature = signature
            lm = script.for_dspy()
            await Graph(Judge).run(state=Review(text="t"), deps=lm, cache=cache)

        assert len(script.calls) == 2

    async def test_hit_is_a_cached_call(self, tmp_path):
        """Ledger and provenance say what was asked once, from a file, too."""
        script = ScriptedModel(lambda prompt: "good")
        with SqliteCache(tmp_path / "c.db") as cache:
            for _ in range(2):
                result = await Graph(self.Judge).run(
                    state=Review(text="t"), deps=script.for_dspy(), cache=cache
                )

        [entry] = result.context.provenance
        assert entry["cached"] is True
        assert entry["usage"]["cached_calls"] == entry["usage"]["calls"] == 1
        assert entry["execution_id"] == result.execution_id
        assert (result.usage.total.calls, result.usage.total.cached_calls) == (1, 1)
        assert result.usage.total.tokens == 0

    async def test_recordings_see_every_call(self, tmp_path):
        """A cassette in use is not kept from the model's calls by a cache."""
        script, cache = ScriptedModel(lambda prompt: "good"), MemoryCache()
        graph = Graph(self.Judge)
        await graph.run(state=Review(text="t"), deps=script.for_dspy(), cache=cache)
        with Cassette(tmp_path / "calls.jsonl").use():
            result = await graph.run(state=Review(text="t"), deps=script.for_dspy(), cache=cache)

        assert len(script.calls) == 2
        assert result.statistics["cache_hits"] == 0

    async def test_a_fan_out_asks_once_for_each_text(self):
        """Identical branches share one call."""

        class Spread(BaseNode[Review]):
            async def run(self, ctx: RunContext[Review]) -> Fork[TestSignatureNodes.Judge, End]:
                return Fork([TestSignatureNodes.Judge() for _ in range(20)], then=End())

        script = ScriptedModel(lambda prompt: "good")
        result = await Graph(Spread).run(
            state=Review(text="t"), deps=script.for_dspy(), cache=MemoryCache()
        )

        assert len(script.calls) == 1
        assert result.statistics["cache_hits"] == 19


@pytest.mark.extra("pydantic_ai")
async def test_agents_are_known_by_model_settings_and_instructions():
    """What an agent is told and allowed is a part of the key, whatever object it is."""
    from pydantic_ai import Agent

    class Judge(AgentNode[Review, str]):
        cache = True
        reads = ("text",)

        def prompt(self, state: Review) -> str:
            return state.text

        def update_state(self, state: Review, output: str) -> None:
            state.sentiment = output

        def next_node(self, ctx: RunContext[Review]) -> End:
            return End()

    script, cache = ScriptedModel(lambda prompt: "good"), MemoryCache()

    def agent(name: str = "cheap", **options: Any) -> Any:
        return Agent(script.for_pydantic_ai(model_name=name), **options)

    def tooled() -> Any:
        made = agent()

        @made.tool_plain
        def look_up(word: str) -> str:
            """Look a word up."""
            return word

        return made

    def first(word: str) -> str:
        return word

    def second(word: str) -> str:
        return word

    agents = [
        agent(),
        agent("dear"),
        agent(instructions="Be brief."),
        agent(system_prompt="Be brief."),
        agent(model_settings={"temperature": 0.0}),
        tooled(),
        agent(tools=[first, second]),
        agent(tools=[second, first]),
    ]
    for each in [*agents, *agents, agent(instructions="Be brief."), tooled()]:
        result = await Graph(Judge).run(state=Review(text="t"), deps={"agent": each}, cache=cache)
        assert result.state.sentiment == "good"

    assert len(script.calls) == len(agents)
