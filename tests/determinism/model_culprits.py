"""Programs that ask a language model of DSPy or Pydantic AI; the marked line is the guilty one.

The models vary by themselves, as hosted ones do: what they answer depends on a counter of the process
or on drawn numbers.
"""

import asyncio
import random

import dspy
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.testing import ScriptedModel

WORDS = ["red", "green", "blue", "yellow", "white", "black", "pink"]


def varying_lm() -> dspy.LM:
    return ScriptedModel(lambda _: {"answer": f"It is {random.choice(WORDS)}"}).for_dspy()


async def dspy_predicts(state):
    ask = dspy.Predict("question -> answer")
    with dspy.context(lm=varying_lm()):
        prediction = await ask.acall(question="colour?")  # guilty: model
    return prediction.answer


def dspy_predicts_plainly(state):
    with dspy.context(lm=varying_lm()):
        return dspy.Predict("question -> answer")(question="colour?").answer  # guilty: model


async def vary(messages, info):
    await asyncio.sleep(0.01)
    return ModelResponse(parts=[TextPart(f"It is {random.choice(WORDS)}")])


async def agent_answers(state):
    agent = Agent(FunctionModel(vary))
    result = await agent.run("colour?")  # guilty: model
    return result.output


def vary_plainly(messages, info):
    return ModelResponse(parts=[TextPart(f"It is {random.choice(WORDS)}")])


async def agent_answers_from_thread(state):
    agent = Agent(FunctionModel(vary_plainly))
    return (await agent.run("colour?")).output  # guilty: model


class Colour(BaseModel):
    name: str
    shade: int


async def agent_fills_form(state):
    agent = Agent(TestModel(), output_type=Colour)
    return (await agent.run("colour?")).output  # guilty: model


async def agent_ignores_answer(state):
    agent = Agent(FunctionModel(vary))
    answers = await asyncio.gather(*(agent.run(f"colour {number}?") for number in range(3)))
    return len(answers)


class Review(BaseModel):
    question: str = "colour?"
    answer: str = ""


class Ask(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End[None]:
        result = await Agent(FunctionModel(vary)).run(ctx.state.question)  # guilty: model
        ctx.state.answer = result.output
        return End(None)


asking = Graph(Ask)
