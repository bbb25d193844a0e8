"""The digest agrees with an oracle that knows nothing about bytes, and with itself elsewhere."""

from __future__ import annotations

import math
import os
import pickle
import random
import struct
import subprocess
import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal, localcontext
from enum import Enum
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any
from uuid import UUID

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, create_model
from strategies import (
    CONFUSABLE,
    Box,
    Colour,
    Holder,
    Items,
    Level,
    Link,
    LongNote,
    Names,
    Note,
    Number,
    Open,
    Plain,
    Point,
    Secretive,
    Shade,
    Slotted,
    Table,
    Text,
    graphs,
    shuffled,
    unrolled,
    values,
    wide_values,
)

from lift_sys.errors import CanonicalError
from lift_sys.state.canonical import (
    CONTAINER_TAG,
    digest,
    digest_bytes,
    digest_mapping,
    digest_model,
    digest_of,
    digest_sequence,
    digest_set,
    encode_child,
    encode_leaf,
    model_attributes,
    same,
    type_name,
)

# --- the oracle --------------------------------------------------------------------------------


def normal(value: Any) -> Any:
    """A hashable form that is equal for equal typed values: type objects, tuples, frozensets."""
    cls = type(value)
    if cls is float:
        return float, "nan" if math.isnan(value) else value.hex()
    if cls is complex:
        return complex, normal(value.real), normal(value.imag)
    if cls is Decimal:
        return Decimal, value.as_tuple()
    if cls in (datetime, time):
        zone = value.tzinfo
        place = zone and (type(zone), value.utcoffset(), getattr(zone, "key", value.tzname()))
        return cls, repr(value.replace(tzinfo=None)), place
    if cls is range:
        return range, value.start, value.stop, value.step
    if isinstance(value, BaseModel):
        parts = {**vars(value), **(value.__pydantic_extra__ or {})}
        parts.pop("computed", None)
        return cls, _bag({**parts, **(value.__pydantic_private__ or {})}.items())
    if isinstance(value, (Point, Plain)):
        return cls, _bag(vars(value).items())
    if cls is Slotted:
        return cls, normal(value.x), normal(value.y)
    if isinstance(value, (set, frozenset)):
        return cls, frozenset(Counter(map(normal, value)).items())
    if isinstance(value, dict) and cls is not OrderedDict:
        return cls, _bag(value.items())
    if cls is OrderedDict:
        return cls, tuple((normal(k), normal(v)) for k, v in value.items())
    if cls is bytearray:
        return cls, bytes(value)
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes, type, PurePath, Enum)):
        return cls, tuple(map(normal, value))
    return cls, value  # what is left compares well with values of its own type


def _bag(items: Any) -> Any:
    return frozenset(Counter((normal(key), normal(value)) for key, value in items).items())


def equal_graphs(left: Any, right: Any, assumed: frozenset[tuple[int, int]] = frozenset()) -> bool:
    """Whether no path into two values, however long, ends at a difference."""
    if type(left) is not type(right):
        return False
    if isinstance(left, int):
        return bool(left == right)
    pair = id(left), id(right)
    if pair in assumed:
        return True
    ours, theirs = ([*getattr(v, "items", [])] if isinstance(v, Link) else v for v in (left, right))
    if isinstance(left, dict):
        ours, theirs = [left[k] for k in sorted(left)], [right[k] for k in sorted(right)]
    return len(ours) == len(theirs) and all(
        equal_graphs(a, b, assumed | {pair}) for a, b in zip(ours, theirs, strict=True)
    )


# --- equal or not ------------------------------------------------------------------------------


@given(left=values(), right=values())
def test_digests_are_equal_exactly_for_equal_typed_values(left: Any, right: Any) -> None:
    """The digest and the oracle draw the same line between any two values."""
    assert (digest(left) == digest(right)) == (normal(left) == normal(right))


@given(value=wide_values(), source=st.randoms(use_true_random=False))
def test_order_of_filling_and_sharing_never_matter(value: Any, source: random.Random) -> None:
    """A value that is built again, dicts and sets in another order, keeps its digest."""
    assert digest(shuffled(value, source)) == digest(value)
    assert digest([value, value]) == digest([value, shuffled(value, source)])


@given(left=values(), right=values(), source=st.randoms(use_true_random=False))
def test_same_agrees_with_digest(left: Any, right: Any, source: random.Random) -> None:
    """The quick comparison and the digests never disagree."""
    assert same(left, right) == (digest(left) == digest(right))
    assert same(left, shuffled(left, source))


def test_confusable_leaves_are_all_different() -> None:
    """Every leaf of the small domain has its own encoding, and `same` tells each pair apart."""
    assert len({digest(leaf) for leaf in CONFUSABLE}) == len(CONFUSABLE)
    assert len({encode_leaf(leaf) or digest(leaf) for leaf in CONFUSABLE}) == len(CONFUSABLE)
    for i, left in enumerate(CONFUSABLE):
        assert [same(left, right) for right in CONFUSABLE] == [
            i == j for j in range(len(CONFUSABLE))
        ]


@given(left=graphs(), right=graphs())
def test_cycles_are_equal_exactly_if_no_path_tells_them_apart(left: Any, right: Any) -> None:
    """Values that contain themselves are compared by what can be seen in them."""
    assert (digest(left) == digest(right)) == equal_graphs(left, right)
    assert digest(unrolled(left)) == digest(left)


@given(knot=graphs(), value=values())
def test_an_encoding_does_not_depend_on_where_the_value_stands(knot: Any, value: Any) -> None:
    """A container's encoding follows from its children's, each computed alone, cycle or not."""
    # Tuples, because a list around a cycle of lists may equal a list of the cycle.
    whole = encode_child((knot, value, (knot,)))

    inner = digest_sequence("builtins:tuple", [encode_child(knot)])
    parts = [encode_child(knot), encode_child(value), inner]
    assert whole == digest_sequence(type_name(tuple), parts)


def test_order_of_a_cycle_matters() -> None:
    """Cycles of the same members in another order are told apart, wherever one enters."""
    rings = []
    for order in ((1, 2, 3), (1, 3, 2)):
        ring: dict[int, list[Any]] = {number: [number] for number in order}
        for number, following in zip(order, (*order[1:], order[0]), strict=True):
            ring[number].append(ring[following])
        rings.append(ring)

    for number in (1, 2, 3):
        assert digest(rings[0][number]) != digest(rings[1][number])


def test_dense_cycles_and_repeated_sharing_take_no_longer_than_their_size() -> None:
    """Neither fifty levels of doubling nor fifty members that all know each other explode."""
    doubled: list[Any] = []
    for _ in range(50):
        doubled = [doubled, doubled]
    people = [Link(items=[i]) for i in range(50)]
    for person in people:
        person.items.append(people)

    assert digest(doubled) != digest(doubled[0])
    assert digest(people[0]) != digest(people[1])


def test_deep_nesting_is_no_error() -> None:
    """A value nested far beyond the recursion limit has a digest, made of its child's."""
    deep: list[Any] = []
    for _ in range(20_000):
        deep = [deep]

    assert encode_child(deep) == digest_sequence("builtins:list", [encode_child(deep[0])])


# --- single distinctions -----------------------------------------------------------------------


def test_text_can_not_pass_for_an_encoding() -> None:
    """A text that holds the encoding of another text is not mistaken for two texts."""
    forged = "a" + str(encode_leaf("b"), "utf-8")

    assert not same(["a", "b"], [forged])
    assert not same([b"a", b"b"], [b"a" + (encode_leaf(b"b") or b"")])


def test_all_float_nans_are_one() -> None:
    """Sign and payload of a NaN are no part of the value, in Python and in numpy."""
    others = [
        struct.unpack(">d", bits)[0] for bits in (b"\xff\xf8" + b"\0" * 6, b"\x7f\xf8\0\0\0\0\0\1")
    ]

    assert {digest(nan) for nan in others} == {digest(math.nan)}
    assert same(others[0], math.nan)
    assert digest(numpy.array(others)) == digest(numpy.array([math.nan] * 2))
    assert digest(complex(0, others[0])) == digest(complex(0, math.nan))


def test_decimals_do_not_depend_on_the_context() -> None:
    """A context that writes a small `e` gives the same digest."""
    large = Decimal("1E+99")
    before = digest(large)

    with localcontext(capitals=0, prec=2):
        assert digest(large) == before
    assert digest(Decimal("NaN1")) != digest(Decimal("NaN")) != digest(Decimal("sNaN"))


def test_integers_of_any_size() -> None:
    """Integers beyond what Python converts to decimal digits have a digest."""
    assert digest(1 << 100_000) != digest((1 << 100_000) + 1)


def test_the_same_instant_in_another_zone_is_another_value() -> None:
    """Moments that are equal to Python differ if wall time, zone or fold do."""
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=1)))
    named = datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(0), "Z"))

    assert moment == elsewhere == named
    assert len({digest(m) for m in (moment, elsewhere, named, moment.replace(tzinfo=None))}) == 4
    assert digest(date(2024, 1, 1)) != digest(datetime(2024, 1, 1))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (b"a", bytearray(b"a")),
        ("a", Text("a")),
        ("a", Shade.DARK),
        (1, Number(1)),
        (1, Level.HIGH),
        (Colour.RED, Level.HIGH),
        ([1], (1,)),
        ([1], Items([1])),
        ({1}, frozenset({1})),
        ({1}, Names({1})),
        ({}, Table()),
        ({}, defaultdict(int)),
        ({"a": 1}, Counter("a")),
        ({"a": 1}, OrderedDict(a=1)),
        ({1: 2}, {2: 1}),
        ({True: 0}, {1: 0}),
        ({"a": 1}, Open(a=1)),
        ([[1], 2], [[1, 2]]),
        (["a", "b"], ["ab"]),
        (["1:as1:b"], ["1:a", "b"]),
        (Note(), LongNote()),
        (Holder(note=Note()), Holder(note=LongNote())),
        (Holder(note=LongNote()), Holder(note=LongNote(body=1))),
        (Box[int](item=1), Box[Any](item=1)),
        (Box[int](item=1), Box[bool | int](item=1)),
        (Secretive.having(1, 2), Secretive.having(1, 3)),
        (Open(a=1), Open(a=1, b=None)),
        (Box[Any].model_construct(), Box[Any](item=None)),
        (Point(1), Slotted(1)),
        (Fraction(2), 2),
        (UUID(int=1), 1),
        (Path("a"), "a"),
        (int, "builtins:int"),
    ],
    ids=repr,
)
def test_different_typed_values(left: Any, right: Any) -> None:
    """Values that are alike in everything but one point of type or content differ."""
    assert digest(left) != digest(right)
    assert not same(left, right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        ([1, 2], [2, 1]),
    ],
)
def test_order_that_counts(left: Any, right: Any) -> None:
    """Lists and OrderedDicts are compared in their order, as `==` does."""
    assert not same(left, right)


def test_what_is_no_part_of_a_model() -> None:
    """Neither `model_fields_set` nor a computed `cached_property` changes the digest."""
    explicit, implicit = Secretive(text=""), Secretive()
    assert explicit.computed == ("computed", "")

    assert explicit.model_fields_set != implicit.model_fields_set
    assert digest(explicit) == digest(implicit)


def test_generic_models_are_named_by_the_whole_name_of_their_arguments() -> None:
    """Two classes of one name in different modules make different generic models."""
    first, second = (create_model("Item", __module__=name) for name in ("first", "second"))

    assert Box[first].__qualname__ == Box[second].__qualname__
    assert type_name(Box[first]) != type_name(Box[second])
    assert type_name(Box[int]) == "strategies:Box[builtins:int]"


def test_functions_by_name_or_else_by_code() -> None:
    """Importable functions are their name; lambdas are their code, defaults and closure."""

    def adder(step: int) -> Any:
        return lambda number: number + step

    assert encode_leaf(shuffled) is not None
    assert encode_leaf(adder) is None
    assert same(adder(1), adder(1))
    assert not same(adder(1), adder(2))
    assert not same(lambda: 1, lambda: 2)
    assert not same([].append, [1].append)


def test_numpy_by_type_shape_and_elements() -> None:
    """Arrays differ by dtype, shape and content, not by memory order; scalars are no numbers."""
    grid = numpy.arange(6.0).reshape(2, 3)
    mixed = numpy.array([{"a", "b"}, None], dtype=object)
    record = numpy.array([(1, math.nan)], dtype=[("n", "i4"), ("x", "f8")])
    different = [
        *(grid, grid.T, grid.reshape(3, 2), grid.astype("f4"), grid.tolist(), mixed, record),
        *(numpy.float64(1), numpy.float32(1), numpy.int64(1), 1.0, 1, numpy.array(1.0)),
        *(numpy.float64(0), numpy.float64(-0.0), numpy.str_("a"), "a", numpy.longdouble(1)),
    ]

    assert len({digest(value) for value in different}) == len(different)
    assert digest(numpy.asfortranarray(grid)) == digest(grid)
    assert digest(grid[::1, :]) == digest(grid.copy())
    assert digest(record.copy()) == digest(record)
    assert digest(mixed.copy()) == digest(mixed)


# --- the Merkle tree ---------------------------------------------------------------------------


def test_digest_is_what_the_combining_functions_give() -> None:
    """A snapshot that keeps its parts' encodings gets the digest of the live value."""
    note = LongNote(text={"b": {1, 2}, "a": [None]}, body=OrderedDict(x=1))
    leaf = encode_child

    text = digest_mapping(
        "builtins:dict",
        [
            (leaf("a"), digest_sequence("builtins:list", [leaf(None)])),
            (leaf("b"), digest_set("builtins:set", [leaf(2), leaf(1)])),
        ],
    )
    pair = digest_sequence("item", [leaf("x"), leaf(1)])
    body = digest_sequence(type_name(OrderedDict), [pair])
    attributes = {"body": body, "rank": leaf(0), "text": text}

    assert {name for name, _ in model_attributes(note)} == set(attributes)
    encoding = digest_model(type_name(LongNote), attributes.items())
    assert encoding == CONTAINER_TAG + digest_bytes(note)
    assert digest_of(encoding).hex() == digest(note)
    assert len(digest(note)) == 32


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (lambda value: [0, value], "state[1]"),
        (lambda value: {"k": (value,)}, "state['k'][0]"),
        (lambda value: OrderedDict(k=value), "state['k']"),
        (lambda value: {Plain(0): value}, "state[<Plain>]"),
        (lambda value: Note(text={"k": [value]}), "state.text['k'][0]"),
        (lambda value: Open(more=value), "state.more"),
        (lambda value: Secretive.having(0, value), "state._hidden"),
        (lambda value: Point(0, Plain(value)), "state.y.x"),
        (lambda value: Slotted(Items([0, value])), "state[0][1]"),
        (lambda value: {value}, "state[*]"),
    ],
)
def test_refusal_names_the_path(place: Any, path: str) -> None:
    """A lock, wherever it hides, is an error that names the place and survives pickling."""
    with pytest.raises(CanonicalError, match="put services into `deps`") as caught:
        digest(place(threading.Lock()))

    assert caught.value.path == path
    assert caught.value.type_name == "lock"
    assert pickle.loads(pickle.dumps(caught.value)).path == path


def test_other_things_without_canonical_form() -> None:
    """Generators, iterators, open files and objects that refuse are errors, not other values."""

    class Refusing:
        def __reduce_ex__(self, protocol: Any) -> Any:
            raise RuntimeError("not me")

    with open(os.devnull, encoding="utf-8") as file:
        for value in ((i for i in ()), iter({1}), file, memoryview(b""), Refusing()):
            with pytest.raises(CanonicalError) as caught:
                digest({"given": value}, path="answer")
            assert caught.value.path == "answer['given']"


def test_refusal_inside_a_cycle_ends() -> None:
    """A value that contains itself and a lock is refused, by the shortest path to the lock."""
    knot: list[Any] = []
    knot += [knot, {"lock": threading.Lock()}]

    with pytest.raises(CanonicalError) as caught:
        digest(knot)

    assert caught.value.path == "state[1]['lock']"


# --- other processes ---------------------------------------------------------------------------


def test_every_process_and_hash_seed_gives_the_same_digests() -> None:
    """A corpus of hundreds of values has one list of digests under five hash seeds."""
    here = Path(__file__).parent
    outputs = []
    for seed in ("0", "1", "2", "3", "77"):
        paths = os.pathsep.join([str(here.parent), str(here.parents[1])])
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": paths}
        command = [sys.executable, str(here / "canonical_corpus.py")]
        finished = subprocess.run(command, env=environment, capture_output=True, check=True)
        outputs.append(finished.stdout.decode().split())

    order, *digests = outputs[0]
    assert len(digests) > 300
    assert len(set(digests)) > 250
    assert len({output[0] for output in outputs}) > 1, "the seeds did not change any order"
    assert all(output[1:] == digests for output in outputs), order
