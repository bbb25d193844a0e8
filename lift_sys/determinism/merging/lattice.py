"""The lattice of subsets of branches: climbed from the single ones, each subset by all its ways."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import TypeAlias

from lift_sys.determinism.merging.ways import Folds, Joins, Merged, Reductions

Merge: TypeAlias = Joins | Reductions | Folds


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """Where two ways of merging the same branches differ.

    Attributes:
        subset: Indices of the branches that are merged.
        branch: The one that arrives last on the second way.
        first, second: What the two ways give, as text.
        reason: What is wrong, in a sentence.
        when: What is different about the second way.
    """

    subset: tuple[int, ...]
    branch: int
    first: str
    second: str
    reason: str
    when: str

    def __str__(self) -> str:
        text = f"{self.reason}: branches {list(self.subset)} give {self.first}"
        return text if self.first == self.second else f"{text}, but {self.second} {self.when}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """What one climb came to.

    Attributes:
        refutation: Where it ended before the top, or why the top is of no use.
        merges: How many merges were made.
        reached: What each subset gave, by its first way.
        declared_order_matters: Whether values declared in another order give something else.
        signs: Why it may come to something else another time.
    """

    refutation: Refutation | None = None
    merges: int = 0
    reached: Mapping[tuple[int, ...], Merged] = field(default_factory=dict)
    declared_order_matters: bool = False
    signs: tuple[str, ...] = ()

    def because(self, signs: Sequence[str]) -> Climb:
        """The same, with these as grounds of its refutation."""
        if self.refutation is None or not signs:
            return self
        reason = "; ".join([self.refutation.reason, *signs])
        return replace(self, refutation=replace(self.refutation, reason=reason))


def merges_of(count: int) -> int:
    """How many merges the whole lattice of `count` branches takes."""
    return count << max(0, count - 1)


def subsets_within(count: int, budget: int) -> list[tuple[int, ...]]:
    """Subsets of `count` branches, the small ones first: all of them, if they take no more merges.

    Otherwise all branches and the single ones, and others that are drawn, always the same.
    """
    if merges_of(count) <= budget:
        sizes = range(1, count + 1)
        return [each for size in sizes for each in itertools.combinations(range(count), size)]
    chosen = {(index,) for index in range(count)} | {tuple(range(count))}
    left, random = budget - 2 * count, Random(0)
    while left > 0 and count > 2:
        subset = tuple(sorted(random.sample(range(count), random.randrange(2, count))))
        if subset not in chosen:
            left -= len(subset)
            if left >= 0:
                chosen.add(subset)
    return sorted(chosen, key=lambda subset: (len(subset), subset))


def climbed(merge: Merge, *, budget: int, backwards: bool = False) -> Climb:
    """Go up the lattice of subsets; each is reached from all that are smaller by one.

    Args:
        merge: Merges branches, given in order of arrival.
        budget: Most merges; of a larger lattice some subsets are visited only.
        backwards: Whether the subsets of one size are visited in the opposite order.
    """
    merges = 0
    reached: dict[tuple[int, ...], Merged] = {}
    for _, same_size in itertools.groupby(subsets_within(merge.count, budget), key=len):
        subsets = list(same_size)
        for subset in reversed(subsets) if backwards else subsets:
            for last in reversed(subset):  # the first way is the declared order
                merged = merge((*(each for each in subset if each != last), last))
                merges += 1
                first = reached.setdefault(subset, merged)
                if merged.digest != first.digest:
                    when = merge.when(last)
                    refutation = _refutation(subset, last, first, merged, merge.fault, when)
                    return Climb(refutation=refutation, merges=merges, reached=reached)
    return Climb(
        refutation=_useless(merge, reached),
        merges=merges,
        reached=reached,
        declared_order_matters=(
            isinstance(merge, Reductions) and not backwards and merge.declared_order_matters()
        ),
    )


def _useless(merge: Merge, reached: Mapping[tuple[int, ...], Merged]) -> Refutation | None:
    """What is wrong with the top though all ways lead to it."""
    everything = tuple(range(merge.count))
    whole = reached.get(everything)
    if whole is None:
        return None
    if not isinstance(merge, Joins):
        if not whole.raised:
            return None
        reason = "it can't combine these values, whatever the order"
        return _refutation(everything, everything[-1], whole, whole, reason, "in any other")
    early = merge.too_early(whole, sorted(reached, key=lambda subset: (len(subset), subset)))
    if early is None:
        return None
    subset, decided = early
    reason = "it is decided before all have ended, and for something else"
    when = "if they are decided on before the others have ended"
    return _refutation(subset, subset[-1], whole, decided, reason, when)


def first_difference(one: Climb, other: Climb) -> Refutation | None:
    """Of two whole climbs, the smallest subset for which they gave something else."""
    for subset, first in one.reached.items():
        second = other.reached[subset]
        if first.digest != second.digest:
            reason = "the same values give something else another time"
            when = "when it begins with other branches, at another time"
            return _refutation(subset, subset[-1], first, second, reason, when)
    return None


def _refutation(
    subset: tuple[int, ...], last: int, first: Merged, second: Merged, reason: str, when: str
) -> Refutation:
    return Refutation(
        subset=subset, branch=last, first=first.text, second=second.text, reason=reason, when=when
    )
