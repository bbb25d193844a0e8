"""One measured figure, and how several ways of doing the same are timed fairly.

Times are CPU time of this process, the least of many rounds, with the ways taking turns in the same
round: other work on the machine then slows all down alike, and the least is the least disturbed. The
garbage collector stays on for every way, as it is in use.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure and its goal.

    Attributes:
        name: What was measured.
        value: The figure, mostly a ratio to bare asyncio or to `copy.deepcopy` in the same run.
        unit: What it counts.
        goal: What it must not exceed; None if it is shown for comparison only.
        at_least: The goal is what it must reach instead.
        note: The two sides in absolute terms, or what is compared.
    """

    name: str
    value: float
    unit: str = "x"
    goal: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the goal is met; true where there is none."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.at_least else self.value <= self.goal


async def least_cpu(ways: Sequence[Callable[[], Awaitable[object]]], *, rounds: int) -> list[float]:
    """CPU seconds of each way, the least of `rounds`, in turns; one round before does not count."""
    best = [float("inf")] * len(ways)
    for turn in range(rounds + 1):
        for index, way in enumerate(ways):
            started = time.process_time()
            await way()
            spent = time.process_time() - started
            if turn:
                best[index] = min(best[index], spent)
    return best


def least_cpu_of(ways: Sequence[Callable[[], object]], *, rounds: int) -> list[float]:
    """As `least_cpu`, for plain functions."""
    best = [float("inf")] * len(ways)
    for turn in range(rounds + 1):
        for index, way in enumerate(ways):
            started = time.process_time()
            way()
            spent = time.process_time() - started
            if turn:
                best[index] = min(best[index], spent)
    return best
