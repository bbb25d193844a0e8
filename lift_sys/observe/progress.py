"""Progress of a run on a terminal: a bar per group of branches, a line per branch that is active.

Drawn on stderr, never on stdout, which belongs to results. Where stderr is no terminal there is
nothing to redraw: the sentences of the log are printed there instead.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from lift_sys.core.events import Event, NodeFailed, RunFinished, RunStarted, Voted
from lift_sys.execution.log import describe, seconds
from lift_sys.observe.board import ENDED, Board, Branch, BranchStatus, Group

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_MARKS = {
    BranchStatus.WAITING: ("·", "dim"),
    BranchStatus.RUNNING: ("▸", "cyan"),
    BranchStatus.RETRYING: ("↻", "yellow"),
    BranchStatus.SUCCEEDED: ("✓", "green"),
    BranchStatus.FAILED: ("✗", "red"),
    BranchStatus.CANCELLED: ("–", "dim"),
    BranchStatus.SUSPENDED: ("?", "yellow"),
}
_REDRAWS_A_SECOND = 8


class ProgressObserver:
    """Observer that shows a run while it goes on. Use it for one run, best in a `with`.

    Args:
        console: Where to draw; by default a new one on stderr.
        clock: Seconds from any start, for elapsed times between two events.
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if console is None:
            from rich.console import Console

            console = Console(file=sys.stderr)
        self.console = console
        self.board = Board()
        self._clock = clock
        self._newest = clock()
        self._live: Live | None = None
        # The redrawing thread reads the board while the run's loop writes to it.
        self._lock = threading.Lock()

    def __call__(self, event: Event, /) -> None:
        """Take one event."""
        with self._lock:
            self.board.take(event)
            self._newest = self._clock()
        if not self.console.is_terminal:
            self._print(event, logging.INFO)
            return
        if isinstance(event, RunStarted) and self._live is None:
            self._open()
        if isinstance(event, (NodeFailed, Voted)):
            self._print(event, logging.INFO)
        # A subgraph may have a run of its own: only the outermost one, without address, ends it.
        if isinstance(event, RunFinished) and not event.address:
            self.close()

    def close(self) -> None:
        """Draw the last state and give the terminal back; twice is no error."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def render(self) -> RenderableType:
        """The board as rich draws it now."""
        with self._lock:
            now = self.board.now
            if not self.board.finished:
                now += max(0.0, self._clock() - self._newest)
            return draw(self.board, now=now, height=max(6, self.console.height - 2))

    def _open(self) -> None:
        from rich.live import Live

        self._live = Live(
            console=self.console,
            get_renderable=self.render,
            refresh_per_second=_REDRAWS_A_SECOND,
            # What nodes print appears above the bars where both are one terminal; a stdout that
            # goes elsewhere is left alone.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
        )
        self._live.start()

    def _print(self, event: Event, least: int) -> None:
        for level, sentence in describe(event):
            if level >= least:
                style = "yellow" if level >= logging.WARNING else None
                self.console.print(sentence, style=style, markup=False, highlight=False)


def draw(board: Board, *, now: float, height: int = 24) -> RenderableType:
    """The board as a table of at most `height` lines, at `now` seconds since the run's start."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=44)
    table.add_column(no_wrap=True, width=16)
    for _ in range(3):
        table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis", style="dim")

    lines = list(_lines(board, now))
    shown = lines
    if len(lines) > height:
        # Who is at work comes first where not everyone has room.
        shown = [entry for entry in lines if not _is_idle(entry[1])][: height - 1]
    for depth, line in shown:
        indent = "  " * depth
        tokens = f"{line.tokens} tokens" if line.tokens else ""
        if isinstance(line, Group):
            title = f"{indent}{line.node or 'group'} {line.strategy}".rstrip()
            bar = ProgressBar(total=max(1, len(line.branches)), completed=line.done, width=16)
            count = f"{line.done}/{len(line.branches)}"
            table.add_row(Text(title, style="bold"), bar, count, seconds(line.elapsed(now)), tokens)
        else:
            mark, style = _MARKS[line.status]
            name = Text(f"{indent}{mark} ", style=style).append(line.node, style=style)
            name.append(f" {line.address}", style="dim")
            elapsed = seconds(line.elapsed(now)) if line.started is not None else ""
            words = Text(_last_words(line))
            table.add_row(name, Text(_doing(line, now)), "", elapsed, tokens, words)
    if len(shown) < len(lines):
        table.add_row(Text(f"... and {len(lines) - len(shown)} more", style="dim"))
    if not lines:
        table.add_row(Text(_plain_steps(board)), "", "", seconds(now))
    return table


def _lines(board: Board, now: float) -> Iterator[tuple[int, Group | Branch]]:
    """Groups and their branches, as deep as they are nested; ended groups are their bar alone."""
    todo: list[tuple[int, Group | Branch]] = [(0, group) for group in reversed(board.groups)]
    while todo:
        depth, line = todo.pop()
        yield depth, line
        if isinstance(line, Group) and line.ended is None:
            todo.extend((depth + 1, branch) for branch in reversed(line.branches))
        elif isinstance(line, Branch) and line.status not in ENDED:
            inner = line.group
            if inner is not None and inner.ended is None:
                todo.append((depth + 1, inner))


def _is_idle(line: Group | Branch) -> bool:
    return isinstance(line, Branch) and (
        line.status is BranchStatus.WAITING or line.status in ENDED
    )


def _doing(branch: Branch, now: float) -> str:
    if branch.status is BranchStatus.RETRYING and branch.retry_at is not None:
        return f"retry in {seconds(max(0.0, branch.retry_at - now))}"
    if branch.status is BranchStatus.RUNNING:
        again = f" ({branch.attempt})" if branch.attempt > 1 else ""
        return (branch.step if branch.step != branch.node else "running") + again
    return str(branch.status)


def _last_words(branch: Branch) -> str:
    if branch.status in ENDED:
        return ""
    part = ""
    if branch.done is not None:
        part = f"{branch.done:g}" + (f"/{branch.total:g} " if branch.total is not None else " ")
    return part + " ".join(branch.message.split())[-40:]


def _plain_steps(board: Board) -> str:
    names = ", ".join(board.running.values()) or board.graph
    return f"▸ {names} (step {board.steps_done + 1})" if not board.finished else "✓ " + names
