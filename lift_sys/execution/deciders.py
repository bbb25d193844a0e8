"""When a group is decided, and for whom: the five strategies, fed one finished branch at a time.

A decider is told how each branch ended, in order of completion. `decided` turns true as soon as no
branch that is still under way can change the outcome; then the rest is cancelled. What it decides
is a function of how the branches ended, not of when, except for RACE.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from lift_sys.core.strategies import (
    AllSuccess,
    BestEffort,
    FirstSuccess,
    Majority,
    Race,
    Strategy,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """How branches voted, where the strategy is `Majority`.

    Attributes:
        classes: Indices of the branches that agree with each other, a tuple for each class; the
            largest class first, equal sizes by lowest index.
        winner: Index of the branch whose context is taken: the lowest of the first class.
        cast: Number of branches that succeeded in time to vote.
        share: Part of the votes cast that the winner has, 0 to 1.
    """

    classes: tuple[tuple[int, ...], ...]
    winner: int
    cast: int
    share: float


class Decider:
    """Base: how many branches there are, and which are still under way."""

    #: Whether one branch's context is taken as a whole; otherwise the survivors are merged.
    takes_one = False

    def __init__(self, total: int) -> None:
        self.total = total
        self.pending = set(range(total))
        self.successes: list[int] = []
        self._lowest = 0

    def add(self, index: int, *, success: bool, vote: Hashable = None) -> None:
        """Note that a branch ended; `vote` is what a majority compares."""
        self.pending.discard(index)
        if success:
            self.successes.append(index)

    @property
    def first_pending(self) -> int:
        """The lowest index that is under way; `total` if there is none."""
        while self._lowest < self.total and self._lowest not in self.pending:
            self._lowest += 1
        return self._lowest

    @property
    def decided(self) -> bool:
        """Whether no pending branch can change the outcome."""
        return not self.pending

    @property
    def winner(self) -> int | None:
        """The branch whose context is taken, if the strategy takes one and has one."""
        return None

    @property
    def unmet(self) -> str:
        """What was asked for and not met; empty if the strategy was met."""
        return ""

    @property
    def vote(self) -> Vote | None:
        """The votes, where there are any."""
        return None


class FirstSuccessDecider(Decider):
    """The lowest index that succeeds, once every lower one has failed."""

    takes_one = True

    def __init__(self, total: int) -> None:
        super().__init__(total)
        self._best = total

    def add(self, index: int, *, success: bool, vote: Hashable = None) -> None:
        """Remember the lowest success."""
        super().add(index, success=success)
        if success:
            self._best = min(self._best, index)

    @property
    def winner(self) -> int | None:
        """The lowest success, if no lower branch is pending."""
        best = self._best
        return best if best < self.total and best < self.first_pending else None

    @property
    def decided(self) -> bool:
        """Decided by a winner, or when all have ended."""
        return not self.pending or self.winner is not None

    @property
    def unmet(self) -> str:
        """One success is enough."""
        return "" if self.successes else "no branch succeeded"


class RaceDecider(Decider):
    """The branch that succeeds first in time."""

    takes_one = True

    @property
    def winner(self) -> int | None:
        """The first success so far."""
        return self.successes[0] if self.successes else None

    @property
    def decided(self) -> bool:
        """Decided at the first success."""
        return not self.pending or bool(self.successes)

    @property
    def unmet(self) -> str:
        """One success is enough."""
        return "" if self.successes else "no branch succeeded"


class AllSuccessDecider(Decider):
    """All of them."""

    def __init__(self, total: int, *, fail_fast: bool) -> None:
        super().__init__(total)
        self.fail_fast = fail_fast

    @property
    def decided(self) -> bool:
        """Decided when all have ended, or at the first failure if it is to fail fast."""
        failed = self.total - len(self.pending) > len(self.successes)
        return not self.pending or (self.fail_fast and failed)

    @property
    def unmet(self) -> str:
        """Any branch that did not succeed."""
        missing = self.total - len(self.successes)
        return f"{missing} of {self.total} branches did not succeed" if missing else ""


class BestEffortDecider(Decider):
    """Whoever succeeds, if they are enough."""

    def __init__(self, total: int, *, min_success: int) -> None:
        super().__init__(total)
        self.min_success = min_success

    @property
    def decided(self) -> bool:
        """Decided when all have ended, or when the minimum is out of reach."""
        reachable = len(self.successes) + len(self.pending)
        return not self.pending or reachable < self.min_success

    @property
    def unmet(self) -> str:
        """Fewer than the minimum."""
        got = len(self.successes)
        if got >= self.min_success:
            return ""
        return f"{got} of {self.total} branches succeeded, at least {self.min_success} must"


class MajorityDecider(Decider):
    """The largest class of branches that agree; ties go to the lowest index."""

    takes_one = True

    def __init__(self, total: int, *, needed: int) -> None:
        super().__init__(total)
        self.needed = needed
        self.classes: dict[Hashable, list[int]] = {}
        self._largest = 0

    def add(self, index: int, *, success: bool, vote: Hashable = None) -> None:
        """Count the branch into its class."""
        super().add(index, success=success)
        if success:
            members = self.classes.setdefault(vote, [])
            members.append(index)
            self._largest = max(self._largest, len(members))

    def _ranked(self) -> list[list[int]]:
        return sorted(self.classes.values(), key=lambda members: (-len(members), min(members)))

    @property
    def winner(self) -> int | None:
        """The lowest member of the largest class, if that has the votes it needs."""
        ranked = self._ranked()
        if not ranked or len(ranked[0]) < self.needed:
            return None
        return min(ranked[0])

    @property
    def decided(self) -> bool:
        """Decided when neither the winning class nor its lowest member can change.

        That is so too when no class can get the votes it needs any more.
        """
        left = len(self.pending)
        if not left:
            return True
        if self._largest + left < self.needed:
            return True
        if self._largest < self.needed or self._largest < left or not self.classes:
            return False
        ranked = self._ranked()
        leader = ranked[0]
        lowest, next_in = min(leader), self.first_pending
        if next_in < lowest:
            return False  # it could become the class's lowest member, or lead a tie
        # A rival at its best gets every pending vote; at equal size its lowest index decides.
        rivals = [(len(members), min(members)) for members in ranked[1:]] + [(0, next_in)]
        return all(
            votes + left < len(leader) or (votes + left == len(leader) and lowest < first)
            for votes, first in rivals
        )

    @property
    def unmet(self) -> str:
        """No class is large enough."""
        if self.winner is not None:
            return ""
        largest = len(self._ranked()[0]) if self.classes else 0
        if not largest:
            return "no branch succeeded"
        return f"the largest class has {largest} of {self.total} votes, it needs {self.needed}"

    @property
    def vote(self) -> Vote | None:
        """The classes as they stand."""
        ranked = self._ranked()
        if not ranked:
            return None
        cast = sum(map(len, ranked))
        return Vote(
            classes=tuple(tuple(sorted(members)) for members in ranked),
            winner=min(ranked[0]),
            cast=cast,
            share=len(ranked[0]) / cast,
        )


def decider_for(strategy: Strategy, total: int) -> Decider:
    """The decider of `strategy` over `total` branches."""
    if isinstance(strategy, FirstSuccess):
        return FirstSuccessDecider(total)
    if isinstance(strategy, Race):
        return RaceDecider(total)
    if isinstance(strategy, AllSuccess):
        return AllSuccessDecider(total, fail_fast=strategy.fail_fast)
    if isinstance(strategy, BestEffort):
        return BestEffortDecider(total, min_success=strategy.min_success)
    assert isinstance(strategy, Majority)
    return MajorityDecider(total, needed=strategy.votes_needed(total))
