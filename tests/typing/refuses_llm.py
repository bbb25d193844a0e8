"""Mistakes in nodes that ask language models: the marked lines must be errors, no others."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent

from lift_sys import BaseNode, End, RunContext
from lift_sys.llm import AgentNode, SignatureNode


class Review(BaseModel):
    text: str
    summary: str = ""


class Order(BaseModel):
    price: float = 0.0


class Line(BaseModel):
    text: str


class Pay(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End:
        return End()


class WrongState(SignatureNode[Review]):
    signature = "text -> summary"

    def extract_inputs(self, state: Order) -> dict[str, Any]:  # E: override
        return {}

    def update_state(self, state: Order, prediction: Any) -> None:  # E: override
        state.price = 1.0

    def next_node(self, ctx: RunContext[Review]) -> Pay:  # E: override
        return Pay()


class WrongMembers(SignatureNode[Review]):
    signature = 3  # E: assignment

    def extract_inputs(self, state: Review) -> list[str]:  # E: override
        return [state.text]

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class NoSuccessor(SignatureNode[Review]):
    signature = "text -> summary"


NoSuccessor()  # E: abstract


class WrongOutput(AgentNode[Review, Line]):
    agent = Agent("openai:gpt-5", output_type=int)  # E: arg-type

    def prompt(self, state: Review) -> int:  # E: override
        return 3

    def update_state(self, state: Review, output: str) -> None:  # E: override
        state.summary = output

    def next_node(self, ctx: RunContext[Review]) -> End:
        return End()


class WrongUse(AgentNode[Review, Line]):
    agent = Agent("openai:gpt-5", output_type=Line)

    def prompt(self, state: Review) -> str:
        return state.txt  # E: attr-defined

    def update_state(self, state: Review, output: Line) -> None:
        state.summary = output  # E: assignment
        state.summary = output.line  # E: attr-defined

    def next_node(self, ctx: RunContext[Review]) -> End[str]:
        return End(ctx.state)  # E: arg-type


class ForeignSuccessor(AgentNode[Review, Line]):
    def prompt(self, state: Review) -> str:
        return state.text

    def update_state(self, state: Review, output: Line) -> None:
        state.summary = output.text

    async def next_node(self, ctx: RunContext[Review]) -> Pay:  # E: override
        return Pay()
