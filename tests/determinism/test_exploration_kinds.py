"""Values of each kind that programs have around: what can't change costs nothing, all else is seen."""

import asyncio
import collections
import datetime
import enum
import fractions
import logging
import operator
import re
import string
import types
import typing
import uuid
import zoneinfo
from decimal import Decimal
from pathlib import PurePath

import pytest

from lift_sys.determinism import explore


class Colour(enum.Enum):
    RED = 1


FIXED = [
    re.compile("a"),
    re.match("a", "a"),
    datetime.date(2000, 1, 1),
    datetime.time(1),
    datetime.timedelta(1),
    datetime.UTC,
    zoneinfo.ZoneInfo("UTC"),
    Decimal(1),
    fractions.Fraction(1, 2),
    uuid.UUID(int=1),
    PurePath("a"),
    Colour.RED,
    operator.itemgetter(1),
    operator.attrgetter("a"),
    operator.methodcaller("a"),
    slice(1),
    list[int],
    int | str,
    typing.TypeVar("T"),
    typing.ParamSpec("P"),
    typing.Any,
    typing.Union,
    range(3),
    1.5,
    2j,
    ...,
    frozenset({1}),
    types.MappingProxyType({1: 2}),
]


@pytest.mark.parametrize("value", FIXED, ids=lambda value: type(value).__name__)
def test_what_cannot_change_is_proven_in_one_schedule(value):
    async def program():
        async def one(number):
            await asyncio.sleep(number)
            return [value] == [value]

        return await asyncio.gather(one(1), one(2))

    found = explore(program, budget=20)

    assert (found.grade.name, found.schedules) == ("PROVEN", 1), str(found)


def into(key, write=operator.setitem, read=operator.getitem):
    """Puts a number under `key`, and gives what was there."""

    def update(thing, number):
        before = read(thing, key)
        write(thing, key, number)
        return str(before)

    return update


as_attribute = {"write": setattr, "read": getattr}

CHANGING = [
    (lambda: [0], into(0)),
    (lambda: {"a": 0}, into("a")),
    (lambda: collections.defaultdict(int, a=0), into("a")),
    (lambda: collections.Counter(a=0), into("a")),
    (lambda: collections.OrderedDict(a=0), into("a")),
    (lambda: collections.deque([0]), into(0)),
    (lambda: bytearray(1), into(0)),
    (lambda: collections.UserDict(a=0), into("a")),
    (lambda: collections.UserList([0]), into(0)),
    (lambda: collections.UserString("0"), into("data", **as_attribute)),
    (lambda: collections.ChainMap({"a": 0}), into("a")),
    (lambda: types.SimpleNamespace(a=0), into("a", **as_attribute)),
    (lambda: string.Template("0"), into("template", **as_attribute)),
    (lambda: logging.Logger("a"), into("level", **as_attribute)),
    (lambda: OSError(2, "no", "0"), into("filename", **as_attribute)),
    (lambda: ImportError("no", name="0"), into("name", **as_attribute)),
    (lambda: SystemExit(0), into("code", **as_attribute)),
    (lambda: asyncio.Queue(), into("last", setattr, lambda thing, key: getattr(thing, key, 0))),
]


@pytest.mark.parametrize(("make", "update"), CHANGING)
def test_what_changes_is_seen_to_change(make, update):
    async def program():
        thing = make()

        async def one(number):
            await asyncio.sleep(number)
            return update(thing, number)

        return await asyncio.gather(one(1), one(2))

    found = explore(program, budget=20)

    assert found.verdict == "differs", str(found)
