"""Proofs that a merge does not depend on the order of arrival, made on the merge and not on schedules.

For every subset of the branches, all ways of reaching it must give the same: then, by induction, all
orders do. That is `2^n` states and `n * 2^(n-1)` merges instead of `n!` orders. It holds for the
given branches; to test a rule in general, let hypothesis draw them. A rule with a hidden state has none
of this: so one that is not ours is merged in processes of its own, and where it could have such a
state, again from the start: the subsets the other way around, with other times and random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from lift_sys.core.strategies import MergeStrategy, Race, Strategy, as_strategy
from lift_sys.determinism.evidence import Grade
from lift_sys.determinism.merging.lattice import (
    Climb,
    Merge,
    Refutation,
    climbed,
    first_difference,
    merges_of,
    subsets_within,
)
from lift_sys.determinism.merging.samples import sample_branches, sample_values
from lift_sys.determinism.merging.trials import is_ours, is_watchable_here, tried
from lift_sys.determinism.merging.ways import Folds, Joins, Reductions
from lift_sys.errors import UsageError
from lift_sys.execution.log import counted
from lift_sys.state.reducers import Reducer

Verdict: TypeAlias = Literal["holds", "order_dependent", "refuted", "unproven"]
"""Proven; dependent on order by definition, as RACE; refuted; or nothing seen, and no proof either."""

_LEVELS = (1, 2, 3)
_MOST_MERGES = 25_000  # 12 branches take 24,576
_NO_FORK = "this platform has no fork, so the rule was not tried from the start again"


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProof:
    """Whether a merge depends on the order of arrival.

    Attributes:
        rule: The strategy or reducer.
        branches: How many branches were merged.
        verdict: `holds`; `order_dependent` by definition, as of RACE; `refuted`; or `unproven`, where
            no difference was seen, but `caveats` tell how there could be one.
        declared_order_matters: Whether branches declared in another order would give something
            else. That is no fault: a reducer gets its values in declared order.
        refutation: Where it fails.
        caveats: What the rule keeps, asks or does that could make it give something else another
            time; and how many merges were sampled, if not all were made. The grade is SAMPLED then.
        merges: How many merges were made.
        seconds: Wall time.
    """

    rule: str
    branches: int
    verdict: Verdict
    declared_order_matters: bool
    refutation: Refutation | None
    merges: int
    seconds: float
    caveats: tuple[str, ...] = ()

    @property
    def grade(self) -> Grade:
        """PROVEN, unless there are caveats."""
        return Grade.SAMPLED if self.caveats else Grade.PROVEN

    @property
    def holds(self) -> bool:
        """Whether the order of arrival never matters, for these branches."""
        return self.verdict == "holds"

    def __str__(self) -> str:
        head = (
            f"{self.rule}, {counted(self.branches, 'branch', 'branches')}, "
            f"{counted(self.merges, 'merge')}: "
        )
        if self.verdict == "order_dependent":
            return head + "depends on the order of arrival by definition"
        if self.branches < 2 and self.refutation is None:
            return head + "there is one order only, so nothing was shown"
        if self.refutation is None:
            seen = "was seen to matter" if self.caveats else "matters"
            text = f"{head}no order of arrival {seen}"
            text += "; declared order does" if self.declared_order_matters else ""
            return text + "".join(f"; not proven: {caveat}" for caveat in self.caveats)
        return f"{head}{self.refutation}"


def prove_merge(
    rule: MergeStrategy | Strategy | Reducer | Callable[[Any, Any], Any],
    branches: Sequence[Any] | None = None,
    *,
    base: Any = None,
    n: int = 6,
    streaming: bool = False,
    budget: int = _MOST_MERGES,
) -> MergeProof:
    """Prove that what `rule` makes of `branches` does not depend on the order in which they end.

    A rule of your own is merged in forks of this process: what it keeps from merge to merge, the time
    and random numbers are watched there and moved, and what it prints is lost. It is proven only if it
    uses none of these.

    Args:
        rule: A strategy, a reducer `(base, values) -> value`, or with `streaming` a function
            `(so_far, value) -> so_far` that is fed one value after the other as they arrive.
        branches: For a strategy the state that each branch ends with, or the exception that it
            ends with; for a reducer the value that each gives. By default `n` samples that suit the
            strategies and reducers of lift_sys.
        base: The state, or value, before the fork. For `streaming`, what it begins with.
        n: How many samples.
        streaming: Whether `rule` is fed in order of arrival.
        budget: Most merges. `n` branches take `n * 2^(n-1)`, so 12 are proven by default; of more,
            subsets are drawn, always the same, and the grade is SAMPLED.

    Raises:
        UsageError: The rule is none, or it is not one of ours and no branches are given.
        CanonicalError: A merged value has no canonical form.
        AttributionError: A merge ended its process.
    """
    started = time.perf_counter()
    if isinstance(rule, type):
        raise UsageError(f"{rule.__name__} is a class: give one that is made, `{rule.__name__}()`.")
    if type(budget) is not int or budget < 1:
        raise UsageError(f"budget={budget!r}: give a whole number of merges, 1 or more.")
    if type(n) is not int or n < 1:
        raise UsageError(f"n={n!r}: give a whole number of samples, 1 or more.")
    if branches is not None and (isinstance(branches, str) or not isinstance(branches, Sequence)):
        raise UsageError(f"`branches` is {branches!r}: give a list of what each branch comes to.")
    strategy: Strategy | None = None
    reducer: Callable[[Any, Any], Any] | None = None
    if isinstance(rule, (MergeStrategy, Strategy)):
        strategy = as_strategy(rule)
    elif callable(rule):
        reducer = rule
    else:
        raise UsageError(f"{rule!r} is no strategy and no reducer `(base, values) -> value`.")
    plain = branches is None and is_ours(strategy or rule)
    if branches is None:
        sampled = sample_branches(strategy, n) if strategy else sample_values(rule, n)
        if sampled is None:
            raise UsageError(
                f"{_name_of(rule)} is not one of ours, so samples for it can't be made up: give "
                f"`branches`, what each branch comes to, and `base`, what was there before."
            )
        base, branches = sampled
    merge: Merge
    if strategy is not None:
        merge = Joins(strategy, base, branches)
    elif reducer is not None:
        merge = (Folds if streaming else Reductions)(reducer, base, branches)
    verdict: Verdict = "order_dependent"
    found, caveats = Climb(), tuple[str, ...]()
    if not isinstance(strategy, Race):
        # Of a rule of ours on samples of ours, no code is the user's.
        found = climbed(merge, budget=budget) if plain else _tried(merge, rule, base, budget)
        caveats = found.signs
        if merges_of(merge.count) > budget:
            made = sum(map(len, subsets_within(merge.count, budget)))
            caveats = (*caveats, f"{made} merges were sampled, all would be {_all(merge.count)}")
        verdict = "refuted" if found.refutation else "unproven" if caveats else "holds"
    return MergeProof(
        rule=_name_of(rule),
        branches=len(branches),
        verdict=verdict,
        declared_order_matters=found.declared_order_matters,
        refutation=found.refutation,
        caveats=() if found.refutation else caveats,
        merges=found.merges,
        seconds=time.perf_counter() - started,
    )


def _all(count: int) -> str:
    return f"{merges_of(count):,}" if count <= 40 else f"{count} * 2^{count - 1}"


def _tried(merge: Merge, rule: Any, base: Any, budget: int) -> Climb:
    """Climb the lattice in processes of its own, as often as it takes to trust the rule."""
    if not is_watchable_here():
        return replace(climbed(merge, budget=budget), signs=(_NO_FORK,))
    trial = tried(rule, base, lambda: climbed(merge, budget=budget))
    found, signs = trial.value, trial.signs
    if found.refutation is not None or not signs:
        return replace(found.because(signs), signs=signs)
    merges = found.merges
    for level in _LEVELS:
        again = tried(
            rule, base, lambda: climbed(merge, budget=budget, backwards=True), level=level
        ).value
        merges += again.merges
        refutation = again.refutation or first_difference(found, again)
        if refutation is not None:
            found = replace(found, refutation=refutation).because(signs)
            break
    return replace(found, signs=signs, merges=merges)


def _name_of(rule: Any) -> str:
    if isinstance(rule, MergeStrategy):
        return rule.name
    return getattr(rule, "__name__", None) or repr(rule)
