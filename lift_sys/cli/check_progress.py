"""How far a check is: a counter that redraws itself on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys

from lift_sys.execution.log import counted

# Lines that a whole check writes where nothing can be redrawn.
_LINES = 5


class Counter:
    """Told after each repeat; shows repeats and outcomes on stderr.

    Args:
        runs: How many repeats there may be.
        quiet: Show nothing.
    """

    def __init__(self, runs: int, *, quiet: bool) -> None:
        self.runs = runs
        self.quiet = quiet
        self.redraws = not quiet and sys.stderr.isatty()
        self.done = 0
        self.outcomes = 0
        self._open = False
        self._said = False

    def __call__(self, done: int, outcomes: int) -> None:
        """Take one repeat."""
        self.done, is_news = done, outcomes != self.outcomes
        self.outcomes = outcomes
        if self.quiet:
            return
        text = f"{done}/{self.runs} runs, {counted(outcomes, 'outcome')}"
        if self.redraws:
            self._open = True
            sys.stderr.write(f"\r\x1b[2K{text}")
        elif done == self.runs or done * _LINES // self.runs > (done - 1) * _LINES // self.runs:
            sys.stderr.write(f"{text}\n")
        elif is_news and 1 < outcomes <= 3:
            sys.stderr.write(f"{text}: a run differs\n")
        sys.stderr.flush()

    def stage(self, what: str, done: int, most: int) -> None:
        """Take one run of what comes after the repeats.

        Args:
            what: "schedules" or "runs for causes".
            done: How many are done.
            most: How many there may be.
        """
        if self.quiet:
            return
        # On a terminal a hundred pictures of one stage will do, and elsewhere a line.
        if self.redraws and (done - 1) % max(1, most // 100) == 0:
            self._open = True
            sys.stderr.write(f"\r\x1b[2K{done} of up to {most} {what}")
        elif not self.redraws and done == 1:
            sys.stderr.write(f"up to {most} {what}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Give the terminal's line back; twice is no error."""
        if self._open:
            self._open = False
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()

    def cancelled(self) -> None:
        """Say how far it came; at the first Ctrl-C."""
        self.close()
        if not self._said:
            self._said = True
            sys.stderr.write(f"\nCancelled after {counted(self.done, 'run')} of {self.runs}.\n")
            sys.stderr.flush()
