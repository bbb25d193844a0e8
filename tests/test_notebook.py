"""The notebook in docs/, executed as a person would: all cells, one of them again, all again."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

HERE = Path(__file__).parent
NOTEBOOK = HERE.parent / "docs" / "notebook.ipynb"

# A kernel takes seconds to start, and longer on a machine that does other things.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def rounds(notebook):
    """What each cell wrote, by its id, in three rounds: all, one that ran again, all again."""
    every = [cell.id for cell in notebook.cells if cell.cell_type == "code"]
    orders = [every, ["answer-again", "run-ask"], every]
    names = [name for order in orders for name in order]
    command = [sys.executable, str(HERE / "execute_notebook.py"), str(NOTEBOOK), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    written = iter(json.loads(done.stdout.splitlines()[-1]))
    return [{name: next(written) for name in order} for order in orders]


def test_it_is_kept_without_outputs(notebook):
    """It is valid, and a diff of it shows what a person has changed."""
    nbformat.validate(notebook)

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}


def test_classes_of_several_cells_make_one_graph(rounds):
    """A fork names classes before they are defined, and what its branches wrote is merged."""
    first = rounds[0]

    assert first["run-read"] == "3 words, glad ['words', 'sentiment']\n"
    assert "seen 0.0:Count 0.1:Sentiment\n" in first["blame"]
    assert "0.1 BranchFinished\n" in first["events"]
    assert first["vote"] == "good ((1, 2), (0,))\n"


def test_a_cell_that_runs_again_replaces_its_class(rounds):
    """An annotation that holds an older class means the newest one, and a warning says so."""
    expected = "second ['RedefinedNodeWarning']\n"

    assert [written["run-ask"] for written in rounds] == [expected] * 3


def test_a_blocking_call_says_what_to_await(rounds):
    """A notebook has a running loop."""
    assert rounds[0]["blocking"] == "await graph.run(...)\n"


def test_running_all_cells_again_gives_the_same(rounds):
    """Nothing is kept between runs but the newest classes."""
    assert rounds[2] == rounds[0]
