"""Execute cells of a notebook in one kernel, and print what each wrote.

    python tests/execute_notebook.py NOTEBOOK CELL_ID...

One JSON list of texts, a text for each cell in the order given; a cell may be named several times.
A program of its own, because the sockets of Jupyter's client are closed by the garbage collector,
which the tests would report. Its kernel is this very interpreter, whatever kernels are registered.
"""

import json
import sys
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient


class ThisPython(AsyncKernelManager):
    """Starts the interpreter that runs this program."""

    def format_kernel_cmd(self, extra_arguments=None):
        """The command line of the kernel."""
        return [sys.executable, "-m", "ipykernel_launcher", "-f", self.connection_file]


def main() -> None:
    """Read, run, print."""
    notebook = nbformat.read(Path(sys.argv[1]), as_version=4)
    sources = {cell.id: cell.source for cell in notebook.cells}
    notebook.cells = [nbformat.v4.new_code_cell(sources[name]) for name in sys.argv[2:]]
    NotebookClient(notebook, km=ThisPython(), timeout=60).execute()
    written = [
        "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
    ]
    print(json.dumps(written))


if __name__ == "__main__":
    main()
