"""Execute a notebook's code cells, REPEATS times over, and print what each wrote, as JSON.

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
    path, repeats = Path(sys.argv[1]), int(sys.argv[2])
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    notebook.cells = [
        nbformat.v4.new_code_cell(cell.source) for _ in range(repeats) for cell in cells
    ]
    NotebookClient(notebook, km=ThisPython(), timeout=60).execute()
    written = [
        "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for cell in notebook.cells
    ]
    print(json.dumps(written))


if __name__ == "__main__":
    main()
