"""Every schedule with at most so many deviations from a plain run, depth first.

Without a bound it is every schedule there is, which needs no knowledge of what steps touch, and is
over soon for the smallest programs only.
"""

from __future__ import annotations

from collections.abc import Sequence

from lift_sys.determinism.exploration.entries import Entry
from lift_sys.determinism.exploration.trace import Trace


class BoundedSearch:
    """Says which run is next.

    Args:
        most: Most choices of one schedule that are not the first option.

    Attributes:
        finished: Whether all such schedules were run.
        was_cut: Whether there are schedules with more deviations.
    """

    def __init__(self, most: int) -> None:
        self.finished = False
        self.was_cut = False
        self._most = most
        self._prefix: list[int] = []
        self._number = 0

    def begin(self, trace: Trace) -> None:
        """The next run starts."""
        self._number = 0

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """Follow the prefix, then take first options."""
        number = self._number
        self._number += 1
        # A shorter list than before would be a divergence; whoever compares outcomes sees it.
        return min(self._prefix[number], len(options) - 1) if number < len(self._prefix) else 0

    def learn(self, trace: Trace) -> None:
        """Take in the run, and find the next one."""
        choices = list(trace.choices)
        deviations = sum(1 for index, _ in choices if index)
        while choices:
            index, count = choices.pop()
            deviations -= bool(index)
            if index + 1 >= count:
                continue
            if deviations >= self._most:
                self.was_cut = True
                continue
            self._prefix = [taken for taken, _ in choices] + [index + 1]
            return
        self.finished = True
