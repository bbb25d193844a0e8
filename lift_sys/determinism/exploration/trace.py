"""What a controlled run leaves behind: its events, the choices made, and what it came to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal, NamedTuple, TypeAlias

#: Which choices there are, see `ControlledLoop`.
Space: TypeAlias = Literal["completions", "ready"]


class Kind(IntEnum):
    """What an entry of the queue, or an event, is."""

    STEP = 0
    """A task runs up to its next await."""
    QUIET = 1
    """A callback of asyncio or the engine that only counts and wakes."""
    CALLBACK = 2
    """Any other callback."""
    SLEEP = 3
    """A sleep ends."""
    JOB = 4
    """A function that was given to a thread runs."""
    OUTSIDE = 5
    """An answer from outside arrives (`recorded.py`)."""
    DEADLINE = 6
    """A timer fires, because nothing else can go on."""
    TURN = 7
    """Everything that is ready runs, in its order: one round of a plain event loop."""


class StepName(NamedTuple):
    """The `number`th step (from 1) of a process; processes are named independently of order."""

    process: str
    number: int

    def __str__(self) -> str:
        return f"{self.process}#{self.number}"


class Gift(NamedTuple):
    """The event at `place` handed over `resource`, for whoever looks into `channel`."""

    resource: str
    channel: str
    place: int


class Event:
    """Something ran. One object for each step of each run, hence no dataclass.

    Attributes:
        process: The task (or callback, or job) that ran.
        number: How many events its process has had, this one included.
        kind: What it is.
        causes: Events without which it could not have run, as bits.
        footprint: What it touched, and how.
        options: Processes that could have run instead, where they were recorded.
        woken: For the step of a task, whether a completion is what it was waiting for.
        line: For the step of a task, where it begins, where that was recorded.
    """

    __slots__ = ("causes", "footprint", "kind", "line", "number", "options", "process", "woken")

    def __init__(self, process: str, number: int, kind: Kind, causes: int) -> None:
        self.process = process
        self.number = number
        self.kind = kind
        self.causes = causes
        self.footprint: dict[str, int] = {}
        self.options: tuple[str, ...] = ()
        self.woken = False
        self.line = ""

    @property
    def name(self) -> StepName:
        """How constraints call it."""
        return StepName(self.process, self.number)

    def __repr__(self) -> str:
        return f"<{self.name} {self.kind.name}>"


@dataclass(slots=True, kw_only=True)
class Trace:
    """One run.

    Attributes:
        space: The space that its choices were made in.
        outcome: What it came to.
        events: What ran, in order.
        length: How many of the events belong to the run; the rest ran after its end, to see what
            they would have clashed with.
        choices: At each point with several options, the index taken and how many there were.
        owners: For each watched thing that was written, the processes that can reach it; None
            means all.
        gifts: What was handed over by queues, futures and results of tasks.
        contended: Whether a branch had to wait for a slot of the executor.
        capacities: How many permits each semaphore had, by resource.
        caveats: What happened that no proof can cover.
        notes: What was said on the way, such as asyncio's complaints.
        refused: What the program asked for that can't be controlled; "" if nothing.
    """

    space: Space
    outcome: Any = None
    events: list[Event] = field(default_factory=list)
    length: int = 0
    choices: list[tuple[int, int]] = field(default_factory=list)
    owners: dict[str, frozenset[str] | None] = field(default_factory=dict)
    gifts: list[Gift] = field(default_factory=list)
    contended: bool = False
    capacities: dict[str, int] = field(default_factory=dict)
    caveats: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    refused: str = ""

    @property
    def hash(self) -> str:
        """Eight hexadecimal digits of who ran in which order."""
        return hash_of(event.process for event in self.events[: self.length])

    @property
    def deviations(self) -> dict[int, int]:
        """The choices that were not the first option, by number of the choice."""
        return {number: index for number, (index, _) in enumerate(self.choices) if index}


def hash_of(processes: Iterable[str]) -> str:
    """The hash of a run in which these processes had their turns in this order."""
    return hashlib.blake2b("\n".join(processes).encode(), digest_size=4).hexdigest()


def bits(mask: int) -> Sequence[int]:
    """The places of the ones in `mask`, lowest first."""
    places = []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places
