"""`lift run`: what it prints, where, and with which exit code."""

import json

import pytest


def test_summary_names_output_changes_and_writers(lift):
    """People see what came out, what changed and who wrote it."""
    done = lift("run", "flows.py:graph", "--set", "topic=tea")

    assert done.exit_code == 0, done.output
    assert "tea: 2 lines" in done.stdout
    assert 'lines (by 0.0:Left, 0.1:Right): ["left of tea", "right"]' in done.stdout
    assert "1 call, 3 + 4 tokens" in done.stdout
    assert "estimated speed-up" in done.stdout
    assert "topic" not in done.stdout


def test_json_is_one_document_and_nothing_else(start_lift):
    """Stdout of the real command parses as a whole, although a node prints."""
    process = start_lift("run", "flows:graph", "--set", "topic=tea", "--json", "--seed", "7")
    out, err = process.communicate(timeout=20)

    document = json.loads(out)
    assert process.returncode == 0, err
    assert document["status"] == "succeeded"
    assert document["output"] == "tea: 2 lines"
    assert document["state"]["lines"] == ["left of tea", "right"]
    assert document["changed"]["lines"] == ["0.0:Left", "0.1:Right"]
    assert document["usage"]["total"]["input_tokens"] == 3
    assert document["seed"] == 7
    assert "a node prints" in err


def test_events_are_json_lines_on_stdout(lift):
    """Every line is an object with the promised fields; the summary moves to stderr."""
    done = lift("run", "flows.py:graph", "--set", "topic=tea", "--events")

    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[0]["type"] == "run_started"
    assert events[-1]["type"] == "run_finished"
    assert all({"type", "execution_id", "address", "node", "time"} <= set(e) for e in events)
    assert "tea: 2 lines" in done.stderr


def test_events_leave_stdout_to_the_document(lift):
    """With both flags stdout is the document and stderr has the lines."""
    done = lift("run", "flows.py:graph", "--set", "topic=tea", "--events", "--json")

    assert json.loads(done.stdout)["status"] == "succeeded"
    lines = [line for line in done.stderr.splitlines() if line != "a node prints"]
    assert {json.loads(line)["execution_id"] for line in lines} == {
        json.loads(done.stdout)["execution_id"]
    }


def test_log_lines_where_stderr_is_no_terminal(lift):
    """The log of lift_sys.execution is the progress of a pipe; --quiet silences it."""
    done = lift("run", "flows.py:graph", "--set", "topic=tea")
    quiet = lift("run", "flows.py:graph", "--set", "topic=tea", "--quiet")

    assert "starting parallel execution of 2 nodes: [Left, Right]" in done.stderr
    assert "node Right completed (2/2) in" in done.stderr
    assert quiet.stderr == ""


def test_seed_reproduces_what_nodes_draw(lift):
    """The same seed gives the same state, another one another."""

    def drawn(seed: str) -> float:
        done = lift("run", "flows.py:graph", "--set", "topic=x", "--json", "--seed", seed)
        value: float = json.loads(done.stdout)["state"]["draw"]
        return value

    assert drawn("1") == drawn("1") != drawn("2")


@pytest.mark.parametrize("limit", ["1", "3"])
def test_max_concurrent_limits_nodes(lift, limit):
    """With N slots no more than N nodes are started and not finished at any time."""
    done = lift("run", "flows.py:Poll", "--set", "topic=x", "--events", "--max-concurrent", limit)

    running = most = 0
    for event in map(json.loads, done.stdout.splitlines()):
        running += {"node_started": 1, "node_finished": -1}.get(event["type"], 0)
        most = max(most, running)
    assert done.exit_code == 0, done.output
    assert most <= int(limit)
    assert event["error"] is None


def test_votes_are_shown(lift):
    """A majority's classes and agreement are in the summary and in the document."""
    done = lift("run", "flows.py:Poll", "--set", "topic=x")
    document = json.loads(lift("run", "flows.py:Poll", "--set", "topic=x", "--json").stdout)

    assert "vote at 0: branches 0+2 against 1, agreement 67%" in done.stdout
    assert document["votes"]["0"]["classes"] == [[0, 2], [1]]


def test_failed_run_is_exit_one_with_one_message(lift):
    """A user's own exception names the step, and is no traceback."""
    done = lift("run", "flows.py:Fails", "--set", "topic=tea", "--quiet")

    assert done.exit_code == 1
    assert done.stdout == ""
    assert "OSError: the tea is cold" in done.stderr
    assert "0 (" in done.stderr
    assert "Traceback" not in done.stderr


def test_failed_run_has_a_document_too(lift):
    """Programs that asked for JSON get JSON for a failure, with where it was."""
    done = lift("run", "flows.py:Fails", "--set", "topic=tea", "--json")

    document = json.loads(done.stdout)
    assert done.exit_code == 1
    assert document["status"] == "failed"
    assert (document["error"]["address"], document["error"]["node"]) == ("0", "Fails")


def test_a_node_that_exits_fails_the_run(lift):
    """sys.exit in a node does not decide the exit code of lift."""
    done = lift("run", "flows.py:Exits", "--set", "topic=tea", "--quiet")

    assert done.exit_code == 1
    assert "a node wants out" in done.stderr


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_traceback_on_demand(lift, monkeypatch, way):
    """--traceback and LIFT_TRACEBACK=1 show where a node failed."""
    if way == "variable":
        monkeypatch.setenv("LIFT_TRACEBACK", "1")
    flags = ["--traceback"] if way == "flag" else []

    done = lift(*flags, "run", "flows.py:Fails", "--set", "topic=tea", "--quiet")

    assert done.exit_code == 1
    assert "Traceback" in done.stderr
    assert "flows.py" in done.stderr


def test_missing_field_says_how_to_give_it(lift):
    """Wrong usage is exit 2, before anything runs."""
    done = lift("run", "flows.py:graph")

    assert done.exit_code == 2
    assert "`topic`: is missing (give it with --set topic=" in done.stderr


def test_reader_that_leaves_is_no_traceback(start_lift):
    """`lift run --events | head -1` ends both without a word."""
    process = start_lift("run", "flows:many", "--set", "topic=tea", "--events", "--quiet")
    assert process.stdout is not None
    assert process.stderr is not None
    first = process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()

    assert json.loads(first)["type"] == "run_started"
    assert process.wait(timeout=20) in (0, 1)
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
    process.stderr.close()


def test_version_and_help(lift):
    """The group says what it is, with its commands."""
    helped = lift("--help")

    assert lift("--version").output.startswith("lift ")
    assert helped.exit_code == 0
    for command in ("run", "draw", "model", "demo"):
        assert command in helped.output
        assert lift(command, "--help").exit_code == 0
    assert lift("unknown").exit_code == 2
