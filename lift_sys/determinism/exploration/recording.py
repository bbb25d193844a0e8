"""Taking down a run while it happens: who runs, what caused it, what it touches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from lift_sys.determinism.exploration.footprint import PERMIT, SLOT, SLOTS, WRITE
from lift_sys.determinism.exploration.trace import Event, Gift, Kind, Trace


class Watch(Protocol):
    """Sees writes to what nobody declared (`watch.py`)."""

    def look(self) -> list[str]:
        """Names of what has changed since the last look."""
        ...

    def meet(self, coro: Any, process: str, maker: str) -> None:
        """Take notice of what the coroutine of a new task can reach."""
        ...

    def hand_over(self, value: Any, giver: str) -> Iterable[str]:
        """Take notice of what leaves the task that made it; names of what may be shared by that."""
        ...

    def owners(self) -> dict[str, frozenset[str] | None]:
        """For what was written, the processes that can reach it by themselves; None means all."""
        ...


class Recording:
    """The trace of a run in the making; the `Recorder` of its footprints.

    Attributes:
        trace: What there is so far.
        process: Who runs now; "" before the first event.
        causes: The events that cause whatever is queued now, as bits.
        cut: Whether branches were cut off, so that not all shows that they would have touched.
        event: The running event.
        muted: Whether footprints are not taken now: of bookkeeping, and after the end.
        watch: Looks at what nobody declared; None does not look.
    """

    __slots__ = (
        "_children",
        "_counts",
        "_held",
        "_most",
        "_names",
        "causes",
        "cut",
        "event",
        "muted",
        "process",
        "trace",
        "watch",
    )

    def __init__(self, trace: Trace, watch: Watch | None = None) -> None:
        self.trace = trace
        self.watch = watch
        self.process = ""
        self.causes = 0
        self.cut = False
        self.event = Event("", 0, Kind.STEP, 0)  # takes what happens before the first one
        self.muted = False
        self._counts: dict[str, int] = {}
        self._children: dict[tuple[str, str], int] = {}
        self._names: dict[int, tuple[str, object]] = {}
        self._held: dict[tuple[str, str], int] = {}
        self._most: dict[str, dict[str, int]] = {}

    def begin(self, process: str, kind: Kind, causes: int) -> Event:
        """An event starts."""
        number = self._counts[process] = self._counts.get(process, 0) + 1
        event = self.event = Event(process, number, kind, causes)
        self.process = process
        self.causes = 1 << len(self.trace.events)
        self.trace.events.append(event)
        return event

    def end(self) -> None:
        """The running event ends."""
        if self.watch is not None and not self.muted:
            for resource in self.watch.look():
                self.note(resource, WRITE)

    def ordinal(self, what: str) -> int:
        """A number for the next `what` that the running process makes, from 0."""
        key = (self.process, what)
        number = self._children.get(key, 0)
        self._children[key] = number + 1
        return number

    def note(self, resource: str, mode: int) -> None:
        """Add to the footprint of the running event."""
        if not self.muted:
            footprint = self.event.footprint
            footprint[resource] = footprint.get(resource, 0) | mode

    def mark(self, resource: str, mode: int) -> None:
        """As `note`, also of what is muted: what the loop and the engine do by themselves."""
        footprint = self.event.footprint
        footprint[resource] = footprint.get(resource, 0) | mode

    def cut_off(self, counter: object) -> None:
        """The running step ends a group before all of it has ended by itself.

        It clashes with whoever has: cut off in time, they would not have done their last step.
        """
        if not self.muted:
            self.cut = True
            self.note(self.ends_of(counter), WRITE)

    def ends_of(self, counter: object) -> str:
        """The resource that those touch who end in `counter`, and who cuts them off."""
        return f"ends of {self.name_of(counter)}"

    def name_of(self, thing: object) -> str:
        """A name for `thing` in this run: its type, who made (or first used) it, and a number."""
        known = self._names.get(id(thing))
        if known is None:
            kind = type(thing).__name__
            name = f"{kind}@{self.process or 'outside'}.{self.ordinal(kind)}"
            known = self._names[id(thing)] = (name, thing)  # kept, so that no id comes twice
        return known[0]

    def permit(self, resource: str, capacity: int, change: int) -> None:
        """The running process asks for a permit (`change` 0), takes it (1), or gives it back (-1).

        `capacity` is how many there were when it was first used.
        """
        self.note(resource, PERMIT)
        if self.muted:
            return
        self.trace.capacities.setdefault(resource, capacity)
        key = (resource, self.process)
        held = self._held[key] = self._held.get(key, 0) + change
        most = self._most.setdefault(resource, {})
        # Who asks wants one more, and may never get it. Who gives back what another took makes any
        # number of holders possible.
        wanted = held + (change == 0) if held >= 0 else capacity + 1
        most[self.process] = max(most.get(self.process, 0), wanted)

    def slot(self, *, waits: bool = False) -> None:
        """The running step takes or gives back a slot of the executor, or waits for one."""
        self.mark(SLOTS, SLOT)  # also of what is muted: it is no touch of the step's own
        self.trace.contended = self.trace.contended or waits

    def hand_over(self, value: Any, channel: str) -> None:
        """The running step gives `value` to whoever takes it out of the resource `channel`."""
        if self.watch is not None and not self.muted:
            given = self.watch.hand_over(value, self.process)
            place = len(self.trace.events) - 1
            self.trace.gifts += [Gift(resource, channel, place) for resource in given]

    def idle_semaphores(self) -> set[str]:
        """Semaphores on which nobody could ever have waited, in whatever order these steps ran.

        That is so if all users together never want more permits than there are.
        """
        return {
            resource
            for resource, capacity in self.trace.capacities.items()
            if sum(self._most[resource].values()) <= capacity
        }
