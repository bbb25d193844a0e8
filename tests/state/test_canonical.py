"""The digest agrees with an oracle that knows nothing about bytes, and with itself elsewhere."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from collections import Counter, OrderedDict
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from pathlib import Path, PurePath
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from rebuilt import shuffled, unrolled
from strategies import (
    CONFUSABLE,
    Link,
    LongNote,
    Plain,
    Point,
    Slotted,
    graphs,
    values,
    wide_values,
)

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
