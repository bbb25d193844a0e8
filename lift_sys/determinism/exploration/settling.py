"""The end of a run: what was touched conditionally is judged, now that all of it is known.

A semaphore on which nobody could have waited, an order of ends that nobody asks for, a queue for
slots among branches that have nothing in common: none of them has a part in the result, so none may
multiply schedules. Before editing: what is dropped here is never tried in another order; compare
with exhaustive search (`tests/determinism/random_graphs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lift_sys.determinism.exploration.footprint import (
    PERMIT,
    RANKS,
    READ,
    SLOTS,
    WAKE,
    WRITE,
    clash,
)
from lift_sys.determinism.exploration.recording import Recording
from lift_sys.determinism.exploration.trace import Event, Gift

# What the engine and the loop do by themselves; on these, steps of all tasks meet.
_OWN = frozenset({SLOTS, RANKS, "callbacks"})


def settle(recording: Recording) -> None:
    """Turn conditional touches into writes or nothing, and add reads of what was watched."""
    trace = recording.trace
    idle = recording.idle_semaphores()
    owners = trace.owners
    asked = any(event.footprint.get(RANKS, 0) & READ for event in trace.events)
    for event in trace.events:
        footprint = event.footprint
        if RANKS in footprint:
            footprint[RANKS] = WRITE if asked else 0
        if trace.capacities:
            for resource, mode in list(footprint.items()):
                if mode & PERMIT:
                    footprint[resource] = (mode & ~PERMIT) | (0 if resource in idle else WRITE)
        for resource, reachable in owners.items():
            if reachable is None or event.process in reachable:
                footprint[resource] = footprint.get(resource, 0) | READ
    for gift in trace.gifts:
        if gift.resource in owners:
            for event in _takers(trace.events, gift):
                event.footprint[gift.resource] = event.footprint.get(gift.resource, 0) | READ
    # Of branches that were cut off nobody knows yet what they would have touched.
    matters = trace.contended and (recording.cut or _branches_meet(trace.events))
    for event in trace.events:
        if SLOTS in event.footprint:
            event.footprint[SLOTS] = WRITE if matters else 0


def _takers(events: Sequence[Event], gift: Gift) -> Iterator[Event]:
    """The events that may have what was handed over: after looking, being woken, or from these."""
    mask = 1 << gift.place
    having = {events[gift.place].process}
    for place in range(gift.place + 1, len(events)):
        event = events[place]
        looks = gift.channel in event.footprint
        if looks or event.causes & mask or event.process in having:
            mask |= 1 << place
            having.add(event.process)
            yield event


def _branches_meet(events: Sequence[Event]) -> bool:
    """Whether steps of two branches touch one thing, in ways whose order can matter."""
    modes: dict[str, dict[str, int]] = {}
    for event in events:
        branch = branch_of(event.process)
        for resource, mode in event.footprint.items():
            mode &= ~WAKE
            if mode and resource not in _OWN:
                users = modes.setdefault(resource, {})
                users[branch] = users.get(branch, 0) | mode
    for users in modes.values():
        seen = list(users.values())
        if any(clash(one, two) for at, one in enumerate(seen) for two in seen[:at]):
            return True
    return False


def branch_of(process: str) -> str:
    """The branch that a process belongs to: `0.1:Node` of its task `0.1:Node.2` and `0.1:Node~`."""
    address, colon, rest = process.partition(":")
    for mark in ".~!":
        rest = rest.partition(mark)[0]
        if not colon:
            address = address.partition(mark)[0]
    return f"{address}{colon}{rest}"
