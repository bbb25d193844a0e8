"""Record what a model answers, replay it without the model, and see what depends on it.

    python examples/cassette.py [CASSETTE]

Two nodes, one on Pydantic AI and one on DSPy, ask the embedded model side by side, at temperature 1
and without a seed: it would say something else each time. The first run is recorded, to the file
that is named or to one that is thrown away; then the same graph runs from the recording, with the
model stopped, and on answers that are changed on purpose. No network and no key.
"""

import asyncio
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dspy
from pydantic import BaseModel
from pydantic_ai import Agent

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.errors import NodeError
from lift_sys.llm import AgentNode, SignatureNode
from lift_sys.llm.cassette import Cassette, Perturbation
from lift_sys.llm.local import LocalEndpoint, dspy_lm, local_model, pydantic_ai_model


class Review(BaseModel):
    """A review, and what was found in it."""

    text: str = "I love this phone, it is wonderful."
    mood: str = ""
    title: str = ""


class Opinion(BaseModel):
    """What the mood is."""

    mood: Literal["positive", "negative"]


@dataclass
class Models:
    """What the nodes ask: `ctx.deps`."""

    agent: Agent[None, Opinion]
    lm: dspy.LM

    @classmethod
    def at(cls, endpoint: LocalEndpoint) -> "Models":
        """Both frameworks' clients of the embedded model."""
        model = pydantic_ai_model(endpoint, temperature=1.0, max_tokens=20)
        lm = dspy_lm(endpoint, temperature=1.0, max_tokens=40)
        return cls(agent=Agent(model, output_type=Opinion), lm=lm)


class Mood(AgentNode[Review, Opinion]):
    """Asks through Pydantic AI."""

    def prompt(self, state: Review) -> str:
        """The question."""
        return f"Is the mood positive or negative? {state.text}"

    def update_state(self, state: Review, output: Opinion) -> None:
        """Note the answer."""
        state.mood = output.mood

    def next_node(self, ctx: RunContext[Review]) -> End:
        """Nothing follows."""
        return End()


class Title(SignatureNode[Review]):
    """Asks through DSPy."""

    signature = "text -> title"
    adapter = dspy.JSONAdapter()

    def next_node(self, ctx: RunContext[Review]) -> End:
        """Nothing follows."""
        return End()


class Look(BaseNode[Review]):
    """Asks both at once."""

    async def run(self, ctx: RunContext[Review]) -> Fork[Mood | Title, End[None]]:
        """Each has a copy of the review; what they found is joined."""
        return Fork([Mood(), Title()], then=End())


async def look(cassette: Cassette, models: Models) -> None:
    """Run the graph once on `cassette`, and say what came of it."""
    with cassette.use():
        result = await Graph(Look).run(state=Review(), deps=models)
    print(f"  {result.state.mood}: {result.state.title!r}")
    print(f"  {cassette.statistics}; {result.usage.total.tokens} tokens")


async def main() -> None:
    """Record, replay, perturb, and ask what was not recorded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder) / "look.jsonl"
        async with local_model() as endpoint:
            models = Models.at(endpoint)
            print("Recorded:")
            await look(Cassette(path, mode="record"), models)

        print("Replayed, with the model stopped:")
        await look(Cassette(path, mode="replay"), models)

        print("Replayed, with another title:")
        perturb = Perturbation(seed=7, only="Title")
        await look(Cassette(path, mode="replay", perturb=perturb), models)

        print("Asked about another review:")
        with Cassette(path, mode="replay").use():
            try:
                await Graph(Mood).run(state=Review(text="I hate it."), deps=models)
            except NodeError as error:
                print(f"  {error.__cause__}")  # a CassetteMissError


if __name__ == "__main__":
    asyncio.run(main())
