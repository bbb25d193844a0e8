"""A rule that keeps, draws or asks something is not proven, however alike its merges look."""

import asyncio
import datetime
import functools
import gc
import itertools
import logging
import random
import time
from random import choice
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import Majority, MergeStrategy
from lift_sys.determinism.merging.proof import prove_merge

logger = logging.getLogger(__name__)
TOTALS: dict[int, int] = {}
BY_LENGTH: dict[int, int] = {}
NUMBERS = itertools.count()
GENERATOR = random.Random(7)


class Once:
    last = None


def keeps_the_first(base, values):
    if Once.last is None:
        Once.last = sum(values)
    return Once.last


def remembers_the_length(base, values):
    return BY_LENGTH.setdefault(len(values), sum(values))


class Remembering:
    __name__ = "Remembering"

    def __init__(self):
        self.best = 0

    def __call__(self, base, values):
        self.best = max(self.best, *values)
        return self.best


def default_argument(base, values, seen=[]):  # noqa: B006
    seen.append(1)
    return sum(values) if len(seen) < 60 else 0


def counts(base, values):
    return sum(values) + next(NUMBERS) // 100


def draws_seldom(base, values):
    return sum(values) if random.random() < 0.97 else 0


def draws_from_its_own(base, values):
    return sum(values) if GENERATOR.random() < 0.97 else 0


def draws_by_alias(base, values):
    return sum(values) + choice([0] * 30 + [1])


def draws_with_numpy(base, values):
    import numpy

    return sum(values) if numpy.random.rand() < 0.97 else 0


def of_the_day(base, values):
    return f"{sum(values)} on {datetime.date.today()}"


def of_the_second(base, values):
    return f"{sum(values)} at {int(time.time())}"


def in_its_year(base, values):
    return sum(values) if time.time() < 2.2e9 else 0


@functools.lru_cache
def _total(values):
    return sum(values)


def cached(base, values):
    return base + _total(tuple(values))


def logged(base, values):
    logger.warning("merging %d values", len(values))
    return base + sum(values)


def memoised(base, values):
    key = sum(values)
    if key not in TOTALS:
        TOTALS[key] = sum(values)
    return TOTALS[key]


def without_a_state(base, values):
    return base + sum(values)


STATEFUL = [
    (keeps_the_first, "Once.last"),
    (remembers_the_length, "BY_LENGTH"),
    (Remembering(), "the rule"),
    (default_argument, "a default argument"),
    (counts, "NUMBERS"),
    (draws_seldom, "random numbers (random.random at"),
    (draws_from_its_own, "GENERATOR"),
    (draws_by_alias, "random numbers (random.choice at"),
    (draws_with_numpy, "numpy"),
    (of_the_day, "the clock (date.today at"),
    (of_the_second, "the clock (time.time at"),
]


@pytest.mark.parametrize(
    ("rule", "named"), STATEFUL, ids=lambda part: getattr(part, "__name__", "")
)
def test_a_rule_with_hidden_state_is_refuted_and_says_by_what(rule, named):
    for _ in range(2):  # the first time must not use up what the rule keeps
        proof = prove_merge(rule, [3, 1, 4, 1, 5, 9], base=0)

        assert proof.verdict == "refuted", str(proof)
        assert proof.refutation.subset
        assert proof.refutation.first != proof.refutation.second
        assert named in str(proof)


@pytest.mark.parametrize("rule", [without_a_state, cached, logged], ids=lambda rule: rule.__name__)
def test_a_pure_rule_that_caches_or_logs_is_proven(rule):
    proof = prove_merge(rule, [3, 1, 4, 1, 5, 9], base=0)

    assert (proof.verdict, proof.grade.name, proof.caveats) == ("holds", "PROVEN", ())


def test_what_a_collection_of_garbage_asks_is_not_the_rule_s():
    """Tools that time collections, as hypothesis does, read the clock at any line of a rule."""

    def timed(phase, info):
        time.perf_counter()

    def collecting(base, values):
        gc.collect()
        return base + sum(values)

    gc.callbacks.append(timed)
    try:
        proof = prove_merge(collecting, [1, 2, 3], base=0)
    finally:
        gc.callbacks.remove(timed)

    assert proof.grade.name == "PROVEN", str(proof)


@pytest.mark.parametrize(
    ("rule", "named"), [(memoised, "TOTALS"), (in_its_year, "time.time")], ids=["memo", "clock"]
)
def test_a_rule_that_could_differ_but_was_not_seen_to_is_not_called_proven(rule, named):
    proof = prove_merge(rule, [3, 1, 4, 1, 5, 9], base=0)

    assert (proof.verdict, proof.grade.name) == ("unproven", "SAMPLED")
    assert named in proof.caveats[0]
    assert "not proven" in str(proof)


def test_a_key_of_a_majority_is_watched_too():
    class Answer(BaseModel):
        text: str = ""

    seen = []

    def key(state):
        seen.append(state.text)
        return state.text if seen[0] == "a" else ""

    branches = [Answer(text=text) for text in ("a", "b", "b")]
    proof = prove_merge(Majority(key=key), branches, base=Answer())

    assert proof.verdict == "refuted"
    assert "seen" in str(proof)


def test_a_reducer_of_a_field_of_the_state_is_watched_too():
    class Notes(BaseModel):
        total: Annotated[int, keeps_the_first] = 0

    branches = [Notes(total=total) for total in (3, 1, 4)]
    proof = prove_merge(MergeStrategy.ALL_SUCCESS, branches, base=Notes())

    assert proof.verdict == "refuted"
    assert "Once.last" in str(proof)


def test_a_rule_that_writes_a_file_is_not_called_proven(tmp_path):
    def noting(base, values):
        (tmp_path / "notes").write_text("merged", encoding="utf-8")
        return sum(values)

    proof = prove_merge(noting, [1, 2, 3], base=0)

    assert proof.verdict == "unproven"
    assert "a file was opened" in str(proof)


@settings(max_examples=20)
@given(values=st.lists(st.integers(0, 20), min_size=2, max_size=4), rounds=st.integers(1, 8))
def test_a_rule_that_turns_after_some_merges_is_never_proven(values, rounds):
    """Whenever a rule changes its mind by what it has merged before, that is at least a caveat."""
    merged = []

    def turning(base, given):
        merged.append(given)
        return sum(given) + (len(merged) > rounds)

    proof = prove_merge(turning, values, base=0)

    assert proof.verdict in ("refuted", "unproven")


def test_trials_leave_nothing_behind():
    prove_merge(keeps_the_first, [3, 1, 4], base=0)

    assert Once.last is None


@functools.lru_cache
def _list_of(number):
    return []


@functools.cache
def _dict_of(number):
    return {}


def fills_what_is_cached(base, values):
    _list_of(0).append(1)
    return sum(values) + (len(_list_of(0)) > 10_000)


def fills_a_cached_dict(base, values):
    found = _dict_of(0)
    found[len(found)] = 1
    return sum(values) + (len(found) > 10_000)


@pytest.mark.parametrize("rule", [fills_what_is_cached, fills_a_cached_dict])
def test_what_a_cache_has_given_may_be_changed_by_whoever_got_it(rule):
    proof = prove_merge(rule, [3, 1, 4], base=0)

    assert proof.verdict == "unproven"
    assert "keeps what can be changed" in str(proof)


def test_a_rule_that_always_fails_says_so_once():
    def fails(base, values):
        raise ValueError("no good")

    assert str(prove_merge(fails, [1, 2], base=0)).count("no good") == 1


QUEUE, EVENT = asyncio.Queue(), asyncio.Event()
PERMITS = asyncio.Semaphore(10_000)


def counts_in_a_queue(base, values):
    QUEUE.put_nowait(1)
    return sum(values) + (QUEUE.qsize() > 10_000)


def marks_an_event(base, values):
    before = EVENT.is_set()
    if len(values) > 5:
        EVENT.set()
    return sum(values) + before


def gives_permits(base, values):
    PERMITS.release()
    return sum(values) + (PERMITS._value > 100_000)


@pytest.mark.parametrize("rule", [counts_in_a_queue, marks_an_event, gives_permits])
def test_what_asyncio_keeps_is_a_state_of_a_rule(rule):
    """Nothing notes who touches these while a rule is tried."""
    proof = prove_merge(rule, [1, 2, 3, 4, 5, 6], base=0)

    assert proof.verdict in ("refuted", "unproven")
    assert "a state of its own" in str(proof)
