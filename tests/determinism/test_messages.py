"""What is said of arguments that can't be used: by their own names, and with what to write."""

import asyncio
import re
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.determinism import attribute, check_determinism, explore
from lift_sys.determinism.concurrency import validate_concurrency
from lift_sys.errors import UsageError


class Doc(BaseModel):
    text: str


class Begin(BaseNode[Doc]):
    async def run(self, ctx: RunContext[Doc]) -> End:
        return End()


graph = Graph(Begin)
DOC = Doc(text="a")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: check_determinism("flow.py:graph", DOC), "import what it names, and give that"),
        (lambda: explore("flow.py:graph", DOC), "import what it names, and give that"),
        (lambda: explore(Begin, DOC), "Give an instance of the node, `Begin(...)`, or a Graph"),
        (lambda: explore(graph, DOC, budget="10"), "budget='10': give a whole number"),
        (lambda: validate_concurrency(graph, DOC), "`test_cases` is Doc(text='a'): give a list"),
        (lambda: validate_concurrency(graph, [DOC], 1), "iterations=1: give a whole number"),
        (lambda: validate_concurrency(graph, [DOC], runs=3), "`runs` is called `iterations`"),
        (lambda: attribute(graph, DOC, sources="rng"), "give a list of them, ['rng']"),
        (lambda: attribute(graph, DOC, max_runs="5"), "`max_runs` is '5'"),
        (lambda: check_determinism(graph, Doc, 3), "Doc is called to make the state, and raised"),
    ],
)
def test_what_can_not_be_used_is_said(call: Any, said: str):
    async def awaited() -> Any:
        found = call()
        return await found if asyncio.iscoroutine(found) else found

    with pytest.raises(UsageError, match=re.escape(said)):
        asyncio.run(awaited())


def test_a_page_that_can_not_be_written_is_said():
    report = asyncio.run(check_determinism(graph, DOC, 2))

    with pytest.raises(UsageError, match="'/nope/x.html' can't be written: No such file"):
        report.write_html("/nope/x.html")
