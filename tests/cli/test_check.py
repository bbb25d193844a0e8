"""`lift check`: exit codes, output, options, files and progress."""

import json
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

FLOW = """
import asyncio, random
from pydantic import BaseModel
from lift_sys import BaseNode, End, Fork, Graph, RunContext

print("imported")

class Note(BaseModel):
    topic: str
    score: float = 0.0
    lines: list[str] = []

class Left(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.score = random.random()
        return End()

class Right(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.lines.append(ctx.state.topic)
        return End()

class Begin(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> Fork[Left | Right, End]:
        return Fork([Left(), Right()], then=End())

async def race(note: Note):
    async def write(line, seconds):
        await asyncio.sleep(seconds)
        note.lines.append(line)

    await asyncio.gather(write("a", 0.01), write("b", 0.02))

noisy = Graph(Begin)
calm = Graph(Right)

def make():
    return calm

async def of_model(note: Note):
    note.score = len(note.topic)

def of_data(data):
    return data["a"] + 1

async def of_nothing():
    return 5

class Broken(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        raise ConnectionError("no route")

async def slow(note: Note):
    await asyncio.sleep(600)

number = 5
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lift) -> Path:
    path = tmp_path / "flow_to_check.py"
    path.write_text(FLOW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return path


def test_a_graph_that_agrees_is_exit_0(lift, flow):
    done = lift("check", "flow_to_check.py:calm", "--set", "topic=tea", "--runs", "10")

    assert done.exit_code == 0, done.output
    assert "DETERMINISTIC  graph Right, one outcome in 10 runs" in done.stdout
    assert "REPEATED(10)" in done.stdout


def test_a_graph_that_differs_is_exit_1_and_names_node_and_field(lift, flow):
    done = lift("check", "flow_to_check.py:noisy", "--set", "topic=tea", "--runs", "10")

    assert done.exit_code == 1
    assert "NOT DETERMINISTIC" in done.stdout
    assert "0.0:Left" in done.stdout
    assert "$.score" in done.stdout
    assert "lift check flow_to_check.py:noisy --set topic=tea --runs" in done.stdout


@pytest.mark.parametrize("explore", [[], ["--explore", "10"]])
def test_runs_that_all_fail_are_exit_1_with_the_error(lift, flow, explore: list[str]):
    done = lift("check", "flow_to_check.py:Broken", "--set", "topic=t", "--runs", "4", *explore)

    assert done.exit_code == 1
    assert "EVERY RUN FAILED  graph Broken, one outcome in 4 runs" in done.stdout
    assert "ConnectionError at 0:Broken: no route" in done.stdout
    assert ("every run failed, PROVEN" in " ".join(done.stdout.split())) is bool(explore)


def test_views_are_taken_from_the_command_line(lift, flow):
    """Left out, or within a tolerance of 1, the score is no difference."""
    base = ["check", "flow_to_check.py:noisy", "--set", "topic=tea", "--runs", "6"]

    assert lift(*base, "--ignore", "$.score").exit_code == 0
    assert lift(*base, "--tolerance", "1").exit_code == 0
    assert lift(*base, "--tolerance", "$.score=1").exit_code == 0
    assert lift(*base, "--tolerance", "$.other=1").exit_code == 1
    named = lift(*base, "--ignore", "$.score", "--multiset", "$.lines", "--seed", "3")
    assert named.stdout.splitlines()[-1] == (
        "lift check flow_to_check.py:noisy --set topic=tea --runs 6 --seed 3 --ignore '$.score' "
        "--multiset '$.lines'"
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("make", ["--set", "topic=tea"]),
        ("Right", ["--set", "topic=tea"]),
        ("of_model", ["--state", '{"topic": "tea"}']),
        ("of_data", ["--state", '{"a": 1}']),
        ("of_data", ["--set", "a=1"]),
        ("of_nothing", []),
    ],
)
def test_what_can_be_named(lift, flow, name: str, options: list[str]):
    """Functions that make a graph, node classes, and functions of the state."""
    done = lift("check", f"flow_to_check.py:{name}", "--runs", "3", *options)

    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["flow_to_check.py:nosiy"], "Did you mean 'noisy'?"),
        (["missing.py:graph"], "There is no file"),
        (["flow_to_check.py:number"], "a Graph is needed"),
        (["flow_to_check.py:calm"], "`topic`: is missing"),
        (["flow_to_check.py:of_model"], "`topic`: is missing"),
        (["flow_to_check.py:calm", "--set", "topic=tea", "--tolerance", "x"], "neither a number"),
        (["flow_to_check.py:calm", "--set", "topic=tea", "--ignore", "$.a]]"], "is no path"),
        (["flow_to_check.py:calm", "--set", "topic=tea", "--cassette", "no.jsonl"], "no such file"),
        (["flow_to_check.py:calm", "--set", "topic=tea", "--runs", "1"], "--runs"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_message(lift, flow, arguments: list[str], said: str):
    done = lift("check", *arguments)

    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_one_document_and_nothing_else(lift, flow):
    """What the module prints goes to stderr."""
    done = lift("check", "flow_to_check.py:noisy", "--set", "topic=tea", "--runs", "4", "--json")

    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert document["first_divergence"]["label"] == "0.0:Left"
    assert document["reproduce"].startswith("lift check flow_to_check.py:noisy")
    assert "imported" in done.stderr


def test_early_stopping_is_an_option(lift, flow):
    base = ["check", "flow_to_check.py:noisy", "--set", "topic=tea", "--json", "-q", "--stop"]

    assert len(json.loads(lift(*base, "first_divergence").stdout)["runs"]) == 2
    assert len(json.loads(lift(*base, "curtailed").stdout)["runs"]) == 2


def test_reports_are_written_to_files_too(lift, flow):
    """A page that loads nothing, and XML that CI reads; stdout stays what it was."""
    options = [
        "--set",
        "topic=tea",
        "--runs",
        "4",
        "--html",
        "report.html",
        "--junit",
        "report.xml",
    ]
    done = lift("check", "flow_to_check.py:noisy", *options)

    page = flow.with_name("report.html").read_text(encoding="utf-8")
    assert done.exit_code == 1
    assert "0.0:Left" in page
    assert "://" not in page.replace("http://www.w3.org/", "")
    suite = ElementTree.parse(flow.with_name("report.xml")).getroot()
    assert suite.find(".//failure") is not None
    assert "NOT DETERMINISTIC" in done.stdout


def test_schedules_are_explored_and_a_race_is_exit_1(lift, flow):
    """The repeats agree; an order of completion that they never took does not."""
    calm = lift(
        "check", "flow_to_check.py:calm", "--set", "topic=t", "--runs", "3", "--explore", "20"
    )
    race = lift(
        "check", "flow_to_check.py:race", "--set", "topic=t", "--runs", "3", "--explore", "50"
    )

    assert calm.exit_code == 0, calm.output
    assert "PROVEN" in calm.stdout
    assert race.exit_code == 1
    assert "one outcome in 3 runs" in race.stdout
    assert "replay(" in race.stdout.splitlines()[-1]


def test_progress_is_on_stderr_and_can_be_silenced(lift, flow):
    """A pipe gets a few lines, and the news that a run differs."""
    base = ["check", "flow_to_check.py:noisy", "--set", "topic=tea", "--runs", "10"]

    told, quiet = lift(*base), lift(*base, "--quiet")

    assert "2/10 runs, 2 outcomes" in told.stderr
    assert "10/10 runs, 10 outcomes" in told.stderr
    assert len(told.stderr.splitlines()) <= 8
    assert quiet.stderr == ""


def test_a_file_that_can_not_be_written_is_exit_2(lift, flow):
    """It is found out before a hundred runs are made for nothing."""
    options = ["--set", "topic=tea", "--runs", "2", "--html", "no/such/folder.html"]
    done = lift("check", "flow_to_check.py:calm", *options)

    assert done.exit_code == 2
    assert "can't be written" in done.stderr
    assert "outcome" not in done.stderr


def test_ctrl_c_ends_it_and_says_how_far_it_was(start_lift, flow):
    """Exit code 130, and no traceback."""
    process = start_lift("check", f"{flow}:slow", "--state", '{"topic": "tea"}')
    deadline = time.monotonic() + 15
    while "imported" not in process.stdout.readline():
        assert time.monotonic() < deadline
    time.sleep(0.5)  # a real process: it has to be inside its run
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=15)

    assert process.returncode == 130
    assert "Cancelled after 0 runs of 100" in err
    assert "Traceback" not in err
