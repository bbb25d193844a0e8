"""How the branches of a group become one result: the five strategies as plain data.

`MergeStrategy` members name the strategies with their defaults; an object carries parameters:
`Majority(quorum="all", key="label")`. When they are met is in `execution/deciders.py`, and what they
take in `execution/join.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from lift_sys.execution.results import NodeResult

    #: Says whether a branch's result counts as a success.
    Accept: TypeAlias = Callable[[NodeResult[Any]], bool]
    #: What votes are compared by: the whole state (None), some of its fields, or a function of it.
    VoteKey: TypeAlias = str | tuple[str, ...] | Callable[[Any], Hashable] | None

#: How many votes the winner needs: a word, a count (int), or a share of all branches (float ≤ 1).
Quorum: TypeAlias = Literal["plurality", "majority", "all"] | int | float


class MergeStrategy(StrEnum):
    """The strategies with their default parameters."""

    FIRST_SUCCESS = "first_success"
    """The whole context of the lowest declared index that succeeded."""
    RACE = "race"
    """The whole context of the branch that finished first; the others are cancelled."""
    ALL_SUCCESS = "all_success"
    """Three-way merge of all branches; all have to succeed."""
    BEST_EFFORT = "best_effort"
    """Three-way merge of the branches that succeeded; at least one has to."""
    MAJORITY = "majority"
    """The context that most branches agree on; ties go to the lowest index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstSuccess:
    """Take the lowest declared index that succeeded (and was accepted).

    It waits for all lower indices, so the winner never depends on speed; when they have failed,
    the rest are cancelled.
    """

    accept: Accept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Take the branch that succeeds (and is accepted) first in time; cancel the others.

    The one strategy whose winner depends on speed.
    """

    accept: Accept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllSuccess:
    """Merge all branches; one failure fails the group.

    Attributes:
        fail_fast: Cancel the others at the first failure. False: let all finish, report all.
    """

    fail_fast: bool = True
    accept: Accept | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BestEffort:
    """Merge the branches that succeeded, if at least `min_success` did (0 is allowed)."""

    min_success: int = 1
    accept: Accept | None = None

    def __post_init__(self) -> None:
        if self.min_success < 0:
            raise ValueError(f"min_success must be ≥0, not {self.min_success!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority:
    """Take the context that most branches agree on; ties go to the lowest declared index.

    Attributes:
        quorum: Votes that the winner needs: "plurality" (any), "majority" (more than half of all
            branches), "all", a count (int) or a share of all branches (float, 0 to 1).
        key: What is compared: the state's canonical digest (None), the field or fields of that
            name, or a function of the state. Never metadata or provenance.
    """

    quorum: Quorum = "plurality"
    key: VoteKey = None
    accept: Accept | None = None

    def __post_init__(self) -> None:
        quorum = self.quorum
        if isinstance(quorum, str):
            fine = quorum in ("plurality", "majority", "all")
        elif isinstance(quorum, float):
            fine = 0 < quorum <= 1
        else:
            fine = type(quorum) is int and quorum >= 1
        if not fine:
            raise ValueError(
                f"quorum is 'plurality', 'majority', 'all', a count ≥1 or a share in (0, 1], "
                f"not {quorum!r}"
            )

    def votes_needed(self, branches: int) -> int:
        """How many of `branches` votes the winning class needs."""
        quorum = self.quorum
        if quorum == "plurality":
            return 1
        if quorum == "majority":
            return branches // 2 + 1
        if quorum == "all":
            return branches
        if isinstance(quorum, float):
            # Not math.ceil(quorum * branches): 0.7 * 10 is 7.000000000000001 in binary.
            return next(votes for votes in range(branches + 1) if votes >= quorum * branches - 1e-9)
        assert isinstance(quorum, int)
        return quorum


Strategy: TypeAlias = FirstSuccess | Race | AllSuccess | BestEffort | Majority

_DEFAULTS: dict[MergeStrategy, Strategy] = {
    MergeStrategy.FIRST_SUCCESS: FirstSuccess(),
    MergeStrategy.RACE: Race(),
    MergeStrategy.ALL_SUCCESS: AllSuccess(),
    MergeStrategy.BEST_EFFORT: BestEffort(),
    MergeStrategy.MAJORITY: Majority(),
}


def strategy_for(
    strategy: MergeStrategy | Strategy, *, accept: Accept | None, fail_fast: bool | None
) -> Strategy:
    """The strategy that `strategy` is or names, with what a fork sets besides.

    Raises:
        TypeError: It is no strategy, or takes no `fail_fast`.
    """
    found = as_strategy(strategy)
    if accept is not None:
        found = replace(found, accept=accept)
    if fail_fast is not None:
        if not isinstance(found, AllSuccess):
            raise TypeError(
                f"fail_fast belongs to ALL_SUCCESS; {type(found).__name__} decides by itself "
                f"when to stop. Leave it out of this Fork."
            )
        found = replace(found, fail_fast=fail_fast)
    return found


def as_strategy(strategy: MergeStrategy | Strategy) -> Strategy:
    """Return the strategy object that `strategy` is or names.

    Raises:
        TypeError: It is neither a member of `MergeStrategy` nor a strategy object.
    """
    if isinstance(strategy, MergeStrategy):
        return _DEFAULTS[strategy]
    if isinstance(strategy, Strategy):
        return strategy
    raise TypeError(
        f"strategy must be a MergeStrategy member or one of FirstSuccess, Race, AllSuccess, "
        f"BestEffort and Majority, not {strategy!r}"
    )
