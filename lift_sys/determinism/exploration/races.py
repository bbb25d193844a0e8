"""Which events of a run had to come after which, and which pairs could have come the other way.

An event happens after the one before it in its process, after what caused it, and after earlier
events that it clashes with. A race is a clash that nothing but the clash itself puts in order.
Masks hold one bit for each event.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lift_sys.determinism.exploration.footprint import ANYTHING, WATCHED, WRITE, clash
from lift_sys.determinism.exploration.trace import Event, bits


class Race(NamedTuple):
    """Events `earlier` and `later` (places in the run) that could change places."""

    earlier: int
    later: int


class Order:
    """What happened after what in one run.

    Attributes:
        before: For each event the mask of all events that had to come before it.
        races: The pairs that could have come the other way, in order of the later event.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self.before: list[int] = []
        self.races: list[Race] = []
        last: dict[str, int] = {}
        accesses: dict[str, list[tuple[int, int]]] = {}
        unknown: list[int] = []
        for place, event in enumerate(events):
            before = self._closed(event.causes, last.get(event.process))
            for earlier in _clashing(place, event, accesses, unknown):
                if before >> earlier & 1:
                    continue
                self.races.append(Race(earlier, place))
                before |= self.before[earlier] | 1 << earlier
            self.before.append(before)
            last[event.process] = place
            for resource, mode in event.footprint.items():
                accesses.setdefault(resource, []).append((place, mode))
            if ANYTHING in event.footprint:
                unknown.append(place)

    def _closed(self, causes: int, previous: int | None) -> int:
        if previous is not None:
            causes |= 1 << previous
        before = causes
        for cause in bits(causes):
            before |= self.before[cause]
        return before

    def reversing(self, race: Race) -> list[int]:
        """Events that can run instead of `race.earlier`, to let `race.later` come first."""
        first, last = race
        middle = [place for place in range(first + 1, last) if not self.before[place] >> first & 1]
        return [*middle, last]

    def initials(self, places: Sequence[int]) -> list[str]:
        """Processes whose first event among `places` needs no other one of them."""
        found: list[str] = []
        seen: set[str] = set()
        earlier = 0
        for place in places:
            process = self.events[place].process
            if process not in seen:
                seen.add(process)
                if not self.before[place] & earlier:
                    found.append(process)
            earlier |= 1 << place
        return found


def _clashing(
    place: int,
    event: Event,
    accesses: dict[str, list[tuple[int, int]]],
    unknown: Sequence[int],
) -> list[int]:
    """Earlier events that `event` clashes with, latest first."""
    if ANYTHING in event.footprint:
        return list(range(place - 1, -1, -1))
    found = set(unknown)
    for resource, mode in event.footprint.items():
        for earlier, other in accesses.get(resource, ()):
            if clash(mode, other):
                found.add(earlier)
    return sorted(found, reverse=True)


def clash_of(one: Event, other: Event) -> bool:
    """Whether the order of two events can matter.

    Who reads what is watched is only known when a run is over; until then a write clashes with all.
    """
    first, second = one.footprint, other.footprint
    if ANYTHING in first or ANYTHING in second:
        return True
    for resource, mode in first.items():
        if resource in second and clash(mode, second[resource]):
            return True
    return any(
        mode & WRITE and resource.startswith(WATCHED)
        for footprint in (first, second)
        for resource, mode in footprint.items()
    )
