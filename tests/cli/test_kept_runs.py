"""Kept runs on the command line: run --store, runs, show, resume, rewind, rm."""

import json
import re
import shlex
import signal
import sqlite3
import time
from pathlib import Path

import pytest

TOPIC = ("--set", "topic=tea")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The store of each test, by the environment."""
    monkeypatch.setenv("LIFT_STORE", str(tmp_path / "kept.db"))
    return tmp_path / "kept.db"


def kept_run(lift, name="one", graph="flows.py:graph", *options, code=0):
    """A run that was kept."""
    done = lift("run", graph, *TOPIC, "--store", "--id", name, *options)
    assert done.exit_code == code, done.output
    return done


def document_of(lift, *arguments):
    """The JSON that a command prints."""
    return json.loads(lift(*arguments, "--json").stdout)


def test_a_kept_run_says_how_it_goes_on(lift, place):
    """At its beginning, as a kill leaves no time for last words."""
    words = f"The run one is kept; this goes on with it:\n  lift resume one --store {place}\n"

    assert words in kept_run(lift).stderr


@pytest.mark.parametrize("command", [["resume", "one"], ["run", "flows.py:graph", *TOPIC]])
def test_a_run_that_has_finished_is_said_to_have(lift, command):
    """Nothing goes on with it; its result is given again."""
    kept_run(lift)
    named = ["--store", "--id", "one"] if command[0] == "run" else []

    again = lift(*command, *named)

    assert again.exit_code == 0, again.output
    assert again.stderr == "The run one has finished already; nothing of it runs again.\n"
    assert again.stdout.startswith("Both: had finished already, 4 steps (seed ")
    assert "output: tea: 2 lines" in again.stdout


def test_the_command_names_the_store_again(lift, tmp_path):
    other = str(tmp_path / "other runs.db")
    done = lift("run", "flows.py:graph", *TOPIC, "--store", other, "--id", "x")

    command = next(line for line in done.stderr.splitlines() if line.startswith("  lift resume"))
    again = lift(*shlex.split(command)[1:])

    assert again.exit_code == 0, again.output
    assert "tea: 2 lines" in again.stdout


def test_the_same_name_gives_the_same_result(lift):
    first = kept_run(lift, "one", "flows.py:graph", "--json")
    again = kept_run(lift, "one", "flows.py:graph", "--json")
    other = lift("run", "flows.py:graph", "--set", "topic=milk", "--store", "--id", "one")

    states = [json.loads(done.stdout)["state"] for done in (first, again)]
    assert states[0] == states[1]
    assert other.exit_code == 2
    assert "topic" in other.stderr


def test_a_graph_that_was_named_by_its_file_alone_is_found_again(lift, tmp_path, monkeypatch):
    only = "from lift_sys import *\nfrom pydantic import BaseModel\n"
    only += "class S(BaseModel):\n    n: int = 1\n"
    only += "class N(BaseNode[S]):\n    async def run(self, ctx: RunContext[S]) -> End[int]:\n"
    only += "        return End(ctx.state.n)\ngraph = Graph(N)\n"
    (tmp_path / "only.py").write_text(only, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    assert lift("run", "only.py", "--store", "--id", "one").exit_code == 0
    assert lift("resume", "one").exit_code == 0


def test_runs_are_listed(lift):
    kept_run(lift)
    kept_run(lift, "two", "flows.py:Fails", code=1)

    done = lift("runs")

    heads, newest, oldest = done.stdout.splitlines()
    assert heads.split() == ["RUN", "STATUS", "GRAPH", "CREATED", "TIME", "STEPS", "TOKENS"]
    assert newest.split()[:3] == ["two", "failed", "Fails"]
    assert oldest.split()[:3] == ["one", "finished", "Both"]
    assert oldest.split()[-2:] == ["4", "7"]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--status", "finished"], ["one"]),
        (["--node", "Left"], ["one"]),
        (["--node", "Fails"], []),
        (["--graph", "Fails"], ["two"]),
        (["--since", "1h"], ["two", "one"]),
        (["--since", "2999-01-01"], []),
        (["--user", "eve"], []),
        (["--limit", "1"], ["two"]),
        (["--longer-than", "1000"], []),
        (["--longer-than", "0s"], ["two", "one"]),
        (["--longer-than", "2h"], []),
    ],
)
def test_the_list_can_be_narrowed(lift, options, names):
    kept_run(lift)
    kept_run(lift, "two", "flows.py:Fails", code=1)

    assert [each["execution_id"] for each in document_of(lift, "runs", *options)] == names


def test_a_list_that_is_cut_or_empty_says_so(lift):
    kept_run(lift)
    kept_run(lift, "two")

    assert "(the first 1; --limit shows more)" in lift("runs", "--limit", "1").stderr
    assert "No such runs." in lift("runs", "--status", "failed").stderr


def test_the_slowest_come_first(lift):
    kept_run(lift, "one", "flows.py:many")
    kept_run(lift, "two")

    slow = document_of(lift, "runs", "--slowest")

    assert [each["execution_id"] for each in slow] == ["one", "two"]


def test_of_a_run_that_went_on_no_speed_up_is_estimated(lift):
    """The times are those of this process alone, the branches those of the whole run."""
    begun = kept_run(lift)
    resumed = lift("resume", "one")

    assert "speed-up: " in begun.stdout
    assert "tea: 2 lines" in resumed.stdout
    assert "speed-up" not in resumed.stdout


def test_a_branch_that_was_not_needed_is_shown(lift):
    kept_run(lift, "one", "flows.py:Hurries")
    shown = lift("show", "one")

    assert shown.exit_code == 0, shown.output
    assert "0.1 Sleeps  cancelled" in shown.stdout


def test_fields_that_became_set_are_called_so(lift):
    kept_run(lift, "one", "flows.py:Assigns")

    assert "state: fields set are lines, topic\n" in lift("show", "one").stdout


def test_a_run_is_shown_as_a_tree(lift):
    kept_run(lift)

    lines = [line.split("  ")[1:] for line in lift("show", "one").stdout.splitlines()[3:]]

    assert lines[0][0] == "0 Both"
    assert lines[0][1].endswith("-> Fork, joined [0, 1]")
    assert lines[1][1] == "0.0 Left"
    assert "7 tokens, -> End" in lines[1][2]
    assert lines[2][2] == 'lines += ["left of tea"]'
    assert lines[5][0] == "1 Close"


def test_a_run_is_shown_as_data(lift):
    kept_run(lift)

    shown = document_of(lift, "show", "one")

    assert shown["status"] == "finished"
    assert shown["state"]["topic"] == "tea"
    assert [step["address"] for step in shown["steps"]] == ["0", "0.0", "0.1", "1"]
    left = shown["steps"][1]
    assert (left["node"], left["status"], left["tokens"]) == ("Left", "finished", 7)
    assert left["writes"] == [["append", ["lines"], ["left of tea"]]]


def test_a_failed_step_is_shown_and_goes_on(lift):
    done = kept_run(lift, "two", "flows.py:Fails", code=1)
    shown = lift("show", "two")
    again = lift("resume", "two")

    assert "lift resume two" in done.stderr
    assert "0 Fails  failed\n    Step 0 (Fails) failed after" in shown.stdout
    assert "the tea is cold" in shown.stdout
    assert again.exit_code == 1
    assert "the tea is cold" in again.stderr


@pytest.mark.parametrize(
    ("graph", "failed", "others"),
    [
        ("Hopes", ["0.1", "0.2/1"], {"0": "finished", "0.0": "finished", "0.2": "finished"}),
        ("Risks", ["0.0/1"], {"0": "finished", "0.0": "finished", "0.1": "interrupted"}),
        (
            "Deepens",
            ["0", "0>0.0/1"],
            {"0>0": "finished", "0>0.0": "finished", "0>0.1": "interrupted"},
        ),
    ],
)
def test_steps_that_failed_are_told_from_those_that_were_cut_off(
    lift, place, graph, failed, others
):
    """By the errors of their forks and of the run; one that was killed tells of none."""
    lift("run", f"flows.py:{graph}", *TOPIC, "--store", "--id", "one")
    steps = document_of(lift, "show", "one")["steps"]
    status = {step["address"]: step["status"] for step in steps}
    errors = {step["address"]: step["error"] for step in steps if step["error"] is not None}
    shown = lift("show", "one").stdout
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET status = 'running', error = NULL")
    connection.close()
    killed = {step["address"]: step["status"] for step in document_of(lift, "show", "one")["steps"]}

    assert status == dict.fromkeys(failed, "failed") | others
    assert [*errors] == failed
    for address, error in errors.items():
        assert error.startswith(f"Step {address} (")
        assert error in shown
    assert "OSError: the tea is cold" in errors[failed[-1]]
    unknown = "failed" if graph == "Hopes" else "interrupted"  # its fork was joined before
    assert killed == dict.fromkeys(failed, unknown) | others


def test_a_question_is_shown_and_answered(lift, place):
    done = kept_run(lift, "ask", "flows.py:Asks", code=3)
    shown = lift("show", "ask")
    data = document_of(lift, "show", "ask")
    wrong = lift("resume", "ask", "--answer", "approval=[1]")
    odd = lift("resume", "ask", "--answer", "nobody=1")
    still = lift("resume", "ask", "--json")
    answered = lift("resume", "ask", "--answer", 'approval={"granted": true}')

    assert "Asks: suspended" in done.stdout
    assert "asks at 0: pour tea?" in done.stdout
    assert "wants 'approval': {granted: boolean, by: string?}" in done.stdout
    assert f"lift resume ask --store {place} --answer approval=..." in done.stdout
    assert "0 Asks  waiting" in shown.stdout
    assert data["steps"][0]["question"]["key"] == "approval"
    assert (wrong.exit_code, odd.exit_code) == (2, 2)
    assert "not what was asked for, {granted: boolean, by: string?}: " in wrong.stderr
    assert "the run waits for 'approval'" in odd.stderr
    assert still.exit_code == 3
    document = json.loads(still.stdout)
    assert document["status"] == "suspended"
    assert document["questions"][0]["key"] == "approval"
    assert document["questions"][0]["schema"]["required"] == ["granted"]
    assert answered.exit_code == 0, answered.output
    assert "poured" in answered.stdout


@pytest.mark.parametrize("shown", [False, True])
def test_the_printed_command_answers_all_questions(lift, shown):
    """Where two share a key, by their steps; and a shell takes it as it stands."""
    done = kept_run(lift, "ask", "flows.py:AsksTwice", code=3)
    text = lift("show", "ask").stdout if shown else done.stdout
    command = next(line for line in text.splitlines() if "lift resume" in line)

    words = [word.replace("...", '{"granted": true}') for word in shlex.split(command)]
    answered = lift(*words[1:])

    assert [word.partition("=")[0] for word in words[6::2]] == ["0.0", "0.1", "more tea"]
    assert answered.exit_code == 0, answered.output


@pytest.mark.parametrize("deps", ["flows.py:kettle", "flows.py:a_kettle", "flows:Kettle"])
def test_services_are_named_as_for_check(lift, deps):
    """A function or class makes them; and the printed command names them again."""
    done = kept_run(lift, "serve", "flows.py:Serves", "--deps", deps, code=3)
    command = next(line for line in done.stdout.splitlines() if "lift resume" in line)
    words = [word.replace("...", '{"granted": true}') for word in shlex.split(command)]
    answered = lift(*words[1:])
    replayed = lift("replay", "serve", "--deps", deps, "-q")

    assert words[5:7] == ["--deps", deps]
    assert answered.exit_code == 0, answered.output
    assert "a cup of tea" in answered.stdout
    assert (replayed.exit_code, replayed.stdout) == (0, "identical: 2 steps\n")


@pytest.mark.parametrize("command", ["resume", "replay"])
def test_services_that_are_not_given_again_are_named(lift, command):
    """What fails without them may say little of it; what does not need them goes on."""
    kept_run(lift, "serve", "flows.py:Serves", "--deps", "flows:kettle", code=3)
    words = "The run serve was begun with --deps flows:kettle; now ctx.deps is None."
    answer = ["--answer", 'approval={"granted": true}'] if command == "resume" else []

    assert words in lift(command, "serve", *answer).stderr
    assert words not in lift(command, "serve", *answer, "--deps", "flows:kettle").stderr
    assert words not in lift(command, "serve", *answer, "-q").stderr


@pytest.mark.parametrize(
    ("deps", "message"),
    [
        ("flows.py:ketle", "Did you mean 'kettle'?"),
        ("flows.py", "is not MODULE:NAME"),
        ("flows.py:needs_size", "called to get services, so it must need no arguments"),
        ("flows.py:broken_kettle", "can't be called: OSError: no water"),
    ],
)
@pytest.mark.parametrize("command", [["run", "flows.py:Serves", *TOPIC], ["resume", "one"]])
def test_services_that_cannot_be_had_are_messages(lift, command, deps, message):
    kept_run(lift)

    done = lift(*command, "--deps", deps)

    assert done.exit_code == 2
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_the_printed_command_names_the_graph_again(lift, monkeypatch, tmp_path, place):
    """One that had to be named, as it is not below the folder."""
    kept_run(lift, "ask", "flows.py:Asks", code=3)
    flow = str(Path(__file__).with_name("flows.py"))
    monkeypatch.chdir(tmp_path)

    done = lift("resume", "ask", f"{flow}:Asks")

    assert f"  lift resume ask {flow}:Asks --store {place} --answer approval=..." in done.stdout


def test_a_secret_comes_from_the_environment(lift, monkeypatch, place):
    monkeypatch.setenv("TEA_KEY", "sesame")
    lift("run", "flows.py:Opens", "--set", "key=sesame", "--store", "--id", "one")
    unset = lift("resume", "one", "--secret", "key=NO_SUCH_NAME")
    missing = lift("resume", "one")
    given = lift("resume", "one", "--secret", "key=TEA_KEY")

    assert b"sesame" not in place.read_bytes()
    assert (unset.exit_code, missing.exit_code) == (2, 2)
    assert "key" in missing.stderr
    assert given.exit_code == 0, given.output


def test_a_run_with_a_secret_is_replayed(lift, monkeypatch):
    secret_run = lift(
        "run", "flows.py:Opens", "--set", "key=hush", "--store", "--id", "one", "--quiet"
    )
    assert secret_run.exit_code == 0, secret_run.output
    monkeypatch.setenv("TEA_KEY", "hush")

    refused = lift("replay", "one")
    given = lift("replay", "one", "--secret", "key=TEA_KEY")

    assert refused.exit_code == 2
    assert "--secret key=ENV_NAME" in refused.stderr
    assert given.exit_code == 0, given.output
    assert "identical: 1 step" in given.stdout


def test_a_run_goes_back(lift):
    kept_run(lift)

    made = lift("rewind", "one", "--at", "0.1", "--set", "topic=5", "--id", "two")
    shown = lift("show", "two")
    done = lift("resume", "two")

    assert made.stdout == "two\n"
    assert "lift resume two" in made.stderr
    assert "rewound from one at 0.1" in shown.stdout
    assert 'changed by hand: topic = "5"' in shown.stdout
    assert "5: 2 lines" in done.stdout
    assert "left of tea" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nobody"], "unknown run 'nobody'"),
        (["resume", "nobody"], "unknown run 'nobody'"),
        (["rm", "nobody"], "unknown run 'nobody'"),
        (["rewind", "one", "--at", "9"], "has no step '9'"),
        (["rewind", "one", "--at", "1", "--set", "topik=x"], "Did you mean 'topic'"),
        (["rewind", "one", "--at", "1", "--set", "limits.size=x"], "`limits.size` can't be set"),
        (["runs", "--since", "yesterday"], "neither an age"),
        (["runs", "--longer-than", "long"], "is no time, e.g. 1.5 (seconds)"),
        (
            ["run", "--store", "flows.py:graph", *TOPIC],
            "--store has taken 'flows.py:graph' for its file",
        ),
        (["run", "--store", "flows:graph", *TOPIC], "--store has taken 'flows:graph' for its file"),
        (["run", "--store", "flows.py", *TOPIC], "--store has taken 'flows.py' for its file"),
        (["rm"], "Name runs, or say which"),
        (["rm", "--unfinished"], "Name runs, or say which"),
        (["rm", "one", "--keep", "1"], "not both"),
        (["rm", "one", "--unfinished"], "not both"),
        (["resume", "one", "--answer", "a=1", "--answer", "a=2"], "'a' is given twice"),
        (["run", "flows.py:Asks", *TOPIC], "no store to wait in. Give it one: "),
        (["run", "flows.py:Asks", *TOPIC], "on the command line: --store"),
        (["resume", "one", "--answer", "x"], "is not KEY=JSON"),
        (["resume", "one", "--answer", "x=tea"], "the run waits for nothing"),
        (["resume", "one", "--secret", "hush"], "--secret takes PATH=ENV_NAME"),
        (["resume", "one", "flows.py:Fails"], "was begun with another version"),
        (["runs", "--store", "mysql://x"], "a file or postgresql://"),
        (["runs", "--store", "nowhere.db"], "There is no store 'nowhere.db'"),
        (["runs", "--store", "flows.py"], "no SQLite database"),
    ],
)
def test_mistakes_are_messages(lift, arguments, message):
    kept_run(lift)

    done = lift(*arguments)

    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_runs_are_removed(lift):
    for name in ("one", "two", "three"):
        kept_run(lift, name)
    kept_run(lift, "bad", "flows.py:Fails", code=1)

    assert "0 finished runs removed" in lift("rm", "--older-than", "30d").stderr
    assert lift("rm", "one", "nobody").exit_code == 2
    assert "1 run removed" in lift("rm", "one").stderr
    done = lift("rm", "--keep", "1")
    assert "1 finished run removed; those that can still go on stay (--unfinished" in done.stderr
    assert [each["execution_id"] for each in document_of(lift, "runs")] == ["bad", "three"]
    assert "1 run removed" in lift("rm", "--status", "failed", "--older-than", "0s").stderr
    kept_run(lift, "bad", "flows.py:Fails", code=1)
    assert "2 runs removed" in lift("rm", "--unfinished", "--keep", "0").stderr
    assert lift("rm", "--unfinished").exit_code == lift("rm", "x", "--unfinished").exit_code == 2


def test_of_a_run_under_way_no_time_is_said(lift, place):
    """How long it took is written where it ends, which one that was killed never did."""
    kept_run(lift)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET status = 'running', elapsed = 0")
    connection.close()

    [_, line] = lift("runs").stdout.splitlines()

    assert " ms" not in line
    assert line.split()[-2:] == ["4", "7"]
    assert lift("show", "one").stdout.splitlines()[0] == "one: Both, running, 4 steps, 7 tokens"


def test_a_run_that_was_cancelled_is_not_called_failed(lift, place):
    """Nor is what fails in its replay said to fail again."""
    kept_run(lift, "one", "flows.py:Fails", code=1)
    assert "It failed again: " in lift("replay", "one").stderr
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET status = 'cancelled', error = 'CancelledError: '")
    connection.close()

    shown, replayed = lift("show", "one"), lift("replay", "one")

    assert "cancelled" in shown.stdout
    assert "failed" not in shown.stdout
    assert "the tea is cold" in replayed.stderr
    assert "again: " not in replayed.stderr


@pytest.mark.parametrize("command", [["runs"], ["runs", "--totals"], ["show", "one"]])
def test_what_a_store_holds_does_nothing_to_the_terminal(lift, place, command):
    """It may come from elsewhere, and errors quote what models have said."""
    kept_run(lift, "one", "flows.py:Asks", code=3)
    bell = "\x1b]0;owned\x07"
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET graph = ?, error = ?, user_id = ?", (bell,) * 3)
        connection.execute("UPDATE lift_facts SET node = ?", (bell,))
        connection.execute("UPDATE lift_facts SET body = replace(body, 'pour tea?', '\\u001b[2J')")
    connection.close()

    shown = lift(*command, color=True)

    assert "owned" in shown.stdout
    assert re.sub("\x1b\\[[0-9;]*m", "", shown.stdout).replace("\n", "").isprintable()


def test_a_run_that_cannot_be_read_can_be_removed(lift, place):
    """Or it would stand in the way of the list for ever."""
    kept_run(lift)
    kept_run(lift, "two")
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET status = 'x' WHERE execution_id = 'one'")
    connection.close()

    assert "run 'one' is wrong" in lift("runs").stderr
    assert "1 run removed" in lift("rm", "one").stderr
    assert [each["execution_id"] for each in document_of(lift, "runs")] == ["two"]


def test_the_projects_own_file_is_the_default(lift, monkeypatch, tmp_path):
    """In the folder that has a pyproject.toml, a .git or a .lift, and out of version control."""
    monkeypatch.delenv("LIFT_STORE")
    inner = tmp_path / "project" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").touch()
    flow = Path(__file__).with_name("flows.py")
    monkeypatch.chdir(inner)

    kept = lift("run", f"{flow}:graph", *TOPIC, "--store", "--id", "one")

    assert kept.exit_code == 0, kept.output
    folder = tmp_path / "project" / ".lift"
    assert (folder / ".gitignore").read_text() == "*\n"
    assert [each["execution_id"] for each in document_of(lift, "runs")] == ["one"]


def test_a_graph_from_elsewhere_is_not_imported_by_itself(lift, monkeypatch, tmp_path):
    """A store may come from anywhere, so what it names is not simply run."""
    kept_run(lift)
    flow = Path(__file__).with_name("flows.py")
    monkeypatch.chdir(tmp_path)

    refused = lift("resume", "one")
    named = lift("resume", "one", f"{flow}:graph")

    assert refused.exit_code == 2
    assert "is not below this folder" in refused.stderr
    assert named.exit_code == 0, named.output


@pytest.mark.parametrize("target", ["os:system", "json:loads", "lift_sys.cli.app:cli", "", "a b:c"])
def test_installed_modules_are_not_below(lift, place, target):
    kept_run(lift)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET target = ?", (target,))
    connection.close()

    done = lift("resume", "one")

    assert done.exit_code == 2
    assert "MODULE:GRAPH" in done.stderr or "is not below this folder" in done.stderr


def test_a_dotted_module_below_is_found(lift):
    kept_run(lift, "one", "flows:graph")

    assert lift("resume", "one").exit_code == 0


@pytest.fixture
def gate(tmp_path, monkeypatch):
    """What the nodes of `Gated` write to."""
    monkeypatch.setenv("FLOWS_GATE", str(tmp_path / "gate"))
    return tmp_path / "gate"


def wait_for(path: Path, text: str) -> None:
    """Wait until another process has written `text`."""
    until = time.monotonic() + 15
    while not path.exists() or path.read_text(encoding="utf-8") != text:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_goes_on_by_the_printed_command(gate, start_lift, how, place):
    """Whatever kills it; what had finished is not run again."""
    process = start_lift("run", "flows.py:Gated", *TOPIC, "--store", str(place))
    first, command = process.stderr.readline(), process.stderr.readline()
    assert "is kept" in first
    wait_for(gate, "left\ngate\n")

    process.send_signal(how)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (128 + how, -how)
    if how != signal.SIGKILL:
        assert command in err
    gate.with_suffix(".open").touch()
    again = start_lift(*shlex.split(command)[1:], "--json")
    out, err = again.communicate(timeout=20)

    assert again.returncode == 0, err
    assert json.loads(out)["state"]["lines"] == ["left of tea"]
    assert gate.read_text() == "left\ngate\ngate\n"


def test_a_replay_compares_step_by_step(lift, place):
    kept_run(lift)

    same = lift("replay", "one", "-q")
    with sqlite3.connect(place) as connection:
        change = (
            "UPDATE lift_facts SET body = replace(body, 'left of tea', 'x') WHERE node = 'Left'"
        )
        connection.execute(change)
    connection.close()
    other = lift("replay", "one", "-q")
    document = document_of(lift, "replay", "one", "-q")

    assert (same.exit_code, same.stdout) == (0, "identical: 4 steps\n")
    assert other.exit_code == 1
    assert 'step 0.0:Left, writes: was [["append", ["lines"], ["x"]]], is' in other.stdout
    assert document["identical"] is False


def test_totals_are_by_status_and_node(lift):
    kept_run(lift)
    kept_run(lift, "two", "flows.py:Fails", code=1)

    shown = [line.split()[:2] for line in lift("runs", "--totals").stdout.splitlines()[1:]]
    data = document_of(lift, "runs", "--totals", "--node", "Left")

    assert shown[:2] == [["failed", "1"], ["finished", "1"]]
    assert sorted(shown[2:]) == [["Both", "1"], ["Close", "1"], ["Left", "1"], ["Right", "1"]]
    assert [*data["by_status"]] == ["finished"]
    assert data["by_status"]["finished"]["steps"] == 4
    left = data["by_node"]["Left"]
    assert (left["tokens"], left["attempts"], "steps" in left) == (7, 1, False)


@pytest.mark.parametrize(
    "body", ['{"writes": "x"}', '{"writes": [3]}', '{"writes": [["set", [[]]]]}', "x"]
)
@pytest.mark.parametrize("command", [["show"], ["resume"], ["replay"]])
def test_facts_edited_by_hand_are_messages(lift, place, body, command):
    kept_run(lift)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_facts SET body = ? WHERE node = 'Left'", (body,))
    connection.close()

    done = lift(*command, "one")

    assert done.exit_code == 1
    assert "0.0" in done.output
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_where_facts_were_edited_no_command_is_offered_that_fails_again(lift, place):
    """The error says what to do; and `rewind` makes no run that shares them."""
    kept_run(lift, "one", "flows.py:Risks", code=1)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_facts SET body = replace(body, 'Sleeps', 'Blocks')")
    connection.close()

    resumed = lift("resume", "one")
    rewound = lift("rewind", "one", "--at", "0.0/1", "--set", "topic=milk", "--id", "two")

    last = (
        "is wrong at step 0: it is not what was written, so somebody has edited it. Restore a copy"
    )
    for done in (resumed, rewound):
        assert done.exit_code == 1
        assert last in done.stderr.splitlines()[-1]
    assert [each["execution_id"] for each in document_of(lift, "runs")] == ["one"]


def test_a_run_of_a_program_names_what_goes_on_with_it(lift, place):
    kept_run(lift, "my run")
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE lift_runs SET target = ''")
    connection.close()

    refused = lift("resume", "my run")

    assert refused.exit_code == 2
    assert "lift demo" in refused.stderr
    assert "--id 'my run'" in refused.stderr
    assert lift("resume", "my run", "flows.py:graph").exit_code == 0
