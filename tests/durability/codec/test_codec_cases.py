"""What typed JSON looks like, what it refuses, and what it says then."""

from __future__ import annotations

import json
import re
import threading
from collections import defaultdict, deque
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv6Network, ip_address
from typing import Any
from zoneinfo import ZoneInfo

import numpy
import pytest
from hypothesis import given
from kept_states import Place, Typed, kept, own_codec, typed_states
from kept_values import codec, sets_of
from pydantic import AnyUrl, BaseModel, ConfigDict, RootModel, field_validator
from strategies import Box, Colour, Note

from lift_sys.durability.codec import Codec, Names
from lift_sys.errors import UnkeptValueError
from lift_sys.state.canonical import digest


@given(typed_states)
def test_typed_states_come_back(values):
    """By their annotations: values and types, and also which fields were set."""
    state = Typed()
    for name, value in values.items():
        setattr(state, name, value)
    found = kept(state, Typed)

    assert digest(found) == digest(state)
    assert [*sets_of(found)] == [*sets_of(state)]
    assert own_codec().encode(found, Typed) == own_codec().encode(state, Typed)


def test_what_the_annotation_says_is_plain():
    """No tags, and nothing besides the fields, for what states mostly hold."""
    state = Typed(price=Decimal("2.5"), day=date(2024, 2, 3), names={"b", "a"}, note=Note(text="n"))
    form = own_codec().encode(state, Typed)

    assert isinstance(form, dict)
    assert (form["price"], form["day"], form["names"]) == ("2.5", "2024-02-03", ["a", "b"])
    assert form["note"] == {"text": "n", "rank": 0}
    assert form["cell"] == [0, "2024-01-01"]
    assert not [key for key in form if key.startswith("$")]
    assert '"$' not in json.dumps(form)


def test_what_no_annotation_describes_is_tagged():
    """By a name of its own, a class by its full name; a key `$` of a dict is no tag."""
    encode = codec().encode

    assert encode(Decimal("1.10")) == {"$": "Decimal", "v": "1.10"}
    assert encode((1, {2})) == {"$": "tuple", "v": [1, {"$": "set", "v": [2]}]}
    assert encode(Colour.RED) == {"$": "strategies:Colour", "v": "RED"}
    assert encode(Note(text="n")) == {"$": "strategies:Note", "text": "n", "rank": 0}
    assert encode({"$": "x"}) == {"$": "dict", "v": [["$", "x"]]}
    assert encode({1: "x"}) == {"$": "dict", "v": [[1, "x"]]}
    assert encode(float("nan")) == {"$": "float", "v": "nan"}
    assert encode([True, None, 1.5, "é"]) == [True, None, 1.5, "é"]


def test_size_of_an_ordinary_state():
    """At most half more than what pydantic dumps."""
    state = Typed(
        notes=[Note(text=f"text {n}", rank=n) for n in range(50)],
        prices={f"p{n}": Decimal(n) for n in range(50)},
    )
    form = json.dumps(own_codec().encode(state, Typed), separators=(",", ":"))

    assert len(form) <= 1.5 * len(state.model_dump_json())


VALUES: list[Any] = [
    datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Paris")),
    timezone(timedelta(hours=1), "mine"),
    ZoneInfo("UTC"),
    ip_address("::1"),
    IPv6Network("::/8"),
    AnyUrl("https://example.org/a?b=c"),
    range(1, 9, 2),
    10**5000,
    -(1 << 64),
    "\ud800",
    {"\ud800": 1},
    bytearray(b"ab"),
    deque([1], maxlen=3),
    defaultdict(list, a=[1]),
    list[int],
    Box[str](item="not known by this name"),
    numpy.arange(6, dtype="int16").reshape(2, 3),
    numpy.array([], dtype="float32"),
    numpy.array(["a", "bcd"]),
    numpy.array(["2024-01-01"], dtype="datetime64[D]"),
    numpy.float64(0.1),
    numpy.zeros((2, 0, 3)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_unusual_values_come_back(value):
    """As the very same typed value."""
    found = kept(value, with_codec=codec())

    assert (digest(found), type(found)) == (digest(value), type(value))
    if isinstance(value, (deque, defaultdict)):
        assert repr(found) == repr(value)


def test_zone_that_pydantic_gave():
    """Moments that pydantic reads have a zone of its own, which is another one for digests."""
    state = Typed.model_validate_json('{"at": "2024-01-01T00:00:00+01:00"}')

    assert digest(kept(state, Typed)) == digest(state)


@pytest.mark.parametrize(
    ("value", "where", "why"),
    [
        ({"a": [threading.Lock()]}, r"state\['a'\]\[0\] is a lock", "`deps`"),
        ([print], r"state\[0\] is a builtin_function_or_method", "`deps`"),
        (
            Note(text=threading.Thread),
            r"state\.text is a type",
            "type that the graph does not know",
        ),
        (numpy.array([{}], dtype=object), "state is a ndarray", "dtype object"),
        (defaultdict(lambda: 1), "state is a defaultdict", "builtin type"),
        (
            datetime(2024, 1, 1, tzinfo=type("Zone", (UTC.__class__.__base__,), {})()),
            "state",
            "zoneinfo",
        ),
        ({1: object()}, r"state\[1\] is a object", "pydantic model|`deps`"),
        (Place("x"), "state is a Place", "does not know 'tests.*Place'|does not know"),
    ],
    ids=["lock", "builtin", "class", "objects", "factory", "zone", "object", "unknown"],
)
def test_refusals_say_where_and_why(value, where, why):
    """The path, the type, and where it belongs instead."""
    names = Codec(Names([Note]))
    with pytest.raises(UnkeptValueError, match=where) as caught:
        names.encode(value)
    assert re.search(why, caught.value.reason)


def test_one_object_in_two_places_is_refused():
    """It would come back as two; both places are named. Immutable ones are no matter."""
    items = [1]
    with pytest.raises(UnkeptValueError, match=r"state\['b'\].*same object as state\['a'\]"):
        codec().encode({"a": items, "b": items})
    note = Note(text=[])
    with pytest.raises(UnkeptValueError, match=r"state\.notes\[0\].*same object as state\.note,"):
        own_codec().encode(Typed.model_construct(note=note, notes=[note]), Typed)
    shared = (1, "a")

    assert kept({"a": shared, "b": shared}) == {"a": shared, "b": shared}


def test_cycles_and_depth_are_refused():
    """What contains itself, and what is deeper than JSON's readers go."""
    knot: list[Any] = [1]
    knot.append({"k": knot})
    deep: list[Any] = []
    for _ in range(190):
        deep = [deep]
    deeper: list[Any] = []
    for _ in range(100_000):
        deeper = [deeper]

    with pytest.raises(UnkeptValueError, match=r"state\[1\]\['k'\].*contains itself"):
        codec().encode(knot)
    for value in (deep, deeper):
        with pytest.raises(UnkeptValueError, match="too deeply"):
            codec().encode(value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": "1"}, r"state\.number: expected an int, got '1'"),
        ({"price": "many"}, r"state\.price: expected a Decimal, got 'many'"),
        ({"day": 3}, r"state\.day: expected a date, got 3"),
        ({"colour": "GREEN"}, r"state\.colour: expected one of RED, ROUGE, BLUE"),
        ({"mode": "c"}, r"state\.mode: expected one of 'a', 'b', got 'c'"),
        ({"notes": [{"text": 1, "rank": 1}, {"rank": 1}]}, r"notes\[1\].*lacks its field `text`"),
        ({"notes": {}}, r"state\.notes: expected a list, got \{\}"),
        ({"cell": [1]}, r"state\.cell: expected .*2 items"),
        ({"note": {"$": "os:system"}}, r"state\.note: the graph knows no 'os:system'"),
        ({"note": {"$": "Decimal", "v": "1"}}, r"state\.note: expected a Note"),
        ({"extra": 1}, r"state: a Typed has no field `extra`"),
        ({"place": {"name": "x"}}, r"state\.place: a Place lacks its field `"),
        ({"names": [[]]}, r"state\.names\[0\]: expected a text"),
        ({"amounts": ["many"]}, r"state\.amounts\[0\]: expected a Decimal, got 'many'"),
        ({"called": {"a": "today"}}, r"state\.called\['a'\]: expected a date, got 'today'"),
        ({"by_day": {"2024-01-01": []}}, r"state\.by_day: expected a list of pairs, whose keys"),
        ({"by_day": [["2024-01-01"]]}, r"state\.by_day.*: expected a pair of key and value"),
        ({"at": "now"}, r"state\.at: expected a datetime"),
        ({"span": "long"}, r"state\.span: expected a timedelta"),
        ({"anything": {"$": "Decimal", "v": "x"}}, r"state\.anything: expected a Decimal"),
        ({"anything": {"$": "dict", "v": 1}}, r"state\.anything: expected an object or a list of"),
        ({"either": True}, r"state\.either: expected an int or a Decimal or a list, got True"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_wrong_data_is_refused(change, message):
    """What does not fit its annotation: the path, and what was expected."""
    form: Any = own_codec().encode(Typed(), Typed)
    with pytest.raises(ValueError, match=message):
        own_codec().decode({**form, **change}, Typed)


def test_values_outside_their_annotation_come_back():
    """Pydantic validates no defaults, so a state may hold what its field does not admit."""

    class Loose(BaseModel):
        text: str = None
        price: Decimal = "free"
        notes: list[Note] = (1,)

    own = Codec(Names([Loose]))
    found = kept(Loose(), Loose, own)

    assert (found.text, found.price, found.notes) == (None, "free", (1,))


def test_validators_do_not_run():
    """What came back is what was there, even where a validator would rewrite or refuse it."""

    class Strict(BaseModel):
        model_config = ConfigDict(validate_assignment=True, frozen=True)
        text: str = "X"
        when: int = 0

        @field_validator("text")
        @classmethod
        def _shout(cls, text: str) -> str:
            return text.upper() + "!"

        def model_post_init(self, context: Any) -> None:
            object.__setattr__(self, "when", self.when + 1)

    state = Strict(text="a")
    found = kept(state, Strict, Codec(Names([Strict])))

    assert (found.text, found.when) == ("A!", 1)


def test_root_models_and_set_fields():
    """Which fields were set is kept where it can't be told from their values."""

    class Rows(RootModel[list[Note]]):
        pass

    class Pairs(BaseModel):
        a: int = 0
        b: list[int] = []

    own = Codec(Names([Rows, Pairs]))
    explicit = Pairs(a=0, b=[1])
    grown = Pairs()
    grown.b.append(1)

    rows = kept(Rows([Note(text="x")]), Rows, own)
    assert rows == Rows([Note(text="x")])
    assert [*vars(rows)] == ["root"]
    assert own.encode(Pairs(a=1), Pairs) == {"a": 1, "b": []}
    assert own.encode(explicit, Pairs) == {"a": 0, "b": [1], "$unset": []}
    assert own.encode(grown, Pairs) == {"a": 0, "b": [1], "$set": []}
    for pairs in (explicit, grown):
        assert kept(pairs, Pairs, own).model_fields_set == pairs.model_fields_set
