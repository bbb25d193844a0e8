"""Ordering constraints over a plain run: what a counter-example is told by, and how it is shrunk.

"Step 11 of 0.1 before step 5 of 0.0, otherwise first in, first out" is stable under edits that a
list of choices is not, and it is the explanation itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from lift_sys.determinism.exploration.entries import Entry
from lift_sys.determinism.exploration.races import clash_of
from lift_sys.determinism.exploration.samplers import owner_of
from lift_sys.determinism.exploration.trace import Event, Kind, StepName, Trace

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Constraint:
    """One step comes before another, which it does not in a plain run.

    Attributes:
        first: The step that comes first.
        then: The step that is held until then.
        lines: Where the two steps begin, in the user's code, as `file.py:12`; "" if not known.
    """

    first: StepName
    then: StepName
    lines: tuple[str, str] = field(default=("", ""), compare=False)

    def __str__(self) -> str:
        places = [f" ({line})" if line else "" for line in self.lines]
        return f"{self.first}{places[0]} < {self.then}{places[1]}"


class Held:
    """First in, first out, but a step is held until those that must precede it have run."""

    def __init__(self, constraints: Iterable[Constraint]) -> None:
        self._before: dict[StepName, set[StepName]] = {}
        for constraint in constraints:
            self._before.setdefault(constraint.then, set()).add(constraint.first)
        self._left: dict[StepName, set[StepName]] = {}
        self._counts: dict[str, int] = {}
        self._seen = 0
        self._trace: Trace | None = None

    def begin(self, trace: Trace) -> None:
        """All constraints are open."""
        self._trace = trace
        self._seen = 0
        self._counts = {}
        self._left = {then: set(first) for then, first in self._before.items()}

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """The first option that is not held; the first of all if all are."""
        assert self._trace is not None
        events = self._trace.events
        for event in events[self._seen :]:
            self._counts[event.process] = event.number
            for waiting in self._left.values():
                waiting.discard(event.name)
        self._seen = len(events)
        for index, option in enumerate(options):
            entries = ready if option.kind is Kind.TURN else [option]
            if not any(map(self._is_held, entries)):
                return index
        return 0

    def _is_held(self, entry: Entry) -> bool:
        # The end of a sleep is an event of its own in one space, and the task's step in the other.
        names = [entry.process]
        if entry.kind is Kind.SLEEP:
            names.append(f"{entry.process}~")
        return any(
            bool(self._left.get(StepName(name, self._counts.get(name, 0) + 1))) for name in names
        )


def inversions(plain: Trace, other: Trace) -> list[Constraint]:
    """The orders of clashing steps that are another in `other` than in `plain`, earliest first.

    Where no clash is known, which is so for what nobody instrumented, all orders that differ.
    """
    places = {event.name: place for place, event in enumerate(plain.events[: plain.length])}
    common = [event for event in other.events[: other.length] if event.name in places]
    clashing: list[Constraint] = []
    every: list[Constraint] = []
    for at, event in enumerate(common):
        for earlier in common[:at]:
            if earlier.process == event.process or places[earlier.name] < places[event.name]:
                continue
            constraint = Constraint(earlier.name, event.name)
            every.append(constraint)
            if _may_clash(earlier, event):
                clashing.append(constraint)
    every = [constraint for constraint in every if constraint not in clashing]
    for constraints in (clashing, every):  # steps of tasks say more than ends of sleeps do
        constraints.sort(key=lambda each: not (_is_step(each.first) and _is_step(each.then)))
    return clashing + every if len(every) < _MOST_PAIRS else clashing


_MOST_PAIRS = 400


def _is_step(name: StepName) -> bool:
    return owner_of(name.process) == name.process


def _may_clash(one: Event, other: Event) -> bool:
    if one.kind is Kind.SLEEP or other.kind is Kind.SLEEP:
        return False  # it only wakes a task, whose step is what clashes
    return clash_of(one, other)


def minimal(items: Sequence[ItemT], fails: Callable[[Sequence[ItemT]], bool]) -> list[ItemT]:
    """A subset of `items` that still fails, and from which nothing can be left out.

    A. Zeller and R. Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 28
    (2002): ddmin, with the items in halves, quarters and so on.

    Args:
        items: A set that fails.
        fails: Whether a subset does.
    """
    left = list(items)
    parts = 2
    while len(left) >= 2:
        size = -(-len(left) // parts)
        chunks = [left[at : at + size] for at in range(0, len(left), size)]
        for at, chunk in enumerate(chunks):
            rest = [item for other in chunks[:at] + chunks[at + 1 :] for item in other]
            if fails(chunk):
                left, parts = chunk, 2
                break
            if len(chunks) > 2 and fails(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts >= len(left):
                return left
            parts = min(2 * parts, len(left))
    if len(left) == 1 and fails([]):
        return []
    return left
