"""Reports: data that travels, text that fits a screen, a line that makes the check again."""

import asyncio
import itertools
import json
import pickle
import random
import re
from typing import Any

import pytest
from determinism.tables import Cell, Link, Plan, Table, addresses, build, plans
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext
from lift_sys.determinism.check import assert_deterministic, check_determinism
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.errors import UsageError

graph = Graph(Link(3, noisy=1))


class Draft(BaseModel):
    title: str = ""
    body: str = ""


class Title(BaseNode[Draft]):
    async def run(self, ctx: RunContext[Draft]) -> End:
        ctx.state.title = "as ever"
        return End()


class Body(BaseNode[Draft]):
    async def run(self, ctx: RunContext[Draft]) -> End:
        ctx.state.body = str(random.random())
        return End()


class Split(BaseNode[Draft]):
    async def run(self, ctx: RunContext[Draft]) -> Fork[Title | Body, End]:
        return Fork([Title(), Body()], then=End())


split = Graph(Split)


def check(target: Any, state: Any, runs: int = 6, **options: Any) -> DeterminismReport:
    return asyncio.run(check_determinism(target, state, runs, **options))


@given(plan=plans(), data=st.data())
def test_the_text_fits_a_screen_and_names_what_matters(plan: Plan, data: st.DataObject):
    """At most 30 lines of 100 columns, with verdict, grade, step, field and reproduction."""
    where = data.draw(st.sampled_from(addresses(plan)))
    report = check(Graph(build(plan, where, itertools.count(1))), Table())

    text = str(report)
    lines = text.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines[:-1])) <= 100
    assert lines[0].startswith("NOT DETERMINISTIC")
    assert "REPEATED(6)" in text
    assert f"{where}:Cell" in text
    assert report.first_divergent_field in text
    assert "reproduce" in text


def test_long_values_are_cut_around_the_difference():
    """Of two long texts the part where they part is shown."""
    runs = itertools.count()

    def write(state: dict[str, str]) -> None:
        state["text"] = "x" * 500 + f"run {next(runs)}" + "y" * 500

    lines = str(check(write, {})).splitlines()

    assert any("run 0" in line for line in lines)
    assert any("run 1" in line for line in lines)
    assert max(map(len, lines[:-1])) <= 100


def test_lines_of_a_value_do_not_break_the_columns():
    """A value of several lines stands on one."""
    runs = itertools.count()
    report = check(lambda state: f"first\nsecond {next(runs)}", Table())

    assert all(not line.startswith("second") for line in str(report).splitlines())


def test_json_has_all_of_it():
    """The document parses, and its keys hold what the report's attributes do."""
    report = check(graph, Table())
    document = json.loads(report.to_json())

    assert document["verdict"] == "not deterministic"
    assert document["grade"] == "repeated"
    assert document["framework_deterministic"] is True
    assert document["model_stable"] is None
    assert document["first_divergence"]["label"] == "2:Link"
    paths = [each["path"] for each in document["first_divergence"]["differences"]]
    assert paths == ['$.cells["2"]', "$.noise"]
    assert [run["index"] for run in document["runs"]] == [0, 1, 2, 3, 4, 5]
    assert document["fields"]["$.noise"]["distinct"] == 6
    assert [step["status"] for step in document["steps"]] == [
        "agrees",
        "agrees",
        "origin",
        "passed on",
    ]
    assert len(document["timelines"]) == 2


def test_a_report_survives_pickling():
    """It crosses a process border, as it has to under xdist."""
    report = check(graph, Table())
    again = pickle.loads(pickle.dumps(report))

    assert again.to_dict() == report.to_dict()
    assert str(again) == str(report)


def test_secrets_stay_out(monkeypatch: pytest.MonkeyPatch):
    """A key from the environment is blanked in text and document."""
    monkeypatch.setenv("SERVICE_API_KEY", "very-secret-value")
    runs = itertools.count()
    report = check(lambda state: f"very-secret-value {next(runs)}", Table())

    assert "very-secret-value" not in str(report)
    assert "very-secret-value" not in report.to_json()


async def appending(state: Draft) -> None:
    lines: list[str] = []

    async def write(line: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        lines.append(line)

    await asyncio.gather(write("a", 0.001), write("b", 0.01))
    state.body = " ".join(lines)


def test_a_cause_in_the_code_is_told_with_its_call_and_blames_the_code():
    """The terminal says as much as the page; no part of either calls the code deterministic."""
    report = check(appending, Draft(), 3, attribute={"sources": ["schedule"]})

    assert not report.deterministic
    assert report.code_deterministic is False
    cause = report.attribution.guilty[0]
    assert cause.call == "lines.append"
    assert f"schedule: lines.append at {cause.site}" in " ".join(str(report).split())
    tile = re.search("<h3>Code</h3>.*?</div>", report.to_html())
    assert tile is not None
    assert "✗ not deterministic" in tile.group()
    assert "moves with schedule" in tile.group()


def test_a_green_verdict_says_what_was_held():
    """Repeats in one process see one hash seed, one day and one order of completion."""
    plain = check(split, Draft(), 3, ignore=["body"])
    explored = check(Title(), Draft(), 3, explore=5)

    held = "completion orders (explore=True); hash seed, date, environment (attribute=True)"
    assert f"not moved    {held}" in str(plain)
    assert f"Not moved: {held}." in plain.to_html()
    assert "not moved    hash seed, date, environment (attribute=True)" in str(explored)
    assert "not moved" not in str(check(split, Draft(), 3))


def test_views_are_named():
    """Whoever reads a verdict has to see what was left out."""
    report = check(
        graph, Table(), ignore=["$.noise"], tolerance={"$.cells": 0.5}, multiset=["$.list"]
    )

    text = str(report)
    assert "left out $.noise" in text
    assert "tolerance $.cells: 0.5" in text
    assert json.loads(report.to_json())["views"] == {
        "ignore": ["$.noise"],
        "tolerance": {"$.cells": 0.5},
        "multiset": ["$.list"],
    }


def test_a_path_that_fits_nothing_is_told():
    """Nothing is left out then, and the reader thought it was; a path of a step's state does fit."""
    slip = check(split, Draft(), 3, ignore=["$.boddy"], multiset=["list"], tolerance={"$.x": 1})
    fine = check(split, Draft(), 3, ignore=["$..body", "title"], tolerance={"*": 0.1, "$.body": 1})
    listed = check(lambda state: {"rows": [{"a": 1}]}, Draft(), 3, ignore=["output.rows[*].a"])

    assert "note         '$.boddy' of `ignore` fits nothing in any run: did you mean '$.body'?" in (
        str(slip)
    )
    assert "'$.x' of `tolerance` fits nothing in any run; there are $.title, $.body" in str(slip)
    assert any("'list' of `multiset` fits nothing" in note for note in slip.notes)
    assert not any("fits nothing" in note for note in (*fine.notes, *listed.notes))


def test_a_multiset_that_is_no_list_is_told():
    """Letters of a text are in order, whatever the reader hoped for."""
    report = check(split, Draft(), 3, multiset=["$.body"])

    assert "'$.body' of `multiset` is no list, but a str: it is compared as it stands" in (
        report.notes
    )


@given(plan=plans(), data=st.data())
def test_a_path_that_differs_is_never_said_to_fit_nothing(plan: Plan, data: st.DataObject):
    """What a report names as a field can be ignored as it stands."""
    where = data.draw(st.sampled_from(addresses(plan)))
    first = check(Graph(build(plan, where, itertools.count(1))), Table(), 3)
    paths = list(first.fields)

    again = check(Graph(build(plan, where, itertools.count(1))), Table(), 3, ignore=paths)

    assert not any("fits nothing" in note for note in again.notes)


# --- the line ------------------------------------------------------------------------------------


def drawing(state: Table) -> None:
    state.noise = random.randrange(1000)


def still(state: Table) -> None:
    state.noise = 1


@pytest.mark.parametrize(
    ("target", "options", "passes"),
    [
        (drawing, {}, False),
        (still, {"ignore": ["$.start"], "seed": 4}, True),
        (split, {"tolerance": 1e-9}, False),
        ([Cell(End())], {"strategy": MergeStrategy.MAJORITY}, True),
    ],
)
def test_the_line_makes_the_check_again(target: Any, options: Any, passes: bool):
    """Pasted, it runs, and comes to the same verdict."""
    given = Draft() if target is split else Table()
    report = check(target, given, 10, **options)
    assert report.reproduce.startswith("import asyncio; from lift_sys")
    assert "import assert_deterministic" in report.reproduce
    assert report.reproduce == report.reproduce_in_python

    # What importing gives is left out: this module has another name under pytest.
    names = {"state": given} | globals()
    if passes:
        exec(report.reproduce, names)
    else:
        with pytest.raises(AssertionError):
            exec(report.reproduce, names)


def test_what_has_no_name_is_called_target():
    """A lambda can't be written down; who called from Python has it."""
    report = check(lambda state: {"drawn": random.random()}, Table(), 3)

    assert "assert_deterministic(target, Table" in report.reproduce


def test_the_line_has_what_the_verdict_came_from():
    """The clock was found by looking for causes, at most two runs at a time, from a recording."""
    report = check(
        still, Table(), 2, deps=Draft, max_concurrent=2, attribute={"sources": ["clock"]}, explore=5
    )

    line = report.reproduce
    assert "deps=Draft" in line
    assert "max_concurrent=2" in line
    assert "explore=5, attribute={'sources': ['clock']}" in line


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"explore": "x"}, "`explore='x'` can't be used: give True, how many"),
        ({"explore": 0}, "`explore=0` can't be used"),
        ({"explore": {"bugdet": 5}}, "`explore=` holds 'bugdet', which `explore` does not take"),
        ({"attribute": 3}, "`attribute=3` can't be used: give True"),
        ({"attribute": {"source": []}}, "`attribute=` holds 'source', which"),
    ],
)
def test_what_can_not_be_asked_for_is_refused_before_anything_runs(options: Any, said: str):
    def never(state: Table) -> None:
        pytest.fail("it ran")

    with pytest.raises(UsageError, match=re.escape(said)):
        check(never, Table(), 5, **options)


def test_two_even_outcomes_need_few_runs_to_show_again():
    """Six runs are all alike with less than 5 %."""
    numbers = itertools.cycle([0, 1])

    def write(state: Table) -> None:
        state.noise = next(numbers)

    assert "runs=6" in check(write, Table(), 40).reproduce


# --- the heat map, the timelines and the graph ---------------------------------------------------


def test_the_rows_of_the_heat_map():
    """For each step the share of runs that had the usual value of each field after it."""
    report = check(Graph(Split), Draft(), 4)
    rows = {step.label: step for step in report.steps}

    assert rows["0.0:Title"].fields == {"title": 1.0, "body": 1.0}
    assert rows["0.1:Body"].fields == {"title": 1.0, "body": 0.25}
    assert rows["0.1:Body"].written == ("body",)
    assert rows["0.1:Body"].status == "origin"
    assert (rows["0.1:Body"].judged, rows["0.1:Body"].distinct) == (4, 4)


def test_two_timelines_and_the_graph():
    """The modal run and one that differs, step by step; and the edges that `lift draw` draws."""
    report = check(Graph(Split), Draft(), 4)

    usual, other = report.timelines
    assert (usual.run, other.run) == (0, report.first_divergence.other)
    assert [row.label for row in usual.rows] == ["0:Split", "0.0:Title", "0.1:Body"]
    assert [row.differs for row in other.rows] == [False, False, True]
    assert report.drawing is not None
    assert dict(report.drawing.nodes)["start"] == "start"
    names = dict(report.drawing.nodes)
    edges = {(names[source], names[target], kind) for source, target, kind in report.drawing.edges}
    assert ("Split", "Body", "fork") in edges


async def test_a_report_of_a_check_that_passed_says_what_it_rests_on():
    """No divergence in 20 runs leaves 14 % possible."""
    report = await assert_deterministic(Graph(Split), Draft(), 20, ignore=["body"])

    assert report.evidence.grade == "repeated"
    assert "at most 13.91% of runs diverge (95 %)" in str(report)
    assert len(report.timelines) in (1, 2)
    assert any(
        "same process, environment and schedule" in each for each in report.evidence.assumptions
    )


async def test_lines_of_a_failure_stay_lines():
    """What an error lists is readable, and its last line, the advice, is never cut off."""
    said = ["The form is wrong:", *(f"  - field {number}" for number in range(20)), "Mend it."]

    async def fails(_: None) -> None:
        raise ValueError("\n".join(said))

    text = str(await check_determinism(fails, None, runs=3))

    shown = [line.strip() for line in text.splitlines()]
    assert "failure      ValueError: The form is wrong:" in shown
    assert "- field 0" in shown
    assert "Mend it." in shown
    assert "... (14 more lines)" in shown


class AStepWithANameThatIsAsLongAsNamesOfStepsCanBecomeInProgramsThatHaveManyOfThem(
    BaseNode[Draft]
):
    async def run(self, ctx: RunContext[Draft]) -> End:
        ctx.state.title = str(random.random())
        return End()


def test_long_names_of_steps_are_shown_whole():
    report = check(
        AStepWithANameThatIsAsLongAsNamesOfStepsCanBecomeInProgramsThatHaveManyOfThem(), Draft(), 9
    )

    _, at = report.to_text(width=110).split("\nfirst at")
    shown = " ".join(at.split("$.title")[0].split())
    assert shown.endswith("; runs 1, 2, 3, 4, 5, 6, 7, 8 differ"), shown
