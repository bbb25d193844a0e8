"""Reports on what only another order of completion brings about, which exploring has found."""

import asyncio
import json
from typing import Any
from xml.etree import ElementTree

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.check import check_determinism
from lift_sys.determinism.reporting.report import DeterminismReport


class Paper(BaseModel):
    title: str = ""
    body: str = "x" * 300


class Words:
    """What branches share, though nobody declared it."""

    def __init__(self) -> None:
        self.said: list[str] = []


class Say(BaseNode[Paper]):
    def __init__(self, word: str, seconds: float) -> None:
        self.word, self.seconds = word, seconds

    async def run(self, ctx: RunContext[Paper]) -> End:
        await asyncio.sleep(self.seconds)
        ctx.deps.said.append(self.word)
        return End()


class Title(BaseNode[Paper]):
    async def run(self, ctx: RunContext[Paper]) -> End:
        ctx.state.title = " ".join(ctx.deps.said)
        return End()


class Begin(BaseNode[Paper]):
    async def run(self, ctx: RunContext[Paper]) -> Fork[Say, Title]:
        return Fork([Say("first", 0.001), Say("second", 0.002)], then=Title())


@pytest.fixture(scope="module")
def report() -> DeterminismReport:
    return asyncio.run(check_determinism(Graph(Begin), Paper(), 5, deps=Words, explore=50))


def test_the_step_and_the_field_are_named(report: DeterminismReport):
    assert (report.first_divergent_node, report.first_divergent_field) == ("1:Title", "$.title")
    assert [each.path for each in report.differing_fields] == ["$.title"]
    assert report.by_order


def test_the_text_shows_where_and_what(report: DeterminismReport):
    text = str(report)

    assert "one outcome in 5 runs; 2 in" in text.splitlines()[0]
    assert "first at     1:Title; in that order" in text
    assert '- "first second"' in text
    assert '+ "second first"' in text
    assert "xxxx" not in text  # what agrees


def test_junit_has_one_failure_for_it(report: DeterminismReport):
    failures = ElementTree.fromstring(report.to_junit()).findall(".//failure")

    assert len(failures) == 1
    assert failures[0].attrib["message"].startswith("differs at 1:Title $.title after")


def test_json_has_one_grade_for_it(report: DeterminismReport):
    document = json.loads(report.to_json())

    assert document["evidence"]["grade"] == document["grade"]
    assert document["first_divergence"]["label"] == "1:Title"


def test_the_page_marks_the_node_and_shows_both_runs(report: DeterminismReport):
    page = report.to_html()

    assert "The first step that differs is 1:Title." in page
    assert "differs with the order" in page
    assert "plain order" in page
    assert "other order" in page
    assert len(report.timelines) == 2


def test_of_a_function_the_fields_are_named():
    """Its steps are not known."""

    async def write(paper: Paper) -> None:
        async def say(word: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            paper.title += word

        await asyncio.gather(say("a", 0.001), say("b", 0.002))

    found: Any = asyncio.run(check_determinism(write, Paper(), 5, explore=50))

    assert (found.first_divergent_node, found.first_divergent_field) == ("", "$.title")
    assert '+ "ba"' in str(found)


async def never(_: object) -> None:
    await asyncio.Event().wait()


def test_what_is_stuck_in_any_order_is_told_once_with_its_line():
    report = asyncio.run(check_determinism(never, None, 2, longest_run=0.01, explore=5))

    (at,) = [line for line in str(report).splitlines() if "deadlock of" in line]
    assert "in never (" in at
    assert "  + " not in str(report)
    assert "await asyncio.Event().wait()" in " ".join(str(report).split())


def test_the_page_tells_it_once_and_blames_no_other_order():
    report = asyncio.run(check_determinism(never, None, 2, longest_run=0.01, explore=5))

    page = report.to_html()

    assert "◆ In the plain order: deadlock" in page
    assert "another order of completion" not in page
    assert "− plain" not in page
