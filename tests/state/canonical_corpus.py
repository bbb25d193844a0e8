"""Prints the order of a set, which the hash seed decides, and the digests of a corpus of values."""

from __future__ import annotations

import math
import random
import re
from collections import Counter, OrderedDict, defaultdict, deque
from functools import partial
from typing import Any

import numpy
from strategies import (
    CONFUSABLE,
    Box,
    Items,
    Link,
    LongNote,
    Names,
    Open,
    Pair,
    Plain,
    Point,
    Secretive,
    Slotted,
    Table,
)

from lift_sys.state.canonical import digest

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]


def draw(source: random.Random, depth: int) -> Any:
    """A value made of containers whose iteration order follows the hash seed."""
    if depth == 0:
        return source.choice([*CONFUSABLE, *WORDS])
    size = source.randrange(4)
    few = [draw(source, depth - 1) for _ in range(size)]
    words = source.sample(WORDS, 4)
    named = dict(zip(words, few, strict=False))
    one = few[0] if few else None
    makers: list[Any] = [
        *(lambda: few, lambda: tuple(few), lambda: deque(few), lambda: Items(few)),
        *(lambda: named, lambda: OrderedDict(named), lambda: Table(named), lambda: Open(**named)),
        *(lambda: set(words), lambda: frozenset(words), lambda: Names(words)),
        *(lambda: Counter(words), lambda: defaultdict(set, named), lambda: Pair(one, set(words))),
        *(lambda: Point(one, set(words)), lambda: Slotted(one), lambda: Plain(set(words))),
        *(lambda: LongNote(text=one), lambda: Secretive.having(one, set(words))),
        *(lambda: Box[Any](item=one), lambda: Link(items=few), lambda: {frozenset(words): one}),
        lambda: [{word: position for position, word in enumerate(set(words))}.keys() and named],
    ]
    return source.choice(makers)()


def knots() -> list[Any]:
    """Values that contain themselves, beside sets."""
    link = Link(items=[set(WORDS)])
    link.items.append({"back": link, "set": set(WORDS)})
    member = Plain(None)
    member.x = {member, *WORDS}
    return [link, member]


def code() -> list[Any]:
    """Functions without an importable name; sets among their constants and closures."""
    captured = set(WORDS)
    return [
        lambda word: word in {"alpha", "beta", "gamma"},
        lambda word: word in captured,
        partial(draw, depth=1),
        re.compile("a|b"),
        numpy.array([set(WORDS), math.nan], dtype=object),
    ]


def main() -> None:
    print(",".join(set(WORDS)))
    source = random.Random(11)
    corpus = [*CONFUSABLE, *knots(), *code(), *(draw(source, 3) for _ in range(400))]
    for value in corpus:
        print(digest(value))


if __name__ == "__main__":
    main()
