"""Footprints: which step touched what, so that only orders of steps that clash are tried.

Two steps that touch nothing in common give the same result in either order. What is not seen here
is taken for untouched, so a proof holds only as far as footprints go; the watch (`watch.py`) looks
at what nobody declared.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Generic, Literal, Protocol, TypeVar

ValueT = TypeVar("ValueT")

READ, WRITE, ADD, PERMIT, RANK, SLOT, WAKE = 1, 2, 4, 8, 16, 32, 64
"""Ways of touching. Additions commute with each other; the next three are judged when the run is
over (`settling.py`): a permit of a semaphore, a place in the order in which branches end, and what
that order does to branches that wait for a slot. Waking a task clashes with cancelling it only."""

RANKS = "the order in which branches end"
"""Kept by the engine in every result; it matters only if somebody asks for it, as RACE does."""

ANYTHING = "*"
"""The resource of code that nothing is known about: it clashes with every step."""


WATCHED = "watched:"
"""What the names of watched things begin with."""


SLOTS = "the slots of the executor"
"""Who ends first makes room for who waits; it matters only if branches touch the same things."""


class Recorder(Protocol):
    """Notes what the step that runs now touches."""

    def note(self, resource: str, mode: int) -> None:
        """Add to the footprint of the running step."""
        ...

    def name_of(self, thing: object) -> str:
        """A name for `thing`, the same one throughout the run: its type, maker and number."""
        ...

    def hand_over(self, value: object, channel: str) -> None:
        """The running step gives `value` to whoever takes it out of the resource `channel`."""
        ...

    def slot(self, *, waits: bool = False) -> None:
        """The running step takes or gives back a slot of the executor, or waits for one."""
        ...

    def cut_off(self, counter: object) -> None:
        """The running step ends a group (or `TaskGroup`) before all of it has ended by itself."""
        ...

    def permit(self, resource: str, capacity: int, change: int) -> None:
        """The running step asks for, takes (1) or gives back (-1) a permit of a semaphore."""
        ...


#: Set inside of explored runs only, so that instrumented classes cost others next to nothing.
recorder: ContextVar[Recorder | None] = ContextVar("lift_sys_exploration", default=None)


def clash(one: int, other: int) -> bool:
    """Whether the order of two accesses to one resource can matter."""
    if (one | other) & (WRITE | PERMIT):
        return True
    return bool((one & READ and other & ADD) or (one & ADD and other & READ))


def touch(resource: str, mode: Literal["read", "write"] = "write") -> None:
    """Declare that the running step reads or writes something that the harness can't see.

    A row of a database, a file, an object inside a C extension: name it in any way that two steps
    which use the same thing share. Outside of an exploration it does nothing.
    """
    noting = recorder.get()
    if noting is not None:
        noting.note(f"declared:{resource}", WRITE if mode == "write" else READ)


class Shared(Generic[ValueT]):
    """A cell whose reads and writes are seen exactly; make it with `shared`."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str, value: ValueT) -> None:
        self.name = name
        self._value = value

    @property
    def value(self) -> ValueT:
        """What is in the cell. What is in a mutable value is not seen: assign a new one."""
        touch(self.name, "read")
        return self._value

    @value.setter
    def value(self, value: ValueT) -> None:
        touch(self.name, "write")
        self._value = value


def shared(name: str, value: ValueT) -> Shared[ValueT]:
    """Make a cell for tasks to share, named `name` in reports.

    Make it anew for each run (inside the target, or in the factory of the state): a cell that is
    kept carries its value from one run into the next.
    """
    return Shared(name, value)
