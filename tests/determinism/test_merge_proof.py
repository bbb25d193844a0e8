"""Merges are proved over the lattice of subsets: 192 of them for 6 branches instead of 720 orders."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import FirstSuccess, Majority, MergeStrategy
from lift_sys.determinism.merging.proof import prove_merge
from lift_sys.errors import UsageError
from lift_sys.execution.deciders import MajorityDecider
from lift_sys.reducers import Append, Last, Max, MergeDict, Min, Sum, Union, UnionBy

REDUCERS = [Append(), Union(), UnionBy("id"), Sum(), Max(), Min(), MergeDict(), Last()]
STRATEGIES = [strategy for strategy in MergeStrategy if strategy is not MergeStrategy.RACE]


class State(BaseModel):
    answer: int = 0


@pytest.mark.parametrize("rule", [*STRATEGIES, Majority(key="best"), *REDUCERS], ids=str)
def test_every_shipped_rule_holds_at_six_branches_within_a_second(rule):
    started = time.process_time()
    proof = prove_merge(rule)

    assert proof.holds
    assert proof.grade.name == "PROVEN"
    assert (proof.branches, proof.merges) == (6, 192)
    assert time.process_time() - started < 1


def test_race_is_order_dependent_by_definition():
    proof = prove_merge(MergeStrategy.RACE)

    assert proof.verdict == "order_dependent"
    assert proof.refutation is None
    assert "by definition" in str(proof)


def test_declared_order_is_information_and_no_fault():
    ordered = {type(rule).__name__ for rule in REDUCERS if prove_merge(rule).declared_order_matters}

    assert ordered == {"Append", "UnionBy", "MergeDict", "Last"}


def test_reducer_with_a_state_of_its_own_is_refuted_with_the_subset():
    calls = []

    def numbered(base, values):
        calls.append(base)
        return sum(values) + (len(calls) > 4)

    proof = prove_merge(numbered, [1, 2, 3], base=0)

    assert proof.verdict == "refuted"
    assert proof.refutation.subset == (0, 1)
    assert proof.refutation.branch == 0
    assert "state of its own" in proof.refutation.reason


def test_streaming_merge_that_depends_on_arrival_is_refuted():
    def collect(so_far, value):
        so_far.append(value)
        return so_far

    proof = prove_merge(collect, ["a", "b", "c"], base=[], streaming=True)

    assert proof.refutation.subset == (0, 1)
    assert {proof.refutation.first, proof.refutation.second} == {"['a', 'b']", "['b', 'a']"}


def test_float_sum_is_refuted_only_where_three_meet():
    proof = prove_merge(
        lambda total, value: total + value, [0.1, 0.2, 0.3], base=0.0, streaming=True
    )

    assert proof.refutation.subset == (0, 1, 2)


@settings(max_examples=30)  # each forks processes
@given(values=st.lists(st.integers(-3, 3), min_size=1, max_size=4), base=st.integers(-2, 2))
def test_streaming_verdict_is_that_of_all_permutations(values, base):
    """The lattice says what trying every order says."""

    def fold(so_far, value):  # commutes for equal and for small values only
        return so_far + value if abs(so_far) < 3 else so_far * 2

    def whole(order):
        total = base
        for value in order:
            total = fold(total, value)
        return total

    proof = prove_merge(fold, values, base=base, streaming=True)

    subsets = [c for size in range(1, 5) for c in itertools.combinations(values, size)]
    orders_agree = all(len({whole(o) for o in itertools.permutations(s)}) == 1 for s in subsets)
    assert proof.holds == orders_agree


def test_key_that_changes_its_mind_is_refuted():
    asked = []

    def key(state):
        asked.append(state)
        return state.answer if (len(asked) - 1) // 3 % 2 else len(asked)

    branches = [State(answer=answer) for answer in (2, 1, 1)]
    proof = prove_merge(Majority(key=key), branches, base=State())

    assert proof.verdict == "refuted"


def test_strategy_that_decides_too_early_is_refuted(monkeypatch):
    # With this, a majority is decided by its first vote.
    monkeypatch.setattr(MajorityDecider, "decided", property(lambda self: bool(self.classes)))
    branches = [State(answer=answer) for answer in (2, 1, 1)]

    proof = prove_merge(MergeStrategy.MAJORITY, branches, base=State())

    assert proof.refutation.subset == (0,)
    assert "before all have ended" in proof.refutation.reason


def test_failing_branches_take_part():
    branches = [ValueError("no"), State(answer=1), State(answer=2)]

    assert prove_merge(FirstSuccess(), branches, base=State()).holds


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: prove_merge(lambda base, values: base), "give `branches`"),
        (lambda: prove_merge("majority"), "no strategy and no reducer"),
        (lambda: prove_merge(MergeStrategy.MAJORITY, [State()]), "the state before the fork"),
    ],
)
def test_unusable_rule_is_a_clear_error(call, match):
    with pytest.raises(UsageError, match=match):
        call()


@pytest.mark.parametrize("rule", [lambda base, values: 1 / 0, lambda base: base])
def test_a_rule_that_always_raises_is_not_proven(rule):
    proof = prove_merge(rule, [1, 2, 3], base=0)

    assert not proof.holds
    assert "can't combine these values" in str(proof)


def test_more_branches_than_can_be_proven_are_sampled_and_say_so():
    """2^30 subsets would never end; those that are drawn are always the same."""
    proof = prove_merge(MergeStrategy.MAJORITY, n=30, budget=500)

    assert proof.grade == "sampled"
    assert proof.verdict == "unproven"
    assert proof.merges <= 500
    assert f"{proof.merges} merges were sampled, all would be 16,106,127,360" in str(proof)
    assert prove_merge(MergeStrategy.MAJORITY, n=30, budget=500).merges == proof.merges


def test_a_sample_refutes_too():
    values = [float(10**index) for index in range(14)]
    proof = prove_merge(lambda so_far, value: so_far / 3 + value, values, base=0.1, streaming=True)

    assert proof.verdict == "refuted"


def test_the_lattice_is_whole_within_the_budget():
    assert prove_merge(MergeStrategy.ALL_SUCCESS, n=4, budget=32).grade == "proven"
    assert prove_merge(MergeStrategy.ALL_SUCCESS, n=4, budget=31).grade == "sampled"


def test_one_branch_shows_nothing():
    text = str(prove_merge(Append(), [["a"]], base=[]))

    assert "1 branch, 1 merge: there is one order only, so nothing was shown" in text


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: prove_merge(Append), "Append is a class: give one that is made, `Append\\(\\)`"),
        (
            lambda: prove_merge(MergeStrategy.ALL_SUCCESS, [1, 2], base=0),
            "but `base` is of type int",
        ),
        (lambda: prove_merge(Append(), budget=0), "budget=0: give a whole number"),
    ],
)
def test_what_can_not_be_merged_is_said(call, match):
    with pytest.raises(UsageError, match=match):
        call()
