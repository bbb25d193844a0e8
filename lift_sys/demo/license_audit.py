"""The graph of the demo: for each package three votes on its licence, beside a line on its purpose.

    AuditAll -> for each package: AuditPackage -> Vote -> three Ask... nodes, joined by MAJORITY
                                               -> Purpose

Branches write under their own package's key, so that joins merge and nothing conflicts. The state
holds plain data; clients of the model are in `deps`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.strategies import Majority, MergeStrategy
from lift_sys.core.successors import End, Fork
from lift_sys.demo import AUDIT
from lift_sys.demo.packages import Family, Package
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.graph.graph import Graph
from lift_sys.llm import AgentNode, SignatureNode

if TYPE_CHECKING:
    import dspy
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelMessage

    from lift_sys.llm.local import Endpoint


class Audit(BaseModel):
    """What is asked, and what was found; dicts are by package name.

    Attributes:
        packages: The input.
        families: The verdict of the majority.
        votes: What each of the three said, None where it was cancelled because the others agreed,
            or failed.
        purposes: One line on what the package is for.
    """

    packages: list[Package]
    families: dict[str, Family] = {}
    votes: dict[str, list[Family | None]] = {}
    purposes: dict[str, str] = {}

    def package(self, name: str) -> Package:
        """The package called `name`."""
        return next(package for package in self.packages if package.name == name)


class Answer(BaseModel):
    """What a model may answer: the server holds it to this schema."""

    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Clients of one model server: Pydantic AI for the votes, DSPy for the purpose."""

    agent: Agent[Any, Answer]
    lm: dspy.LM


@dataclass(frozen=True, slots=True)
class Services:
    """`deps` of the graph: clients of one server or more, over which packages are spread."""

    clients: tuple[Clients, ...]

    def for_package(self, state: Audit, name: str) -> Clients:
        """The clients for a package: always the same ones, so that repeats ask alike."""
        index = [package.name for package in state.packages].index(name)
        return self.clients[index % len(self.clients)]


def clients_for(endpoint: Endpoint) -> Clients:
    """Make the clients for a model that is served at `endpoint`."""
    from pydantic_ai import Agent, NativeOutput

    from lift_sys.llm.local import dspy_lm, pydantic_ai_model

    model = pydantic_ai_model(endpoint, max_tokens=48)
    agent: Agent[Any, Answer] = Agent(model, output_type=NativeOutput(Answer), name="licence")
    return Clients(agent=agent, lm=dspy_lm(endpoint, max_tokens=64))


class Ask(AgentNode[Audit, Answer]):
    """One vote on the licence of `package`; subclasses differ in how they ask."""

    excerpt_length = 160  # characters; with more of a text this small a model answers worse
    # Deeper steps go first, so that packages are finished one after the other.
    priority = 1

    def __init__(self, package: str) -> None:
        self.package = package

    def agent_for(self, ctx: RunContext[Audit]) -> Agent[Any, Answer]:
        """The agent of the package's server."""
        services: Services = ctx.deps
        return services.for_package(ctx.state, self.package).agent

    def excerpt(self, state: Audit) -> str:
        """The beginning of the licence's text."""
        return state.package(self.package).licence_text[: self.excerpt_length]

    def update_state(self, state: Audit, output: Answer) -> None:
        """Write this vote down as the verdict; the majority decides whose is kept."""
        state.families[self.package] = output.family

    def next_node(self, ctx: RunContext[Audit]) -> End[Family]:
        """End the branch with the vote."""
        return End(ctx.state.families[self.package])


class AskPlainly(Ask):
    """Ask which licence the text is of."""

    def prompt(self, state: Audit) -> str:
        """Text, then question."""
        return f"Text: {self.excerpt(state)}\n\nThis is the text of which licence?"


class AskToComplete(Ask):
    """Let the model complete a sentence, which is what it was first trained for."""

    def prompt(self, state: Audit) -> str:
        """A sentence with a gap."""
        text = self.excerpt(state)
        return f'Complete with one word. "{text}" is the beginning of the ... licence.'


class AskByExample(Ask):
    """Show how other texts were answered, then ask."""

    question = "Text: {text}\n\nThis is the text of which licence?"
    examples = (
        ("Permission to use, copy, modify, and/or distribute this software", Family.OTHER),
        ("Python Software Foundation", Family.PSF),
        ("Mozilla Public License Version 2.0", Family.MPL),
        ("GNU GENERAL PUBLIC LICENSE Version 3", Family.GPL),
        ("Licensed under the Apache License, Version 2.0", Family.APACHE),
        ("Redistribution and use in source and binary forms", Family.BSD),
        ("Permission is hereby granted, free of charge, to any person", Family.MIT),
    )

    def prompt(self, state: Audit) -> str:
        """The question that the examples answered."""
        return self.question.format(text=self.excerpt(state))

    def run_options(self, ctx: RunContext[Audit]) -> dict[str, Any]:
        """Pass the examples as an earlier conversation."""
        from pydantic_ai.messages import (
            ModelRequest,
            ModelResponse,
            TextPart,
            UserPromptPart,
        )

        history: list[ModelMessage] = []
        for text, family in self.examples:
            asked = UserPromptPart(self.question.format(text=text), timestamp=ctx.now())
            answer = TextPart(Answer(family=family).model_dump_json())
            history += [ModelRequest([asked]), ModelResponse([answer], timestamp=ctx.now())]
        return {"message_history": history}


def predict_by_example(signature: Any) -> Any:
    """Make a `dspy.Predict` with demos: without, this model repeats its instructions."""
    import dspy

    predict = dspy.Predict(signature)
    predict.demos = [
        dspy.Example(summary="Simple powerful testing with Python", purpose="testing programs"),
        dspy.Example(
            summary="YAML parser and emitter for Python", purpose="reading and writing YAML"
        ),
        dspy.Example(summary="Python HTTP for Humans.", purpose="sending HTTP requests"),
    ]
    return predict


class Purpose(SignatureNode[Audit]):
    """Say in a few words what `package` is for, by its own summary."""

    signature = "summary -> purpose"
    module_type = predict_by_example
    priority = 1

    def __init__(self, package: str) -> None:
        self.package = package

    @property
    def adapter(self) -> Any:
        """The one that sends the signature's JSON schema, which the server holds the model to."""
        import dspy

        return dspy.JSONAdapter()

    def lm_for(self, ctx: RunContext[Audit]) -> Any:
        """The language model of the package's server."""
        services: Services = ctx.deps
        return services.for_package(ctx.state, self.package).lm

    def extract_inputs(self, state: Audit) -> dict[str, Any]:
        """Only the summary: names say little."""
        return {"summary": state.package(self.package).summary}

    def update_state(self, state: Audit, prediction: Any) -> None:
        """Keep what was said, in one line."""
        state.purposes[self.package] = " ".join(str(prediction.purpose).split())

    def next_node(self, ctx: RunContext[Audit]) -> End:
        """End the branch."""
        return End()


@dataclass(frozen=True)
class CountVotes(BaseNode[Audit]):
    """Write down who voted for what; runs on the state of the branch that won."""

    package: str

    async def run(self, ctx: RunContext[Audit]) -> End:
        """Keep the branches' outputs in declared order."""
        ctx.state.votes[self.package] = [branch.output for branch in ctx.branches]
        return End()


@dataclass(frozen=True)
class Vote(BaseNode[Audit]):
    """Ask three times, in three ways, and take what most say."""

    priority = 1

    package: str

    async def run(
        self, ctx: RunContext[Audit]
    ) -> Fork[AskByExample | AskToComplete | AskPlainly, CountVotes]:
        """Compare the verdicts only; the first is the most reliable one and breaks ties."""
        return Fork(
            [AskByExample(self.package), AskToComplete(self.package), AskPlainly(self.package)],
            then=CountVotes(self.package),
            strategy=Majority(key="families"),
        )


@dataclass(frozen=True)
class AuditPackage(BaseNode[Audit]):
    """Vote on the licence and describe the purpose at the same time."""

    package: str

    async def run(self, ctx: RunContext[Audit]) -> Fork[Vote | Purpose, End]:
        """Keep what succeeds: a purpose that does not parse must not cost the vote."""
        return Fork(
            [Vote(self.package), Purpose(self.package)],
            then=End(),
            strategy=MergeStrategy.BEST_EFFORT,
        )


class AuditAll(BaseNode[Audit]):
    """Audit each package in a branch of its own."""

    async def run(self, ctx: RunContext[Audit]) -> Fork[AuditPackage, End]:
        """Fan out over the packages in the state."""
        return Fork([AuditPackage(package.name) for package in ctx.state.packages], then=End())


def audit_graph(max_concurrent: int = 4) -> Graph[Audit]:
    """Make the graph; `max_concurrent` requests are under way at a time."""
    return Graph(AuditAll, name=AUDIT, executor=ParallelExecutor(max_concurrent))
