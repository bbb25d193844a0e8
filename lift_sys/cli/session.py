"""One run under the eyes of a person: progress, log lines or JSON events, and Ctrl-C.

Chosen once: events as JSON if they are asked for, bars on a terminal, log lines elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from lift_sys.cli.interrupt import InterruptedRunError, Interruptible
from lift_sys.core.events import Event
from lift_sys.errors import at_step
from lift_sys.execution.log import LOGGER_NAME, counted
from lift_sys.observe.board import Board
from lift_sys.observe.events_json import JsonLines

if TYPE_CHECKING:
    from lift_sys.core.ports import Observer
    from lift_sys.observe.progress import ProgressObserver

ResultT = TypeVar("ResultT")
# More names of cancelled steps than this would hide the message.
_NAMED_STEPS = 8


class Session:
    """Runs one graph and shows it.

    Args:
        events_to: Where JSON lines go; None for progress instead.
        quiet: Show nothing while it runs.
        verbose: Log lines, debugging ones included, whatever stderr is.
        outermost: Log no more than the outermost group and warnings.
        last_words: What is said besides when it is interrupted.

    Attributes:
        on_cancelled: Called when it was interrupted and has ended, to think of better last words.
    """

    def __init__(
        self,
        *,
        events_to: TextIO | None = None,
        quiet: bool = False,
        verbose: bool = False,
        outermost: bool = False,
        last_words: str = "",
    ) -> None:
        self.outermost = outermost
        self.last_words = last_words
        self.on_cancelled: Callable[[], None] = lambda: None
        self.board = Board()
        self.events = None if events_to is None else JsonLines(events_to)
        watched = not quiet and events_to is None
        self.level: int | None = None
        self.bars: ProgressObserver | None = None
        if quiet:
            self.level = logging.CRITICAL  # retries and weak votes, which logs show by default
        elif watched and (verbose or not sys.stderr.isatty()):
            self.level = logging.DEBUG if verbose else logging.INFO
        elif watched:
            from lift_sys.observe.progress import ProgressObserver

            self.bars = ProgressObserver()
        self._reader_left = False
        self._said = False
        self._task: asyncio.Task[Any] | None = None

    def run(self, work: Callable[[Observer], Coroutine[Any, Any, ResultT]]) -> ResultT:
        """Run `work(observer)`, show it, and return its result.

        Raises:
            SystemExit: It was interrupted (code 130), or the reader of the events has gone.
        """

        async def watched() -> ResultT:
            self._task = asyncio.current_task()
            return await work(self._take)

        runner = Interruptible(on_interrupt=self._freeze, on_forced_exit=self._say_cancelled)
        try:
            with _log_lines(self.level, outermost=self.outermost):
                return runner.run(watched)
        except InterruptedRunError as interrupted:
            self.on_cancelled()
            self._say_cancelled()
            raise click.exceptions.Exit(interrupted.exit_code) from None
        except asyncio.CancelledError:
            if not self._reader_left:
                raise
            raise click.exceptions.Exit(1) from None
        finally:
            if self.bars is not None:
                self.bars.close()

    def _take(self, event: Event, /) -> None:
        if not self._said:
            self.board.take(event)
        if self.bars is not None:
            self.bars(event)
        if self.events is not None and not self._reader_left:
            try:
                self.events(event)
            except BrokenPipeError:
                self._leave_pipe()

    def _leave_pipe(self) -> None:
        """Nobody reads the events any more (`| head`): end the run, without a word."""
        self._reader_left = True
        assert self.events is not None
        # What is still buffered must not fail again when Python flushes it at exit.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.events.stream.fileno())
        os.close(nowhere)
        if self._task is not None:
            self._task.cancel()

    def _freeze(self) -> None:
        """Remember what runs at this moment: cancellation empties the board."""
        self._cancelled = dict(self.board.running)
        self._done = self.board.steps_done
        self._time = self.board.now

    def _say_cancelled(self) -> None:
        if self._said:
            return
        self._said = True
        if self.bars is not None:
            self.bars.close()
            self.bars.console.show_cursor(True)
        steps = [at_step(address, node) for address, node in self._cancelled.items()]
        shown = ", ".join(steps[:_NAMED_STEPS])
        more = len(steps) - _NAMED_STEPS
        running = shown + (f" and {more} more" if more > 0 else "") if steps else "no step"
        # Not click: the watchdog's thread may say this while the main one is stuck in anything.
        sys.stderr.write(
            f"\nCancelled while {running} ran; {counted(self._done, 'step')} had finished.\n"
            + (f"{self.last_words}\n" if self.last_words else "")
        )
        sys.stderr.flush()


@contextmanager
def _log_lines(level: int | None, *, outermost: bool) -> Iterator[None]:
    """Let the log of `lift_sys.execution` go to stderr for as long as this is open."""
    if level is None:
        yield
        return
    logger = logging.getLogger(LOGGER_NAME)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)-7s %(message)s"))
    if outermost:
        handler.addFilter(_is_outermost)
    earlier = logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(earlier)


def _is_outermost(record: logging.LogRecord) -> bool:
    """Whether a line is a warning, or about the outermost group or a branch of it."""
    address = str(getattr(record, "address", ""))
    depth = sum(map(address.count, "./>"))
    is_branch = depth == 1 and record.getMessage().startswith("node ")
    return record.levelno >= logging.WARNING or depth == 0 or is_branch
