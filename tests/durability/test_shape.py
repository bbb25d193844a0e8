"""Shapes of graphs: what differs is said in lines, and what does not matter is not."""

import json
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.durability.shape import differences, shape_of


def graph_of(**changes: Any) -> Graph[Any]:
    """A graph, with what is given in another way than usual."""
    usual: dict[str, Any] = {"steps": list[str], "query": str, "colours": ["RED", "BLUE"]}
    usual |= {"next": "collect", "limit": Annotated[int, Field(gt=0)], "twin": "Search"}
    now = SimpleNamespace(**(usual | changes))
    Colour = Enum("Colour", now.colours)

    class Step(BaseModel):
        colour: Colour
        limit: now.limit = 1

    class Plan(BaseModel):
        steps: now.steps = []
        all: dict[str, Step] = {}

    class Collect(BaseNode[Plan]):
        async def run(self, ctx: RunContext[Plan]) -> End[str]:
            raise NotImplementedError

    @dataclass
    class Search(BaseNode[Plan]):
        query: now.query

        async def run(self, ctx: RunContext[Plan]) -> End[str]:
            raise NotImplementedError

    Search.__name__ = Search.__qualname__ = now.twin

    class Read(BaseNode[Plan]):
        if now.next == "collect":

            async def run(self, ctx: RunContext[Plan]) -> Fork[Search, Collect]:
                """Read."""
                raise NotImplementedError
        else:

            async def run(self, ctx: RunContext[Plan]) -> Search | Collect:
                return Collect()

    return Graph(Read)


def changed(**changes: Any) -> list[str]:
    old = json.loads(json.dumps(shape_of(graph_of())))
    return differences(old, shape_of(graph_of(**changes)))


def test_equal_graphs_have_equal_shapes():
    """Made again, they differ in nothing; nor by docstrings and code."""
    assert changed() == []


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"steps": list[int]}, ["Plan.steps was list[str], is list[int]"]),
        ({"query": str | None}, ["Search.query was str, is str | None"]),
        ({"colours": ["RED"]}, ["Colour.members was RED, BLUE, is RED"]),
        ({"limit": int}, ["Step.limit was int (Gt(gt=0)), is int"]),
        (
            {"next": "either"},
            ["node Read returned Fork[Search, Collect], returns Collect | Search"],
        ),
        (
            {"twin": "Find"},
            [
                "node Search is gone",
                "node Find is new",
                "node Read returned Fork[Search, Collect], returns Fork[Find, Collect]",
            ],
        ),
    ],
    ids=lambda each: str(next(iter(each))) if isinstance(each, dict) else "",
)
def test_differences_are_readable(change, lines):
    """A line for each, with node or class and what it was."""
    assert changed(**change) == lines
