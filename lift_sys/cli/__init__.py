"""The command `lift`: run and draw graphs, look after the embedded model, see the demo.

Results go to stdout, everything else (progress, log, errors) to stderr. Exit codes: 0 done, 1 the
run failed, 2 wrong usage, 3 it waits for answers, 130 or 143 interrupted. Expected errors are one
message, never a traceback.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process; never returns."""
    try:
        from lift_sys.cli.app import cli

        cli(prog_name="lift")
    except KeyboardInterrupt:
        # Ctrl-C before a command has begun, while modules load.
        sys.stderr.write("Cancelled before anything had started.\n")
        sys.exit(130)
