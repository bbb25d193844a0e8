"""`lift check`: exit codes, output, options, files and progress."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

FLOW = """
import asyncio, random
from datetime import datetime
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

async def of_text(text: str):
    return text.upper()

def of_data(data):
    return data["a"] + 1

def of_list(number):
    return [number]

async def of_nothing():
    return 5

class Broken(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        raise ConnectionError("no route")

async def quits(note: Note):
    raise SystemExit(3)

class Quits(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> End:
        raise KeyboardInterrupt

async def odd(note: Note):
    note.lines = (line for line in ())

async def slow(note: Note):
    await asyncio.sleep(600)

class Bill(BaseModel):
    price: int = 0
    day: str = ""

class Price(BaseNode[Bill]):
    async def run(self, ctx: RunContext[Bill]) -> End:
        ctx.state.price = ctx.deps["price"]
        ctx.state.day = datetime.now().date().isoformat()
        return End()

served = Graph(Price)

def services():
    return {"price": 3}

number = 5

class Needs(BaseNode[Note]):
    def __init__(self, word):
        self.word = word

    async def run(self, ctx: RunContext[Note]) -> End:
        return End()

def two(a, b):
    return a
"""


@pytest.fixture
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lift) -> Path:
    path = tmp_path / "flow_to_check.py"
    path.write_text(FLOW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "flow_to_check", raising=False)  # of an earlier test
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
        "import asyncio; from lift_sys.determinism import assert_deterministic; "
        "from flow_to_check import Note, noisy; "
        "asyncio.run(assert_deterministic(noisy, Note(topic='tea', score=0.0, lines=[]), runs=6, "
        "ignore=['$.score'], multiset=['$.lines'], seed=3))"
    )
    assert named.stdout.splitlines()[-3] == (
        "lift check flow_to_check.py:noisy --set topic=tea --seed 3 --runs 6 --ignore '$.score' "
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
        ("of_list", ["--state", "5"]),
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
        (["flow_to_check.py:calm", "--set", "topik=tea"], "Did you mean 'topic'?"),
        (["flow_to_check.py:Needs"], "is a node class that needs arguments (word)"),
        (["flow_to_check.py:two"], "two needs 2 arguments (a, b)"),
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


@pytest.mark.parametrize(
    "more",
    [["--runs", "3"], ["--explore", "5"], ["--schedule", "ls1:completions:#00000000"]],
)
@pytest.mark.parametrize(
    ("name", "said"),
    [("quits", "raised SystemExit (3)"), ("Quits", "raised KeyboardInterrupt"), ("odd", "lines")],
)
def test_what_can_not_be_checked_is_exit_2_and_a_message(lift, flow, name, said, more):
    """Code that ends Python, and results that can't be compared; never a traceback."""
    done = lift("check", f"flow_to_check.py:{name}", "--set", "topic=t", *more)

    assert done.exit_code == 2, done.output
    assert done.stderr.count("Error:") == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    if name != "odd":
        assert "flow_to_check.py, line " in done.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Hello", "HELLO"),
        ("5", "5"),
        ('"in quotes"', "IN QUOTES"),
        ("{a brace}", "{A BRACE}"),
        ("prompt.txt", "FROM A: FILE"),
        ("-", "FROM STDIN"),
    ],
)
def test_a_text_is_a_state_where_text_is_wanted(lift, flow, given: str, expected: str):
    """As it stands, so that nobody has to quote twice; or out of a file."""
    flow.with_name("prompt.txt").write_text("from a: file", encoding="utf-8")

    options = ["--state", given, "--runs", "2", "--json", "-q"]
    done = lift("check", "flow_to_check.py:of_text", *options, stdin="from stdin")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["modal"]["state"] == expected


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("of_data", ["--state", "Hello"], "neither JSON nor a file that is there"),
        ("of_data", ["--state", "long " * 2000], "neither JSON nor a file that is there"),
        ("of_text", [], "takes a text: give it with --state"),
        ("calm", ["--state", "Hello"], "JSON text starts with {"),
    ],
)
def test_a_text_is_refused_where_none_is_wanted(lift, flow, name: str, options: list[str], said):
    done = lift("check", f"flow_to_check.py:{name}", *options)

    assert done.exit_code == 2
    assert said in done.stderr


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


@pytest.mark.parametrize(
    ("path", "said"), [(".", "is a directory"), ("nowhere/page.html", "there is no such folder")]
)
def test_a_report_that_can_not_be_written_is_refused_before_the_runs(lift, flow, path, said):
    done = lift("check", "flow_to_check.py:calm", "--set", "topic=tea", "--html", path)

    assert done.exit_code == 2
    assert said in done.stderr
    assert "runs" not in done.stderr


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


def command_in(stdout: str) -> list[str]:
    """The command that a report says to paste, as a shell would split it."""
    (line,) = [line for line in stdout.splitlines() if line.partition("lift check ")[1]]
    words = shlex.split(line[line.index("lift check ") :])
    return words[1:]


def test_the_line_of_an_explored_check_replays_the_schedule(lift, flow):
    """Pasted, it shows the plain result and the other one; in Python its imports come along."""
    options = ["--state", '{"topic": "a b"}', "--runs", "2", "--seed", "4", "--explore", "50"]
    found = lift("check", "flow_to_check.py:race", *options)

    command = command_in(found.stdout)
    assert command[-2] == "--schedule"
    again = lift(*command)
    assert again.exit_code == 1, again.output
    assert "DIFFERS FROM THE PLAIN RUN" in again.stdout
    assert "plain run    - Note(topic='a b'" in again.stdout
    assert "lines=['b', 'a']" in again.stdout
    document = json.loads(lift(*command, "--json").stdout)
    assert document["verdict"] == "differs from the plain run"
    assert document["outcome"]["digest"] != document["plain"]["digest"]

    line = found.stdout.splitlines()[-1]
    assert "from lift_sys.determinism import replay; from flow_to_check import Note, race;" in line
    names: dict[str, Any] = {}
    exec(line.replace("; print(replay(", "; outcome = (replay("), names)
    assert names["outcome"].digest == document["outcome"]["digest"]


def test_a_schedule_that_makes_no_difference_is_exit_0(lift, flow):
    found = lift(
        "check", "flow_to_check.py:race", "--set", "topic=t", "--runs", "2", "--explore", "50"
    )
    *command, _ = command_in(found.stdout)
    plain = json.loads(lift(*command, command_in(found.stdout)[-1], "--json").stdout)["schedule"]

    wrong = lift(*command, plain.replace("#", "1=1#"))
    broken = lift(*command, "ls9:what")
    beside = lift(*command, plain, "--runs", "3", "--html", "page.html")

    assert (wrong.exit_code, broken.exit_code, beside.exit_code) == (2, 2, 2)
    assert "can't be replayed" in wrong.stderr
    assert "can't be replayed" in broken.stderr
    assert "--runs and --html can't be had with it" in beside.stderr


def test_the_line_keeps_what_the_verdict_needs(lift, flow):
    """A clock is found by `--attribute` only, so without it the line would show nothing."""
    found = lift(
        "check", "flow_to_check.py:served", "--state", "{}", "--runs", "2", "--attribute",
        "--deps", "flow_to_check.py:services",
    )  # fmt: skip

    command = command_in(found.stdout)
    assert found.exit_code == 1, found.output
    assert "--attribute" in command
    assert command[command.index("--deps") + 1] == "flow_to_check.py:services"
    assert "deps=services" in found.stdout.splitlines()[-1]
    assert "attribute=True" in found.stdout.splitlines()[-1]
    again = lift(*command)
    assert again.exit_code == 1
    assert "clock" in again.stdout


def test_a_state_from_a_pipe_is_in_the_line(lift, flow):
    """Nobody has it any more when the line is pasted."""
    done = lift(
        "check", "flow_to_check.py:of_data", "--state", "-", "--runs", "2", stdin='{"a": 1}'
    )

    assert done.exit_code == 0, done.output
    assert json.loads(command_in(done.stdout)[3]) == {"a": 1}


def test_services_can_be_given(lift, flow):
    """A function is called for each run; its module is imported once."""
    done = lift(
        "check", "flow_to_check.py:served", "--state", "{}", "--runs", "2",
        "--deps", "flow_to_check.py:services",
    )  # fmt: skip
    wrong = lift(
        "check", "flow_to_check.py:served", "--state", "{}", "--deps", "flow_to_check.py:servces"
    )

    assert done.exit_code == 0, done.output
    assert done.stdout.count("imported") == 1
    assert "price=3" in done.stdout or "Bill" in done.stdout
    assert wrong.exit_code == 2
    assert "Did you mean 'services'?" in wrong.stderr


def test_missing_services_are_a_hint_at_deps(lift, flow):
    """The error alone says that None has no item; that no services were given it can't know."""
    done = lift("check", "flow_to_check.py:served", "--state", "{}", "--runs", "2")
    given = lift("check", "flow_to_check.py:noisy", "--set", "topic=t", "--runs", "2")

    assert done.exit_code == 1, done.output
    assert "'NoneType' object" in done.stdout
    assert "--deps MODULE:NAME" in done.stdout
    assert "--deps MODULE:NAME" not in given.stdout


def test_progress_goes_on_while_schedules_and_causes_are_looked_for(lift, flow):
    base = ["check", "flow_to_check.py:calm", "--set", "topic=tea", "--runs", "2"]

    told = lift(*base, "--explore", "30", "--attribute")

    assert "up to 30 schedules" in told.stderr
    assert "up to 40 runs for causes" in told.stderr


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


@pytest.mark.extra("pydantic_ai")
def test_a_prompt_is_the_state_of_an_agent(lift, tmp_path, monkeypatch):
    """An agent of Pydantic AI, with nothing ported."""
    monkeypatch.chdir(tmp_path)
    Path("talk.py").write_text(
        "from pydantic_ai import Agent\nfrom pydantic_ai.models.test import TestModel\n"
        "agent = Agent(TestModel(custom_output_text='hi'))\n",
        encoding="utf-8",
    )

    done = lift("check", "talk.py:agent", "--state", "Hello", "--runs", "2", "--json", "-q")

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["modal"]["state"] == "Hello"


def python_of(done: Any) -> str:
    """The line after "or in Python"; empty without one."""
    lines = done.stdout.splitlines()
    return lines[lines.index("or in Python") + 1] if "or in Python" in lines else ""


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("make", ["--set", "topic=tea"], "assert_deterministic(make(), Note("),
        ("Right", ["--set", "topic=tea"], "assert_deterministic(Graph(Right), Note("),
        ("served", ["--deps", "flow_to_check.py:services"], "deps=services"),
        ("race", ["--set", "topic=tea", "--explore", "10"], "print(replay(race, Note("),
    ],
)
def test_the_line_of_python_runs_as_it_is_printed(
    lift, flow, project, name: str, options: list[str], said: str
):
    """In a script or `python -c`, with all of its imports."""
    line = python_of(lift("check", f"flow_to_check.py:{name}", "--runs", "3", *options))
    assert said in line

    done = subprocess.run(
        [sys.executable, "-c", line],
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr


def test_a_file_of_another_folder_has_no_line_of_python(lift, flow, tmp_path, monkeypatch):
    """A script here can't import it."""
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(other)

    done = lift("check", "../flow_to_check.py:calm", "--set", "topic=tea", "--runs", "3")

    assert "lift check ../flow_to_check.py:calm" in done.stdout
    assert python_of(done) == ""


def test_the_line_names_the_variable_of_a_langgraph_graph(lift, flow, monkeypatch):
    pytest.importorskip("langgraph")
    monkeypatch.delitem(sys.modules, "lang_to_check", raising=False)
    Path("lang_to_check.py").write_text(LANGGRAPH, encoding="utf-8")

    done = lift("check", "lang_to_check.py:app", "--set", "text=tea", "--runs", "3")

    assert "from lang_to_check import app; asyncio.run(assert_deterministic(app, " in python_of(
        done
    )


def test_the_only_program_of_a_module_needs_no_name(lift, flow):
    """Also where it is one of another framework; beside its builder, which of the two has to be said."""
    pytest.importorskip("langgraph")
    Path("lang_to_check.py").write_text(LANGGRAPH + "del builder\n", encoding="utf-8")

    done = lift("check", "lang_to_check.py", "--set", "text=tea", "--runs", "3")
    inside = lift("check", "lang_to_check.py", "--set", "text.size=1")

    assert done.exit_code == 0, done.output
    assert inside.exit_code == 2
    assert "--set text.size: this state has no such field" in inside.stderr


LANGGRAPH = """
from typing import TypedDict
from langgraph.graph import END, START, StateGraph

class Text(TypedDict):
    text: str

builder = StateGraph(Text)
builder.add_node("up", lambda state: {"text": state["text"].upper()})
builder.add_edge(START, "up")
builder.add_edge("up", END)
app = builder.compile()
"""


def test_a_target_that_never_ends_can_be_given_a_limit(lift, flow):
    base = ["check", "flow_to_check.py:slow", "--set", "topic=t", "--runs", "2"]

    found = lift(*base, "--longest-run", "0.01")

    assert found.exit_code == 1, found.output
    assert "EVERY RUN FAILED" in found.stdout
    assert "TimeoutError" in found.stdout
    command = command_in(found.stdout)
    assert command[command.index("--longest-run") + 1] == "0.01"
    assert lift(*base, "--longest-run", "0").exit_code == 2
