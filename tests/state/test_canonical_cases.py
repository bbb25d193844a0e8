"""What the digest tells apart, what it leaves out, and what it refuses, case by case."""

from __future__ import annotations

import math
import os
import pickle
import struct
import threading
from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy
import pytest
from pydantic import create_model
from rebuilt import shuffled
from strategies import (
    Box,
    Colour,
    Holder,
    Items,
    Level,
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
)

from lift_sys.errors import CanonicalError
from lift_sys.state.canonical import (
    digest,
    encode_leaf,
    same,
    type_name,
)

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
