"""The digest of what can be seen: finer than that of the value, and one for each value."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rebuilt import shuffled, unrolled
from strategies import graphs, values

from lift_sys.errors import CanonicalError
from lift_sys.state.canonical import digest, digest_of
from lift_sys.state.graphs import encode_graph
from lift_sys.state.seen import parts_seen, seen_digest


@given(value=values())
def test_copies_have_the_digest_of_the_original(value):
    """A copy shows all that the value shows; and so does one whose containers are not shared."""
    assert seen_digest(copy.deepcopy(value)) == seen_digest(value)


@given(value=values(), other=values(), seed=st.integers(0, 9))
def test_what_has_one_digest_is_equal(value, other, seed):
    """It is finer than the canonical digest, never coarser."""
    for another in (other, shuffled(value, random.Random(seed))):
        if seen_digest(value) == seen_digest(another):
            assert digest(value) == digest(another)


@given(graph=graphs())
def test_aliases_and_cycles_can_not_be_seen(graph):
    """As for the canonical digest: only a path into the value that ends at a difference counts."""
    assert seen_digest(unrolled(graph)) == seen_digest(graph)


@given(value=values())
def test_both_ways_agree(value):
    """What is too deep for the quick way, or leads to a cycle, has the same bytes from the other."""
    assert digest_of(encode_graph(value, "state", parts_seen)).hex() == seen_digest(value)


@given(keys=st.lists(st.permutations("abc"), min_size=2, max_size=2))
def test_the_order_of_keys_counts(keys):
    """At any place, however deep."""
    one, other = ([{"in": (dict.fromkeys(order, 1),)}] for order in keys)

    assert (seen_digest(one) == seen_digest(other)) is (keys[0] == keys[1])
    assert digest(one) == digest(other)


def test_errors_name_the_place():
    """In a dict it is the key."""
    with pytest.raises(CanonicalError) as e:
        seen_digest({"a": [iter([1])]}, path="Node.table")

    assert e.value.path == "Node.table['a'][0]"
