"""The notebook in docs/, executed as a person would, twice over in one kernel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NOTEBOOK = HERE.parent / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def written():
    """What each code cell wrote, first time and second time."""
    command = [sys.executable, str(HERE / "execute_notebook.py"), str(NOTEBOOK), "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    cells = json.loads(done.stdout.splitlines()[-1])
    return cells[: len(cells) // 2], cells[len(cells) // 2 :]


pytestmark = pytest.mark.timeout(120)


def test_cells_define_nodes_that_fork(written):
    """Classes of several cells, named before they are defined, make one graph."""
    first, _ = written

    assert "3 words, glad\n" in first


def test_a_cell_that_runs_again_replaces_its_class(written):
    """An annotation that holds the old class means the new one, and a warning says so."""
    first, _ = written

    assert "second ['RedefinedNodeWarning']\n" in first


def test_a_blocking_call_says_what_to_await(written):
    """A notebook has a running loop."""
    first, _ = written

    assert "await graph.run(...)\n" in first


def test_running_all_cells_again_gives_the_same(written):
    """Nothing is kept between runs but the newest classes."""
    first, again = written

    assert again == first
