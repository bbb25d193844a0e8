"""What a claim rests on: four grades of evidence, which are never mixed.

"n of n identical" is never a proof. The bound that repeats give holds for runs like these, in this
process and environment; that of sampled schedules holds for the sampler's distribution of schedules,
not for production's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lift_sys.determinism.statistics import clopper_pearson, upper_bound


class Grade(StrEnum):
    """Kinds of evidence, weakest last."""

    PROVEN = "proven"
    """Every order within the scope was covered; the scope says what was assumed."""
    BOUNDED = "bounded"
    """Every order with at most so many deviations from the usual one."""
    SAMPLED = "sampled"
    """So many orders, drawn by a sampler."""
    REPEATED = "repeated"
    """So many repeats under the same schedule and environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        grade: The kind.
        count: Repeats, schedules, or the bound on deviations.
        text: One sentence for people, with the bound that it gives.
        assumptions: What it takes for granted, a sentence each.
    """

    grade: Grade
    count: int
    text: str
    assumptions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.grade.name}({self.count})"


def repeated(runs: int, diverged: int, *, stopped: bool = False) -> Evidence:
    """The evidence of `runs` repeats of which `diverged` left the modal outcome.

    The bound is Clopper-Pearson's exact one: one-sided `1 - 0.05^(1/n)` if none diverged, the
    two-sided 95 % interval otherwise (Clopper and Pearson, Biometrika 26, 1934). After early
    stopping no interval is given, as it would not have the coverage that it claims.
    """
    if not diverged:
        text = f"{runs} of {runs} repeats agree: at most {upper_bound(runs):.2%} of runs diverge (95 %)"
    elif stopped:
        text = (
            f"{diverged} of {runs} repeats diverged; stopped there, so the share of runs that "
            f"diverge is not estimated"
        )
    else:
        low, high = clopper_pearson(diverged, runs)
        text = f"{diverged} of {runs} repeats diverged: {low:.2%} to {high:.2%} of runs (95 %)"
    return Evidence(
        grade=Grade.REPEATED,
        count=runs,
        text=text,
        assumptions=(
            "same process, environment and schedule in each repeat: other machines, hash seeds and "
            "orders of completion are not covered",
            "repeats in one process share caches and module state",
        ),
    )
