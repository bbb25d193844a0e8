"""The five deciders against an oracle that knows how every branch would have ended."""

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_sys import AllSuccess, BestEffort, FirstSuccess, Majority, Race
from lift_sys.core.strategies import Strategy
from lift_sys.execution.deciders import Decider, decider_for

FAILED = "failed"
ENDINGS = ("a", "b", "c", FAILED)  # what a branch votes, or that it failed

any_ending = st.sampled_from(ENDINGS)
quorums = st.one_of(
    st.sampled_from(["plurality", "majority", "all"]),
    st.integers(1, 6),
    st.sampled_from([0.1, 0.25, 0.5, 0.6, 2 / 3, 0.75, 1.0]),
)
strategies = st.one_of(
    st.just(FirstSuccess()),
    st.just(Race()),
    st.just(AllSuccess()),
    st.builds(BestEffort, min_success=st.integers(0, 6)),
    st.builds(Majority, quorum=quorums),
)


@st.composite
def finished_groups(draw: st.DrawFn) -> tuple[list[str], list[int]]:
    """How each branch ends, and the order in which they do."""
    endings = draw(st.lists(any_ending, min_size=1, max_size=5))
    return endings, draw(st.permutations(range(len(endings))))


def verdict(strategy: Strategy, endings: Sequence[str], order: Sequence[int]) -> Any:
    """What a group comes to when all is known: a winner, a set of survivors, or None."""
    successes = [index for index in range(len(endings)) if endings[index] != FAILED]
    match strategy:
        case FirstSuccess():
            return successes[0] if successes else None
        case Race():
            return next((index for index in order if endings[index] != FAILED), None)
        case AllSuccess():
            return frozenset(successes) if len(successes) == len(endings) else None
        case BestEffort(min_success=least):
            return frozenset(successes) if len(successes) >= least else None
        case Majority():
            camps = {
                endings[i]: [j for j in successes if endings[j] == endings[i]] for i in successes
            }
            best = min(camps.values(), key=lambda camp: (-len(camp), camp[0]), default=[])
            return best[0] if best and len(best) >= strategy.votes_needed(len(endings)) else None


def decision(decider: Decider) -> Any:
    """The verdict as the decider gives it."""
    if decider.unmet:
        return None
    return decider.winner if decider.takes_one else frozenset(decider.successes)


def possible_verdicts(
    strategy: Strategy, endings: Sequence[str], order: Sequence[int], known: int
) -> set[Any]:
    """All that can come out if only the first `known` branches in `order` have ended."""
    pending = order[known:]
    verdicts = set()
    for rest in itertools.product(ENDINGS, repeat=len(pending)):
        whole = list(endings)
        for index, ending in zip(pending, rest, strict=True):
            whole[index] = ending
        # Which of the pending ones ends next is open, too.
        for index in pending[:] or [None]:
            later = [*order[:known], *([] if index is None else [index]), *pending]
            verdicts.add(verdict(strategy, whole, list(dict.fromkeys(later))))
    return verdicts


@given(strategy=strategies, group=finished_groups())
def test_each_decides_rightly_and_as_early_as_possible(
    strategy: Strategy, group: tuple[list[str], list[int]]
):
    """It is decided exactly when no branch that is pending can change the verdict."""
    endings, order = group
    decider = decider_for(strategy, len(endings))

    for known, index in enumerate(order, start=1):
        ending = endings[index]
        decider.add(index, success=ending != FAILED, vote=ending)
        verdicts = possible_verdicts(strategy, endings, order, known)

        assert decider.decided == (len(verdicts) == 1), f"after {known} of {endings} in {order}"
        if decider.decided:
            assert decision(decider) == verdict(strategy, endings, order)
            break


@given(strategy=strategies, group=finished_groups(), data=st.data())
def test_the_order_of_completion_matters_to_a_race_only(
    strategy: Strategy, group: tuple[list[str], list[int]], data: st.DataObject
):
    """Whoever finishes first: where each stops as early as it can, all orders agree."""
    endings, order = group

    def outcome(order: Sequence[int]) -> Any:
        decider = decider_for(strategy, len(endings))
        for index in order:
            decider.add(index, success=endings[index] != FAILED, vote=endings[index])
            if decider.decided:
                break
        return decision(decider)

    one, other = outcome(order), outcome(data.draw(st.permutations(order)))

    if isinstance(strategy, Race):
        assert (one is None) == (other is None)
    else:
        assert one == other


@given(group=finished_groups())
def test_patience_waits_for_everybody(group: tuple[list[str], list[int]]):
    """Without fail_fast a group goes on after a failure, so that all failures are reported."""
    endings, order = group
    decider = decider_for(AllSuccess(fail_fast=False), len(endings))

    for index in order:
        assert not decider.decided
        decider.add(index, success=endings[index] != FAILED)

    assert decider.decided
    assert bool(decider.unmet) == (FAILED in endings)


@given(group=finished_groups(), quorum=quorums)
def test_the_vote_counts_every_success_once(group: tuple[list[str], list[int]], quorum: Any):
    """Classes are a partition of the successes, largest first, ties by lowest index."""
    endings, order = group
    decider = decider_for(Majority(quorum=quorum), len(endings))
    for index in order:
        decider.add(index, success=endings[index] != FAILED, vote=endings[index])

    vote = decider.vote

    cast = [index for index in range(len(endings)) if endings[index] != FAILED]
    if vote is None:
        assert not cast
        return
    assert sorted(itertools.chain(*vote.classes)) == cast
    assert all(len({endings[index] for index in members}) == 1 for members in vote.classes)
    assert list(vote.classes) == sorted(vote.classes, key=lambda some: (-len(some), some[0]))
    assert vote.winner == vote.classes[0][0]
    assert vote.share == len(vote.classes[0]) / len(cast)


@pytest.mark.parametrize(
    ("quorum", "branches", "needed"),
    [
        ("plurality", 7, 1),
        ("majority", 7, 4),
        ("majority", 8, 5),
        ("all", 7, 7),
        (3, 7, 3),
        (9, 7, 9),
        (0.5, 8, 4),
        (0.5, 7, 4),
        (0.7, 10, 7),
        (0.1, 10, 1),
        (1.0, 7, 7),
        (1e-6, 7, 1),
    ],
)
def test_a_quorum_is_a_number_of_votes(quorum: Any, branches: int, needed: int):
    """Words, counts and shares are all of the branches, rounded up, and never below one vote."""
    assert Majority(quorum=quorum).votes_needed(branches) == needed


@pytest.mark.parametrize("quorum", [0, -1, 0.0, 1.5, True, "most"])
def test_no_quorum_is_refused_late(quorum: Any):
    """What is no quorum is said when the strategy is made, not when the votes are in."""
    with pytest.raises(ValueError, match="quorum is 'plurality'"):
        Majority(quorum=quorum)
