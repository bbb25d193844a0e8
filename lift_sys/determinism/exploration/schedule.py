"""Schedules as text, `ls1:<space>:<choice=index,...>#<hash>`, and running one again.

Choices that are not named take the first option. The hash is of the target's name and of who ran
in which order, so that a schedule of another graph, or of code that has changed, is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from lift_sys.determinism.exploration.entries import Entry
from lift_sys.determinism.exploration.trace import Space, Trace, hash_of
from lift_sys.errors import ScheduleError
from lift_sys.execution.log import counted

_FORM = re.compile(
    r"ls(?P<version>\d+):(?P<space>[a-z]+):(?P<choices>[\d=,]*)#(?P<hash>[0-9a-f]{8})"
)
_CHOICE = re.compile(r"(\d+)=(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule of one target.

    Attributes:
        space: The space that its choices are made in.
        choices: The index taken, by number of the choice (from 0), where it is not 0.
        hash: Of the run that it makes.
    """

    space: Space = "completions"
    choices: Mapping[int, int] = field(default_factory=dict)
    hash: str = ""

    def __str__(self) -> str:
        choices = ",".join(f"{number}={index}" for number, index in sorted(self.choices.items()))
        return f"ls1:{self.space}:{choices}#{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read a schedule string.

        Raises:
            ScheduleError: It is none, or one of a later version.
        """
        found = _FORM.fullmatch(str(text).strip())
        if found is None:
            raise ScheduleError(
                schedule=str(text), reason="it is not of the form `ls1:space:choice=index,...#hash`"
            )
        if found["version"] != "1":
            raise ScheduleError(
                schedule=text, reason=f"its form is version {found['version']}, this one reads 1"
            )
        if found["space"] not in get_args(Space):
            known = " or ".join(get_args(Space))
            raise ScheduleError(schedule=text, reason=f"its space is not {known}")
        choices = {}
        for part in filter(None, found["choices"].split(",")):
            choice = _CHOICE.fullmatch(part)
            if choice is None:
                raise ScheduleError(schedule=text, reason=f"{part!r} is no choice")
            choices[int(choice[1])] = int(choice[2])
        return cls(space=found["space"], choices=choices, hash=found["hash"])  # type: ignore[arg-type]

    @classmethod
    def of(cls, trace: Trace, *, name: str) -> Schedule:
        """The schedule that makes the run `trace` of the target called `name`."""
        return cls(space=trace.space, choices=trace.deviations, hash=run_hash(trace, name=name))


def run_hash(trace: Trace, *, name: str) -> str:
    """The hash of a run of the target called `name`."""
    return hash_of([name, *(event.process for event in trace.events[: trace.length])])


class Replay:
    """Follows a schedule.

    Args:
        schedule: What to follow.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._number = 0

    def begin(self, trace: Trace) -> None:
        """From the first choice."""
        self._number = 0

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """What the schedule says.

        Raises:
            ScheduleError: There is no such option.
        """
        number = self._number
        self._number += 1
        index = self.schedule.choices.get(number, 0)
        if index >= len(options):
            raise ScheduleError(
                schedule=str(self.schedule),
                reason=f"choice {number} takes option {index}, but there are {len(options)} here",
            )
        return index

    def check(self, trace: Trace, *, name: str) -> None:
        """Refuse a finished run that is not the schedule's own.

        Raises:
            ScheduleError: Other tasks ran, or in another order.
        """
        beyond = [number for number in self.schedule.choices if number >= self._number]
        if beyond:
            raise ScheduleError(
                schedule=str(self.schedule),
                reason=(
                    f"it makes choice {min(beyond)}, counted from 0, but the run had "
                    f"{counted(self._number, 'choice')}"
                ),
            )
        if run_hash(trace, name=name) != self.schedule.hash:
            raise ScheduleError(
                schedule=str(self.schedule),
                reason=f"{name} ran other steps under it, or in another order",
            )
