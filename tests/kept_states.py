"""A state with a field of each kind of annotation, and what may stand there."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, TypeVar
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, Field
from strategies import Access, Box, Colour, LongNote, Note, Pair, Shade
from typing_extensions import TypeAliasType

from lift_sys.durability.codec import Codec, Names

Score = NewType("Score", int)
ItemT = TypeVar("ItemT")
# As `type Amounts = list[Decimal]` and `type Called[ItemT] = ...` of Python 3.12.
Amounts = TypeAliasType("Amounts", list[Decimal])
Called = TypeAliasType("Called", dict[str, ItemT], type_params=(ItemT,))


@dataclass
class Place:
    name: str
    where: tuple[float, float] = (0.0, 0.0)
    seen: list[date] = field(default_factory=list)


class Cell(NamedTuple):
    row: int
    at: date


class Tree(BaseModel):
    children: list[Tree] = []
    parent: Tree | None = None


class Typed(BaseModel):
    """A field of each kind of annotation."""

    text: str = ""
    number: int = 0
    real: float = 0
    price: Decimal = Decimal("1.10")
    at: datetime = datetime(2024, 1, 1)
    day: date | None = None
    clock: time = time(1)
    span: timedelta = timedelta(0)
    raw: bytes = b""
    part: Fraction = Fraction(1, 2)
    key: UUID = UUID(int=1)
    file: Path = Path("a")
    address: IPv4Address | None = None
    colour: Colour = Colour.RED
    rights: Access = Access.READ
    score: Score = Score(0)
    mode: Literal["a", "b"] | None = None
    names: set[str] = set()
    days: frozenset[date] = frozenset()
    pair: tuple[int, Decimal] = (0, Decimal(0))
    row: tuple[Decimal, ...] = ()
    queue: deque[Decimal] = deque()
    prices: dict[str, Decimal] = {}
    by_day: dict[date, list[Decimal]] = {}
    by_shade: dict[Shade, int] = {}
    many: Sequence[Decimal] = []
    table: Mapping[str, Decimal] = {}
    either: int | Decimal | list[str] = 0
    note: Note = Note()
    notes: list[Note] = []
    box: Box[int] = Box[int](item=1)
    place: Place | None = None
    cell: Cell = Cell(0, date(2024, 1, 1))
    tree: Tree | None = None
    limited: Annotated[int, Field(gt=0)] = 1
    amounts: Amounts = []
    called: Called[date] = {}
    anything: Any = None


decimals = st.sampled_from([Decimal(0), Decimal("1.10"), Decimal("NaN"), Decimal("-1E+3")])
days = st.dates()
texts = st.text(st.characters(), max_size=3)
zones = st.one_of(st.none(), st.timezones(), st.just(UTC), st.just(timezone(timedelta(hours=2))))
trees = st.recursive(
    st.builds(Tree), lambda inner: st.builds(Tree, children=st.lists(inner, max_size=2))
)
CHOICES: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "number": st.integers(),
    "real": st.one_of(st.floats(), st.integers(0, 3)),
    "price": decimals,
    "at": st.datetimes(timezones=zones),
    "day": st.none() | days,
    "clock": st.times(timezones=zones),
    "span": st.timedeltas(),
    "raw": st.binary(max_size=4),
    "part": st.fractions(),
    "key": st.uuids(),
    "address": st.ip_addresses(v=4),
    "colour": st.sampled_from(Colour),
    "rights": st.sampled_from([Access.READ, Access.READ | Access.WRITE, Access(0)]),
    "mode": st.sampled_from(["a", "b", None]),
    "names": st.sets(texts, max_size=4),
    "days": st.frozensets(days, max_size=3),
    "pair": st.tuples(st.integers(), decimals),
    "row": st.lists(decimals, max_size=3).map(tuple),
    "queue": st.lists(decimals, max_size=3).map(lambda items: deque(items, 4)),
    "prices": st.dictionaries(texts | st.just("$"), decimals, max_size=3),
    "by_day": st.dictionaries(days, st.lists(decimals, max_size=2), max_size=2),
    "by_shade": st.dictionaries(st.sampled_from(Shade), st.integers(), max_size=1),
    "many": st.lists(decimals, max_size=2) | st.lists(decimals, max_size=2).map(tuple),
    "table": st.dictionaries(texts, decimals, max_size=2),
    "either": st.integers() | decimals | st.lists(texts, max_size=2),
    "note": st.builds(Note, text=texts) | st.builds(LongNote, body=texts),
    "notes": st.lists(st.builds(Note, text=texts) | st.builds(LongNote, body=texts), max_size=3),
    "place": st.none() | st.builds(Place, name=texts, seen=st.lists(days, max_size=2)),
    "cell": st.builds(Cell, st.integers(), days),
    "tree": st.none() | trees,
    "anything": st.one_of(days, decimals, st.builds(Cell, st.integers(), days), texts),
    "limited": st.integers(-1, 3),
    "amounts": st.lists(decimals, max_size=2),
    "called": st.dictionaries(texts, days, max_size=2),
}
typed_states = st.fixed_dictionaries({}, optional=CHOICES)


def kept(value: Any, annotation: Any = Any, with_codec: Codec | None = None) -> Any:
    used = with_codec or own_codec()
    return used.decode(json.loads(json.dumps(used.encode(value, annotation))), annotation)


def own_codec() -> Codec:
    return Codec(Names([Typed, Place, Cell, Tree, LongNote, Pair]))
