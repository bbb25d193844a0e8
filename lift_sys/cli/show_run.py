"""One run as a command shows it: while it runs, its result, its failure, what it waits for.

What the graph's own code prints while `--json` or `--events` claims stdout goes to stderr, so that
a program that reads stdout gets JSON only.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.app import EXIT_FAILED, EXIT_SUSPENDED, EXIT_USAGE, report, wants_traceback
from lift_sys.cli.kept import Kept
from lift_sys.cli.questions import question_lines
from lift_sys.cli.session import Session
from lift_sys.cli.summary import error_as_dict, result_as_dict, summary_lines
from lift_sys.errors import GraphError, JournalError, UsageError
from lift_sys.observe.events_json import as_json

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.core.ports import Observer
    from lift_sys.graph.graph import Graph
    from lift_sys.graph.result import RunResult


class Show:
    """Runs a graph for a command.

    Args:
        ctx: The command's context.
        as_document, events, quiet, verbose: Its flags.
    """

    def __init__(
        self, ctx: click.Context, *, as_document: bool, events: bool, quiet: bool, verbose: bool
    ) -> None:
        self.ctx = ctx
        self.results = sys.stdout
        self.as_document, self.events, self.quiet = as_document, events, quiet
        self.kept: Kept | None = None
        self.session = Session(
            events_to=(sys.stderr if as_document else self.results) if events else None,
            quiet=quiet,
            verbose=verbose,
        )

    @contextlib.contextmanager
    def stdout_for_data(self) -> Iterator[None]:
        """Keep the graph's own prints out of stdout while that is for data."""
        if not (self.as_document or self.events):
            yield
            return
        with contextlib.redirect_stdout(sys.stderr):
            yield

    def keep(self, kept: Kept) -> Kept:
        """The run will be kept: say so when it is, and at a failure; return the store for it."""
        self.kept = kept
        kept.on_begun = self._say_kept
        return kept

    def run(
        self,
        graph: Graph[Any],
        work: Callable[[Observer], Coroutine[Any, Any, RunResult[Any]]],
        before: BaseModel | None = None,
    ) -> None:
        """Run `work(observer)`, show what comes of it, and exit if it did not finish."""
        try:
            result = self.session.run(work)
        except click.exceptions.Exit:
            raise
        except (Exception, SystemExit) as error:
            # Also what is no LiftError: `accept` and `key` are the user's code, and so are nodes.
            if self.as_document:
                self._write(error_as_dict(graph.name, error) | self._name())
            report(error, show_traceback=wants_traceback(self.ctx))
            refused = isinstance(error, UsageError) and self.kept is not None
            if refused or isinstance(error, GraphError):  # nothing has run
                self.ctx.exit(EXIT_USAGE)
            # A journal that is wrong stays so: what to do instead is in its error.
            if self.session.last_words and not isinstance(error, JournalError):
                self._look()
                click.echo(self.session.last_words, err=True)
            self.ctx.exit(EXIT_FAILED)
        if self.kept is not None and self.kept.went_on:
            before = None
        had_finished = self.kept is not None and self.kept.had_finished
        if self.as_document:
            self._write(result_as_dict(graph.name, result, before))
        else:
            for line in summary_lines(graph.name, result, before, had_finished=had_finished):
                click.echo(line, err=self.events)
            if self.kept is not None and result.suspended:
                self._look()
                for line in question_lines(result.questions, self.kept.said):
                    click.echo(line, err=self.events)
        if result.suspended:
            self.ctx.exit(EXIT_SUSPENDED)

    def _name(self) -> dict[str, Any]:
        return {} if self.kept is None else {"execution_id": self.kept.execution_id}

    def _say_kept(self) -> None:
        assert self.kept is not None
        if not (self.events and self.as_document):  # stderr is for events
            self.session.last_words = self.kept.words()
            self.session.on_cancelled = self._look
            if not self.quiet:
                click.echo(self.session.last_words, err=True)

    def _look(self) -> None:
        assert self.kept is not None
        asyncio.run(self.kept.look())
        self.session.last_words = self.kept.words()

    def _write(self, document: dict[str, Any]) -> None:
        self.results.write(as_json(document, indent=2) + "\n")
        self.results.flush()
