"""`lift agreement`: the figures of a log on one screen or as JSON, and clear errors."""

import json
import re
from pathlib import Path

import pytest

STUDY = Path(__file__).resolve().parents[3] / "shared" / "data" / "llm_stability"
COLUMNS = ("--question", "q", "--run", "r", "--output", "o")
SCREEN = (24, 80)


@pytest.fixture
def write_log(tmp_path):
    """Write rows as a log of JSON lines and return its path."""

    def write(rows):
        path = tmp_path / "runs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return str(path)

    return write


def rows(*, questions=3, runs=4, **more):
    return [
        {"q": question, "r": run, "o": "same" if question else f"other {run % 2}"} | more
        for question in range(questions)
        for run in range(runs)
    ]


@pytest.mark.skipif(not STUDY.is_dir(), reason="the study's data is not here")
def test_study_is_reproduced_by_the_command_as_installed(start_lift):
    """In a process of its own: every published figure to the last digit, as JSON."""
    process = start_lift(
        *("agreement", str(STUDY / "runs.jsonl"), "--question", "question_id", "--run", "run"),
        *("--output", "output", "--answer", "answer", "--answer-status", "answer_status"),
        *("--gold", "target", "--group", "experiment", "--json"),
    )
    stdout, stderr = process.communicate(timeout=15)

    expected = json.loads((STUDY / "expected.json").read_text(encoding="utf-8"))["experiments"]
    assert (process.returncode, stderr) == (0, "")
    groups = json.loads(stdout)["groups"]
    assert set(groups) == set(expected)
    for name, figures in expected.items():
        for about in ("model", "task", "shots"):
            del figures[about]
        assert {key: groups[name][key] for key in figures} == figures
        for further in ("TARr_wilson95", "TARr_at_k_expected", "entropy_bits_mean"):
            assert groups[name][further]
        assert groups[name]["majority_vote_accuracy"] >= figures["worst_possible_accuracy"]


def test_one_group_is_shown_with_all_its_figures(lift, write_log):
    """Each figure is named, and the questions that differ most."""
    done = lift("agreement", write_log(rows(gold="same")), *COLUMNS, "--gold", "gold")

    assert done.exit_code == 0
    shown = {line[:24].strip(): line[24:].strip() for line in done.stdout.splitlines()}
    assert shown["questions x runs"] == "3 x 4"
    assert shown["TARr@N, outputs (95 %)"] == "66.7% (20.8% to 93.9%)"
    assert shown["TARr@k, first k runs"] == "2: 66.7%, 3: 66.7%"
    assert shown["equal pairs of runs"] == "77.8%"
    assert shown["first differing char"] == "median 6, least 6"
    assert shown["accuracy low/median/high"] == "66.7% / 66.7% / 66.7%"
    assert shown["least stable questions"] == "0 (2+2)"
    assert "TARa" not in done.stdout


@pytest.mark.parametrize("groups", [1, 2, 3, 50])
def test_report_fits_a_screen(lift, write_log, groups):
    """However many groups there are, how long their names, and how much there is to note."""
    log = [
        row | {"g": f"provider/a-model-with-a-long-name-{group}" * 3, "c": row["r"] == 3}
        for group in range(groups)
        for row in rows()
    ]

    done = lift("agreement", write_log(log), *COLUMNS, "--group", "g", "--cached", "c")

    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert max(map(len, lines)) <= SCREEN[1]
    # Notes of several groups are long; the figures themselves and one note are on one screen.
    assert next(n for n, line in enumerate(lines, 1) if "note:" in line) <= SCREEN[0]
    assert len(lines) <= 1.5 * SCREEN[0]


def test_many_groups_show_those_that_agree_least(lift, write_log):
    """What is left out is said."""
    log = [row | {"g": f"m{n:02}"} for n in range(30) for row in rows(questions=1 + n)]

    done = lift("agreement", write_log(log), *COLUMNS, "--group", "g")

    assert "m00" in done.stdout
    assert "m29" not in done.stdout
    assert "14 of 30 groups, those that agree least; --json shows all." in done.stdout


def test_ragged_group_is_flagged_and_noted(lift, write_log):
    """It has no agreement over N, in JSON and on the screen."""
    log = write_log(rows()[:-1])

    figures = json.loads(lift("agreement", log, *COLUMNS, "--json").stdout)["groups"]["all"]
    shown = lift("agreement", log, *COLUMNS).stdout

    assert (figures["ragged"], figures["TARr"], figures["TACr"]) == (True, None, None)
    assert "TARr@N" not in shown
    (first,) = [line for line in shown.splitlines() if "TARr@k, first k runs" in line]
    assert re.findall(r"(\d+): ", first) == ["2", "3"]
    assert "note: Unequal numbers of runs (3 runs: 1 question, 4 runs: 2 questions)" in shown


def test_nearly_all_is_not_shown_as_all(lift, write_log):
    """One in 3,000 that differs is not 100.0 %."""
    done = lift("agreement", write_log(rows(questions=3000, runs=2)), *COLUMNS)

    assert ">99.9% (99.8% to >99.9%)" in done.stdout


def test_names_from_the_file_can_not_drive_the_terminal(lift, write_log):
    """Escape sequences, markup and lone surrogates in a group's name are only shown."""
    name = "\x1b[31m[bold]\ud800"
    log = [row | {"g": name} for row in rows()]

    shown = lift("agreement", write_log(log), *COLUMNS, "--group", "g")
    document = lift("agreement", write_log(log), *COLUMNS, "--group", "g", "--json")

    assert (shown.exit_code, document.exit_code) == (0, 0)
    assert "\x1b" not in shown.stdout
    assert "[bold]" in shown.stdout
    assert list(json.loads(document.stdout)["groups"]) == [name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--question", "qq", "--run", "r", "--output", "o"), "The columns are: q, r and o."),
        ((*COLUMNS, "--gold", "o", "--correct", "o"), "not both"),
        ((*COLUMNS, "--answer-status", "o"), "needs one for `answer`"),
        (("--question", "r", "--run", "r", "--output", "o"), "has the run '0' already"),
        ((*COLUMNS, "--gold", "o"), "the right answer to question '0' is 'other 1' here"),
        (("--question", "q", "--run", "r"), "Missing option '--output'"),
    ],
)
def test_wrong_input_is_one_message_and_exit_2(lift, write_log, arguments, message):
    """What is wrong stands on stderr; no traceback, nothing on stdout."""
    done = lift("agreement", write_log(rows()), *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.jsonl", '{"q": 1, "r"', "log.jsonl:1: this is no valid JSON"),
        ("log.jsonl", "", "log.jsonl: it holds no calls"),
        ("log.txt", "", "its suffix .txt is none of"),
        ("log.csv", "q,r,o\n1,2\n", "log.csv:2: there are 2 cells"),
    ],
)
def test_broken_file_is_one_message_and_exit_2(lift, tmp_path, name, content, message):
    """With the file, and the line where there is one."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")

    done = lift("agreement", str(path), *COLUMNS)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_file_that_is_not_there_is_exit_2(lift):
    """As with every command."""
    done = lift("agreement", "nowhere.jsonl", *COLUMNS)

    assert done.exit_code == 2
    assert "nowhere.jsonl" in done.stderr


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_log_comes_by_standard_input(lift, write_log, form):
    """The same figures as from a file; the first line says the format."""
    text = "".join(json.dumps(row) + "\n" for row in rows())
    if form == "csv":
        text = "q;r;o\n" + "".join(f"{row['q']};{row['r']};{row['o']}\n" for row in rows())
    from_file = lift("agreement", write_log(rows()), *COLUMNS)

    done = lift("agreement", "-", *COLUMNS, stdin=text)

    assert done.exit_code == 0, done.output
    assert done.stdout == from_file.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"q": 1, "r": 1, "o": "x"}\n{"q": 1,\n', "standard input:2: this is no valid JSON"),
        ("q,r,o\n1,2\n", "standard input:2: there are 2 cells"),
        ("", "standard input"),
    ],
)
def test_mistakes_in_standard_input_have_their_line(lift, text, message):
    done = lift("agreement", "-", *COLUMNS, stdin=text)

    assert done.exit_code == 2
    assert message in done.stderr
