"""The public API under type checkers, as users see it in their editor and in CI.

The files in `tests/typing` are checked and never run. In `accepts_*.py` nothing may be an error; in
`refuses_*.py` the errors are exactly at the lines that end in a comment `E: text`, where the text
is mypy's code for the error or a part of its message. `E[mypy]:` and `E[basedpyright]:` mark what
only one of the two sees. basedpyright's own words are not compared, because its codes differ.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

MARK = re.compile(r"# E(?:\[(?P<checker>\w+)\])?: (?P<text>.+)$")
# The first check of all after an upgrade reads pydantic and pydantic_ai from nothing.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Place(NamedTuple):
    """A line of a file in `tests/typing`."""

    file: str
    line: int


Errors = dict[Place, list[str]]


@pytest.fixture(scope="session")
def folder(project: Path) -> Path:
    return project / "tests" / "typing"


def marks(folder: Path, checker: str) -> dict[Place, str]:
    """The marked lines that `checker` has to find, and what is expected there."""
    return {
        Place(path.name, number): found["text"]
        for path in sorted(folder.glob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if (found := MARK.search(line)) and found["checker"] in (None, checker)
    }


def run(project: Path, module: str, *options: str) -> str:
    files = sorted(map(str, (project / "tests" / "typing").glob("*.py")))
    done = subprocess.run(
        [sys.executable, "-m", module, *options, *files],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    # 1 is "errors found"; anything above is a checker that could not do its work.
    assert done.returncode <= 1, done.stdout + done.stderr
    return done.stdout


def by_place(found: Iterator[tuple[str, int, str]]) -> Errors:
    errors: Errors = {}
    for file, line, text in found:
        errors.setdefault(Place(Path(file).name, line), []).append(text)
    return errors


@pytest.fixture(scope="session")
def mypy(project: Path) -> Errors:
    """What mypy finds with the project's settings: its codes and messages."""
    lines: list[dict[str, Any]] = [
        json.loads(line) for line in run(project, "mypy", "--output=json").splitlines()
    ]
    return by_place(
        (each["file"], each["line"], f"{each['message']} [{each['code']}]")
        for each in lines
        if each["severity"] == "error"
    )


@pytest.fixture(scope="session")
def basedpyright(project: Path) -> Errors:
    """What basedpyright finds in strict mode, as an editor shows it."""
    # The settings name `.venv`; where the tests run from another one, it has to be said.
    output = run(project, "basedpyright", "--outputjson", "--pythonpath", sys.executable)
    report: dict[str, Any] = json.loads(output)
    return by_place(
        (each["file"], each["range"]["start"]["line"] + 1, each["message"])
        for each in report["generalDiagnostics"]
        if each["severity"] == "error"
    )


def test_there_is_something_to_check(folder):
    """An empty glob would make everything below pass."""
    assert len(list(folder.glob("accepts_*.py"))) >= 4
    assert len(list(folder.glob("refuses_*.py"))) >= 3
    assert all(place.file.startswith("refuses_") for place in marks(folder, "mypy"))
    assert len(marks(folder, "mypy")) > 100


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_what_is_right_is_accepted(checker, request):
    """Programs as the documentation writes them give no error, so users need no ignores."""
    errors: Errors = request.getfixturevalue(checker)

    assert {at: text for at, text in errors.items() if at.file.startswith("accepts_")} == {}


@pytest.mark.parametrize("checker", ["mypy", "basedpyright"])
def test_what_is_wrong_is_refused_where_it_is(checker, folder, request):
    """Each planted mistake is an error at its line, and nothing else is."""
    errors: Errors = request.getfixturevalue(checker)
    expected = marks(folder, checker)

    missed = sorted(set(expected) - set(errors))
    unexpected = {
        at: text
        for at, text in errors.items()
        if at not in expected and not at.file.startswith("accepts_")
    }

    assert missed == []
    assert unexpected == {}


def test_mistakes_are_called_what_they_are(folder, mypy):
    """The error at a line is the one that is marked, not another that happens to be there."""
    differing = {
        at: (text, mypy[at])
        for at, text in marks(folder, "mypy").items()
        if at in mypy and not any(text in found for found in mypy[at])
    }

    assert differing == {}
