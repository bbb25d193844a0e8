"""Hypothesis strategies for states: typed values of every kind, models, aliases and cycles.

`values()` draws from a small domain on purpose: two draws are often equal, or differ in nothing but
a type, which is where comparing, copying and merging go wrong. `wide_values()` draws from all of
each type. `graphs()` draws values that share containers and contain themselves;
rebuilt.py makes equal values out of given ones.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from fractions import Fraction
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr

T = TypeVar("T")


class Colour(Enum):
    RED = 1
    ROUGE = 1  # another name of the same member
    BLUE = 2


class Level(IntEnum):
    LOW = 0
    HIGH = 1


class Shade(StrEnum):
    DARK = "a"


class Access(Flag):
    READ = 1
    WRITE = 2


class Text(str):
    """A subclass of str: another type."""


class Number(int):
    """A subclass of int: another type."""


class Items(list):
    """A subclass of list: another type."""


class Table(dict):
    """A subclass of dict: another type."""


class Names(set):
    """A subclass of set: another type."""


class Note(BaseModel):
    text: Any = ""
    rank: Any = 0


class LongNote(Note):
    body: Any = None


class Box(BaseModel, Generic[T]):
    item: T


class Holder(BaseModel):
    """A field typed by the base class, which may hold the subclass."""

    note: Note
    notes: list[Note] = []
    index: dict[str, Any] = {}


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    text: Any = ""


class Secretive(BaseModel):
    text: Any = ""
    _hidden: Any = PrivateAttr(default=None)

    @classmethod
    def having(cls, text: Any, hidden: Any) -> Secretive:
        secretive = cls(text=text)
        secretive._hidden = hidden
        return secretive

    @cached_property
    def computed(self) -> tuple[str, Any]:
        return "computed", self.text


class Link(BaseModel):
    """A model that can be part of a cycle."""

    items: list[Any] = []


@dataclass
class Point:
    x: Any
    y: Any = 0


@dataclass(frozen=True, slots=True)
class Slotted:
    x: Any
    y: Any = 0


class Pair(NamedTuple):
    left: Any
    right: Any


class Plain:
    """A class without any of Python's data machinery."""

    def __init__(self, x: Any) -> None:
        self.x = x


CONFUSABLE: tuple[Any, ...] = (
    *(None, False, True, 0, 1, -1, 0.0, -0.0, 1.0, math.nan, math.inf, 0j, complex(-0.0, 0)),
    *(1 << 64, (1 << 64) + 1, -(1 << 64), "", "0", "1", "a", "None", b"", b"0", b"a", "\ud800"),
    *(Decimal(0), Decimal("0.0"), Decimal("-0"), Decimal(1), Decimal("NaN"), Decimal("1E+1")),
    *(Fraction(1), Fraction(1, 2), range(0), range(1, 1), UUID(int=0), PurePosixPath("a")),
    *(Colour.RED, Colour.BLUE, Level.LOW, Level.HIGH, Shade.DARK, Access.READ),
    *(Access.READ | Access.WRITE, Text("a"), Number(1), timedelta(0), timedelta(days=1)),
    *(date(2024, 1, 1), time(0), time(0, tzinfo=timezone.utc)),  # noqa: UP017
    datetime(2024, 1, 1),
    datetime(2024, 1, 1, tzinfo=timezone.utc),  # noqa: UP017
    datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC")),
    datetime(2024, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris")),
    datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Paris"), fold=1),
    *(int, bool, Note, Box[int], len, math.floor, ...),
)
"""Leaves that differ as typed values although many are equal, or look alike, to Python."""


def leaves() -> st.SearchStrategy[Any]:
    """Immutable values of a small domain in which everything resembles something else."""
    return st.sampled_from(CONFUSABLE)


def wide_leaves() -> st.SearchStrategy[Any]:
    """Immutable values, each from the whole range of its type."""
    zones = st.one_of(st.none(), st.timezones())
    return st.one_of(
        leaves(),
        st.integers(),
        st.floats(),
        st.complex_numbers(),
        st.text(st.characters(), max_size=8),
        st.binary(max_size=8),
        st.decimals(),
        st.fractions(),
        st.dates(),
        st.times(timezones=zones),
        st.datetimes(timezones=zones),
        st.timedeltas(),
        st.uuids(),
    )


def containers_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One container of any kind, with values of `inner` in it."""
    keys = leaves()
    few = st.lists(inner, max_size=3)
    dicts = st.dictionaries(keys, inner, max_size=3)
    sets = st.lists(keys, max_size=3)
    names = st.sampled_from(["a", "b", "rank"])
    return _briefly_named(
        few,
        few.map(tuple),
        few.map(deque),
        few.map(Items),
        dicts,
        dicts.map(OrderedDict),
        dicts.map(Table),
        dicts.map(lambda items: defaultdict(list, items)),
        sets.map(set),
        sets.map(frozenset),
        sets.map(Names),
        st.dictionaries(keys, st.integers(0, 2), max_size=3).map(Counter),
        st.builds(Pair, inner, inner),
        st.builds(Point, inner, inner),
        st.builds(Slotted, inner, inner),
        st.builds(Plain, inner),
        st.binary(max_size=2).map(bytearray),
        models_of(inner),
        st.dictionaries(names, inner, max_size=2).map(lambda extra: Open(**extra)),
    )


def models_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[BaseModel]:
    """A pydantic model with values of `inner` in its fields and private attributes."""
    notes = st.one_of(st.builds(Note, text=inner), st.builds(LongNote, text=inner, body=inner))
    return _briefly_named(
        notes,
        st.builds(Holder, note=notes, notes=st.lists(notes, max_size=2)),
        st.builds(Box[Any], item=inner),
        st.builds(Box[int], item=st.integers(0, 1)),
        st.builds(Box[bool], item=st.booleans()),
        st.builds(Secretive.having, inner, inner),
        st.just(Box[Any].model_construct()),  # lacks its field
        inner.map(lambda value: LongNote.model_construct(body=value)),
    )


def _briefly_named(*choices: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of the choices, without repeating them in its repr, which would double at each level."""

    @st.composite
    def container(draw: st.DrawFn) -> Any:
        return draw(st.one_of(*choices))

    return container()


def values(max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Typed values without cycles, from a small domain: draws are often equal, or nearly."""
    return st.recursive(leaves(), containers_of, max_leaves=max_leaves)


def wide_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Typed values without cycles, their leaves from the whole range of each type."""
    return st.recursive(wide_leaves(), containers_of, max_leaves=max_leaves)


def models(max_leaves: int = 6) -> st.SearchStrategy[BaseModel]:
    """States: pydantic models that hold typed values of any kind."""
    return models_of(values(max_leaves))


@st.composite
def graphs(draw: st.DrawFn, max_size: int = 4) -> Any:
    """A list, dict or model that may share its parts and contain itself, many times over."""
    kinds: list[Callable[[], Any]] = [list, dict, Link]
    nodes = [draw(st.sampled_from(kinds))() for _ in range(draw(st.integers(1, max_size)))]
    children = st.one_of(st.sampled_from(nodes), st.sampled_from([0, 1]))
    for node in nodes:
        targets = draw(st.lists(children, max_size=2))
        if isinstance(node, dict):
            node.update(enumerate(targets))
        else:
            (node.items if isinstance(node, Link) else node).extend(targets)
    return nodes[0]
