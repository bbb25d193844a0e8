"""The command group, and the one place where an exception becomes a message and an exit code.

Commands load when they are called, so that `lift --help` stays fast.
"""

from __future__ import annotations

import os
import sys
import traceback
from importlib import import_module
from typing import Any

import click

from lift_sys import __version__
from lift_sys.errors import GraphError, LiftError, NodeError, UsageError
from lift_sys.execution.log import error_text

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_SUSPENDED = 3  # it waits for answers
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it

# Name of each command to the module that holds it, in the order in which help shows them.
_COMMANDS = {
    "run": "run",
    "runs": "runs",
    "show": "show",
    "resume": "resume",
    "rewind": "rewind",
    "replay": "replay",
    "rm": "rm",
    "check": "check",
    "agreement": "agreement",
    "draw": "draw",
    "model": "model",
    "demo": "demo",
}

# Click keeps the line breaks of a paragraph that starts with a backspace.
_HELP = """Run graphs of LLM nodes in parallel, and trust the answer.

\b
  lift demo                   real work on the embedded model, no key needed
  lift run flow.py:graph      run a graph
  lift run flow.py:graph --store
                              keep it, so that it can go on after a crash: lift resume
  lift runs                   what is kept; lift show RUN, lift rewind RUN
  lift draw flow.py:graph     draw it as a Mermaid diagram
  lift check flow.py:graph    find out whether it gives the same every time
  lift agreement runs.jsonl --question id --run n --output text
                              find out how far logged answers of a model agree
"""


class LiftGroup(click.Group):
    """Loads commands when they are called, and turns expected errors into messages."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return the command called `name`."""
        if name not in _COMMANDS:
            return None
        command = getattr(import_module(f"lift_sys.cli.{_COMMANDS[name]}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; expected errors end it with a message and an exit code."""
        try:
            result = super().invoke(ctx)
            # Here and not at exit: a reader that went away is an error that click handles here.
            sys.stdout.flush()
            return result
        except LiftError as error:
            report(error, show_traceback=wants_traceback(ctx))
            ctx.exit(EXIT_USAGE if isinstance(error, (UsageError, GraphError)) else EXIT_FAILED)
        except KeyboardInterrupt:
            click.echo("Cancelled.", err=True)
            ctx.exit(EXIT_INTERRUPTED)


def wants_traceback(ctx: click.Context | None = None) -> bool:
    """Whether tracebacks were asked for, by `lift --traceback` or LIFT_TRACEBACK=1."""
    asked = ctx is not None and bool(ctx.find_root().params.get("traceback"))
    return asked or os.environ.get("LIFT_TRACEBACK", "") not in ("", "0")


def report(error: BaseException, *, show_traceback: bool = False) -> None:
    """Write one clear message about `error` to stderr, with its traceback if that is wanted."""
    if show_traceback:
        click.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        return
    text = str(error) if isinstance(error, LiftError) else error_text(error)
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {text}", err=True)
    theirs = error.error if isinstance(error, NodeError) else error
    if not isinstance(theirs, LiftError):
        click.echo("(LIFT_TRACEBACK=1 shows where.)", err=True)


@click.group(
    cls=LiftGroup,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 the run or the check failed, 2 wrong usage, 3 the run waits for "
    "answers, 130 and 143 interrupted.",
)
@click.version_option(__version__, prog_name="lift", message="%(prog)s %(version)s")
@click.option("--traceback", is_flag=True, help="Show tracebacks of errors (or LIFT_TRACEBACK=1).")
def cli(traceback: bool) -> None:
    """Hold the options of all commands; they are read through the context."""
