"""Proofs that a merge does not depend on the order of arrival, made on the merge and not on schedules.

For every subset of the branches, all ways of reaching it must give the same: then, by induction, all
orders do. That is `2^n` states and `n * 2^(n-1)` merges instead of `n!` orders. It holds for the
given branches; to test a rule in general, let hypothesis draw them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from lift_sys.core.strategies import MergeStrategy, Race, Strategy, as_strategy
from lift_sys.determinism.evidence import Grade
from lift_sys.determinism.merge_samples import sample_branches, sample_values
from lift_sys.determinism.merge_ways import Folds, Joins, Merged, Reductions
from lift_sys.errors import UsageError
from lift_sys.state.reducers import Reducer

_Merge: TypeAlias = Joins | Reductions | Folds


@dataclass(frozen=True, slots=True, kw_only=True)
class Refutation:
    """Where two ways of merging the same branches differ.

    Attributes:
        subset: Indices of the branches that are merged.
        branch: The one that arrives last on the second way.
        first, second: What the two ways give, as text.
        reason: What is wrong, in a sentence.
    """

    subset: tuple[int, ...]
    branch: int
    first: str
    second: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeProof:
    """Whether a merge depends on the order of arrival.

    Attributes:
        rule: The strategy or reducer.
        branches: How many branches were merged.
        verdict: `holds`; `order_dependent` by definition, as of RACE; or `refuted`.
        declared_order_matters: Whether branches declared in another order would give something
            else. That is no fault: a reducer gets its values in declared order.
        refutation: Where it fails.
        merges: How many merges were made.
        seconds: Wall time.
    """

    rule: str
    branches: int
    verdict: Literal["holds", "order_dependent", "refuted"]
    declared_order_matters: bool
    refutation: Refutation | None
    merges: int
    seconds: float
    grade: Grade = field(default=Grade.PROVEN)

    @property
    def holds(self) -> bool:
        """Whether the order of arrival never matters, for these branches."""
        return self.verdict == "holds"

    def __str__(self) -> str:
        head = f"{self.rule}, {self.branches} branches, {self.merges} merges: "
        if self.verdict == "order_dependent":
            return head + "depends on the order of arrival by definition"
        if self.refutation is None:
            text = head + "no order of arrival matters"
            return text + "; declared order does" if self.declared_order_matters else text
        found = self.refutation
        return (
            f"{head}{found.reason}: branches {list(found.subset)} give {found.first}, but "
            f"{found.second} if {found.branch} arrives last"
        )


def prove_merge(
    rule: MergeStrategy | Strategy | Reducer | Callable[[Any, Any], Any],
    branches: Sequence[Any] | None = None,
    *,
    base: Any = None,
    n: int = 6,
    streaming: bool = False,
) -> MergeProof:
    """Prove that what `rule` makes of `branches` does not depend on the order in which they end.

    Args:
        rule: A strategy, a reducer `(base, values) -> value`, or with `streaming` a function
            `(so_far, value) -> so_far` that is fed one value after the other as they arrive.
        branches: For a strategy the state that each branch ends with, or the exception that it
            ends with; for a reducer the value that each gives. By default `n` samples that suit the
            strategies and reducers of lift_sys.
        base: The state, or value, before the fork. For `streaming`, what it begins with.
        n: How many samples.
        streaming: Whether `rule` is fed in order of arrival.

    Raises:
        UsageError: The rule is none, or it is not one of ours and no branches are given.
        CanonicalError: A merged value has no canonical form.
    """
    started = time.perf_counter()
    strategy = as_strategy(rule) if isinstance(rule, (MergeStrategy, Strategy)) else None
    if strategy is None and not callable(rule):
        raise UsageError(f"{rule!r} is no strategy and no reducer `(base, values) -> value`.")
    if branches is None:
        sampled = sample_branches(strategy, n) if strategy else sample_values(rule, n)
        if sampled is None:
            raise UsageError(
                f"{_name_of(rule)} is not one of ours, so samples for it can't be made up: give "
                f"`branches`, what each branch comes to, and `base`, what was there before."
            )
        base, branches = sampled
    matters = False
    if strategy is not None:
        merge: _Merge = Joins(strategy, base, branches)
    elif streaming:
        merge = Folds(rule, base, branches)  # type: ignore[arg-type]
    else:
        merge = Reductions(rule, base, branches)  # type: ignore[arg-type]
    if isinstance(strategy, Race):
        verdict: Literal["holds", "order_dependent", "refuted"] = "order_dependent"
        refutation, merges = None, 0
    else:
        refutation, merges = _refuted(merge, len(branches))
        verdict = "refuted" if refutation else "holds"
        if isinstance(merge, Reductions) and refutation is None:
            matters = merge.declared_order_matters()
    return MergeProof(
        rule=_name_of(rule),
        branches=len(branches),
        verdict=verdict,
        declared_order_matters=matters,
        refutation=refutation,
        merges=merges,
        seconds=time.perf_counter() - started,
    )


def _refuted(merge: _Merge, count: int) -> tuple[Refutation | None, int]:
    """Go up the lattice of subsets; each is reached from all that are smaller by one."""
    merges = 0
    whole: Merged | None = None
    for size in range(1, count + 1):
        for subset in itertools.combinations(range(count), size):
            first: Merged | None = None
            for last in reversed(subset):  # the first way is the declared order
                merged = merge((*(each for each in subset if each != last), last))
                merges += 1
                first = whole = first or merged
                if merged.digest != first.digest:
                    return _refutation(subset, last, first, merged, merge.fault), merges
    if whole is not None and whole.raised and not isinstance(merge, Joins):
        everything = tuple(range(count))
        reason = "it can't combine these values, whatever the order"
        return _refutation(everything, everything[-1], whole, whole, reason), merges
    early = merge.too_early(whole) if isinstance(merge, Joins) and whole is not None else None
    if early is not None and whole is not None:
        subset, decided = early
        reason = "it is decided before all have ended, and for something else"
        return _refutation(subset, subset[-1], whole, decided, reason), merges
    return None, merges


def _refutation(
    subset: tuple[int, ...], last: int, first: Merged, second: Merged, reason: str
) -> Refutation:
    return Refutation(
        subset=subset, branch=last, first=first.text, second=second.text, reason=reason
    )


def _name_of(rule: Any) -> str:
    if isinstance(rule, MergeStrategy):
        return rule.name
    return getattr(rule, "__name__", None) or repr(rule)
