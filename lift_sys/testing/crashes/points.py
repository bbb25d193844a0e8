"""Where a run is killed, as a text that repeats just that one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from lift_sys.errors import UsageError

_AT_CALL = re.compile(r"(before|after) commit (\d+)")
_AT_TIME = re.compile(r"after (\d+(?:\.\d+)? ms(?:, \d+(?:\.\d+)? ms)*)")


@dataclass(frozen=True, slots=True)
class Point:
    """One or more crashes of one run.

    Attributes:
        side: Whether the process ends before a write to the store or after it; None for a time.
        call: Which write, from 1.
        delays: Milliseconds after which one process after the other is killed.
    """

    side: Literal["before", "after"] | None = None
    call: int = 0
    delays: tuple[float, ...] = ()

    def __str__(self) -> str:
        if self.side is not None:
            return f"{self.side} commit {self.call}"
        return f"after {', '.join(f'{delay:.3f} ms' for delay in self.delays)}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """The point that `str` has written so.

        Raises:
            UsageError: It is none.
        """
        if found := _AT_CALL.fullmatch(text):
            side: Literal["before", "after"] = "before" if found[1] == "before" else "after"
            return cls(side=side, call=int(found[2]))
        if found := _AT_TIME.fullmatch(text):
            return cls(
                delays=tuple(float(part.removesuffix(" ms")) for part in found[1].split(", "))
            )
        raise UsageError(
            f"`at` is a place such as 'before commit 3' or 'after 12.500 ms', not {text!r}."
        )


def points(*, calls: int, seconds: float, instants: int, seed: int) -> Iterator[Point]:
    """All places for a run that writes `calls` times and takes `seconds`.

    Every other one of the instants kills the process that goes on, too.
    """
    for call in range(1, calls + 1):
        yield Point(side="before", call=call)
        yield Point(side="after", call=call)
    for number in range(instants):
        random = Random(f"{seed}:{number}")
        delays = [random.uniform(0, seconds * 1000) for _ in range(1 + number % 2)]
        yield Point(delays=tuple(round(delay, 3) for delay in delays))
