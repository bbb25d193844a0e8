"""Nodes that ask language models, as users write them: no error anywhere."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent

from lift_sys import End, Graph, RunContext
from lift_sys.llm import AgentNode, SignatureNode


class Review(BaseModel):
    text: str
    sentiment: str = ""
    summary: str = ""


class Line(BaseModel):
    text: str


class Sentiment(SignatureNode[Review]):
    signature = "text -> sentiment"

    def next_node(self, ctx: RunContext[Review]) -> Summary:
        return Summary()


class Tidy(SignatureNode[Review]):
    signature = "text -> sentiment"

    def extract_inputs(self, state: Review) -> dict[str, Any]:
        return {"text": state.text.strip()}

    def update_state(self, state: Review, prediction: Any) -> None:
        state.sentiment = str(prediction.sentiment).lower()

    async def next_node(self, ctx: RunContext[Review]) -> Summary | End:
        return Summary() if ctx.state.sentiment else End()


class Summary(AgentNode[Review, Line]):
    agent = Agent("openai:gpt-5", output_type=Line)

    def prompt(self, state: Review) -> str:
        return f"Summarise in one line: {state.text}"

    def update_state(self, state: Review, output: Line) -> None:
        state.summary = output.text

    def next_node(self, ctx: RunContext[Review]) -> End[str]:
        return End(ctx.state.summary)


class Text(AgentNode[Review, str]):
    agent = Agent("openai:gpt-5")
    stream = True

    def prompt(self, state: Review) -> str:
        return state.text

    def update_state(self, state: Review, output: str) -> None:
        state.summary = output

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


graph = Graph(Sentiment)
