"""The HTML page and the JUnit file of a report: complete, safe, and valid."""

import asyncio
import random
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism import check_determinism
from lift_sys.determinism.rendering import html, junit

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u202e\x00\x1b[0m"
VOID = {"br", "meta", "path", "rect", "circle", "line", "polygon", "col"}


class Review(BaseModel):
    """What the nodes below work on."""

    text: str = ""
    notes: dict[str, str] = {}


class Plan(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> "Fork[Search | Rate, Write]":
        ctx.state.notes = {"plan": "<b>bold</b>"}
        return Fork([Search(), Rate()], then=Write())


class Search(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        ctx.state.notes[HOSTILE] = f"{random.random()} {HOSTILE}"
        return End()


class Rate(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        return End()


class Write(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End[str]:
        ctx.state.text = f"{HOSTILE} {sorted(ctx.state.notes.values())}"
        return End(HOSTILE)


class Reading(HTMLParser):
    """What a page holds: elements and attributes, nesting checked on the way."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)


def check(target, state, runs=6, **options):
    return asyncio.run(check_determinism(target, state, runs, **options))


@pytest.fixture(scope="module")
def report():
    return check(Graph(Plan, name=f"reviews {HOSTILE}"), Review)


async def steady(state):
    return {"answer": 4}


async def wavering(state):
    return {"answer": random.random(), "name": HOSTILE}


# --- safe ----------------------------------------------------------------------------------------


def test_values_from_the_state_never_become_markup(report):
    """Tags, quotes and handlers in values, field names and the graph's name stay text."""
    page = Reading(html(report))

    names = {name for name, _ in page.elements}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form"}
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
    assert "alert(1)" in page.text
    assert "<b>bold</b>" in page.text


def test_page_loads_nothing_and_forbids_it(report):
    """No address of another place in it, and a policy under which none would be loaded."""
    text = html(report)
    page = Reading(text)

    for name, attributes in page.elements:
        assert "src" not in attributes, name
        assert attributes.get("href", "#").startswith("#")
    assert "url(" not in text.replace("url(#arrow)", "")
    assert "@import" not in text
    policies = [a["content"] for n, a in page.elements if n == "meta" and "http-equiv" in a]
    assert len(policies) == 1
    assert "default-src 'none'" in policies[0]


def test_characters_that_nobody_sees_are_shown_by_their_code(report):
    """A direction mark could make a line read as something else."""
    text = html(report)

    assert "\u202e" not in text
    assert "\\u202e" in text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


def test_secrets_are_blanked_in_page_and_junit(monkeypatch):
    """What a value or an error quotes of a key never gets into a file."""
    monkeypatch.setenv("SOME_API_KEY", "hunter2-hunter2")

    async def leak(state):
        raise ValueError(f"refused hunter2-hunter2 {random.random()}")

    found = check(leak, {"header": "Bearer abcdefghijkl"})

    for text in (html(found), junit(found)):
        assert "hunter2-hunter2" not in text
        assert "abcdefghijkl" not in text
        assert "refused ***" in text


@given(st.text(max_size=60))
def test_any_text_is_shown_as_it_is_and_no_page_breaks(value):
    """Whatever the name and the values are, the page nests properly and JUnit stays valid XML."""

    async def echo(state):
        return {"value": f"{value}{random.random()}"}

    found = check(echo, {"value": value}, runs=2)

    Reading(html(found))
    ElementTree.fromstring(junit(found).encode())


# --- complete ------------------------------------------------------------------------------------


def test_page_says_verdict_grade_first_step_and_the_line_to_do_it_again(report):
    page = Reading(html(report)).text

    assert "✗ not deterministic" in page
    assert "evidence: repeated" in page
    assert "First divergent step: 0.0:Search" in page
    assert "asyncio.run(assert_deterministic(" in page
    assert "repeats in one process share caches and module state" in page


def test_graph_marks_the_first_divergent_node_in_words_and_with_a_flag(report):
    """Colour is not the only sign."""
    text = html(report)
    nodes = re.findall(r'<g class="node ([^"]*)">(.*?)</g>', text, re.S)
    marked = {re.search(r'class="name">(.*?)<', body)[1]: (kind, body) for kind, body in nodes}

    assert set(marked) == {"Plan", "Search", "Rate", "Write"}
    assert marked["Search"][0] == "origin first"
    assert "differs first" in marked["Search"][1]
    assert 'class="flag"' in marked["Search"][1]
    assert marked["Write"][0] == "passed"
    assert "passed on" in marked["Write"][1]
    assert marked["Rate"][0] == "agrees"


def test_heat_map_has_a_row_for_each_step_and_a_column_for_each_field(report):
    found = re.search(r'<table class="heat">(.*?)</table>', html(report), re.S)[1]
    rows = [re.sub(r"<[^>]+>", " ", row).split() for row in re.findall(r"<tr.*?</tr>", found, re.S)]

    assert rows[0] == ["step", "did", "the", "same", "text", "notes"]
    assert [row[1] for row in rows[1:]] == ["Plan", "Search", "Rate", "Write"]
    search = next(row for row in rows if "Search" in row)
    assert search[2] == "17%"  # six runs, six values
    assert search[3] == "1/6"


def test_two_runs_stand_side_by_side_with_a_bar_for_each_step(report):
    found = re.search(r'<table class="runs">(.*?)</table>', html(report), re.S)[1]

    assert len(re.findall(r"<th scope=\"col\">run \d", found)) == 2
    assert len(re.findall(r'class="bar ', found)) == 2 * 4
    assert "first to differ" in found


def test_a_function_that_agrees_has_no_graph_and_no_callout():
    text = html(check(steady, {}))

    assert "✓ deterministic" in text
    assert '<svg class="graph"' not in text
    assert 'class="callout"' not in text
    assert "All fields agree in all runs." in text


def test_exploration_and_causes_are_shown_when_they_were_asked_for():
    async def race(state):
        seen = []

        async def add(name):
            await asyncio.sleep(0.001)
            seen.append(name)

        await asyncio.gather(add("a"), add("b"))
        return {"seen": seen}

    found = check(race, {}, runs=2, explore=50)
    page = Reading(html(found)).text

    assert "Under another order of completion: differs" in page
    assert found.exploration.counterexample.schedule in page
    assert "deterministic in the repeats" in page
    for line in found.exploration.assumptions:
        assert line in page


def test_a_target_without_a_drawing_gets_the_course_of_its_run():
    """Nodes with a strategy have steps, but declare no graph."""
    page = html(check([Search(), Rate()], Review, runs=3))

    assert "Course of a run" in page
    assert len(re.findall(r'<g class="node ', page)) == 2


# --- JUnit ---------------------------------------------------------------------------------------


def test_junit_fails_the_outcome_and_the_step_where_it_began(report):
    suite = ElementTree.fromstring(junit(report).encode()).find("testsuite")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]

    assert failed == ["outcome", "step 0.0:Search"]
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    facts = {each.get("name"): each.get("value") for each in suite.find("properties")}
    assert facts["verdict"] == "not deterministic"
    assert facts["reproduce"] == report.reproduce


@pytest.mark.parametrize("alike", [True, False])
def test_runs_that_all_fail_are_red_and_show_their_errors(alike: bool):
    """In the page with type, text and place; in JUnit as a failure that says so."""

    class Broken(BaseNode[Review]):
        async def run(self, ctx: RunContext[Review]) -> End:
            raise ValueError("no key" if alike else f"no {random.random()}")

    report = asyncio.run(check_determinism(Graph(Broken), Review(), runs=4))

    page = html(report)
    headline = "every run failed" if alike else "not deterministic"
    assert f"✗ {headline}</span>" in page
    assert "✓ same in all repeats" not in page
    assert "4 of 4 runs failed</h3>" in page if alike else "4 of 4 runs failed, in 4 ways" in page
    assert ("fails alike" in page) is alike
    assert "ValueError at 0:Broken: no " in page
    suite = ElementTree.fromstring(junit(report))[0]
    failure = suite.find("testcase[@name='outcome']/failure")
    assert failure is not None
    assert failure.get("message", "").startswith(headline)
    assert failure.get("type") == ("EveryRunFailed" if alike else "Divergence")


def test_junit_of_a_check_that_passed_has_no_failure():
    suite = ElementTree.fromstring(junit(check(steady, {})).encode()).find("testsuite")

    assert suite.get("failures") == "0"
    assert [case.get("name") for case in suite.findall("testcase")] == ["outcome"]


def test_methods_of_the_report_give_the_same_and_write_a_file(report, tmp_path):
    path = tmp_path / "report.html"
    report.write_html(path)

    assert path.read_text(encoding="utf-8") == report.to_html() == html(report)
    assert report.to_junit() == junit(report)
