"""How much repeats say: exact bounds, intervals, and when to stop repeating.

All of it assumes that runs are independent and alike, which runs in one process only nearly are. A
bound from a rule that may stop early is no fixed-size interval: say so, or use the rule's decision.
Nothing here needs more than the standard library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import NormalDist
from typing import Literal, TypeAlias

from lift_sys.errors import UsageError

#: What a sequential test says: "accept" the tolerated share (H0), or "reject" it for H1.
Decision: TypeAlias = Literal["accept", "reject"]


def upper_bound(runs: int, confidence: float = 0.95) -> float:
    """Largest share of diverging runs that `runs` runs without a divergence leave possible.

    The exact one-sided bound of Clopper and Pearson for zero events, `1 - (1 - confidence)^(1/n)`.
    The rule of three (3/n) is its limit for large n and 8 to 58 % too high for n <= 20.

    Args:
        runs: Runs made, none of which diverged; 0 gives 1.0.
        confidence: Level of the bound, between 0 and 1.

    Raises:
        UsageError: A number is out of range.
    """
    _check_counts(0, runs)
    _check_share("confidence", confidence)
    return -math.expm1(math.log1p(-confidence) / runs) if runs else 1.0


@lru_cache(maxsize=4096)
def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a share (Clopper and Pearson, Biometrika 26, 1934).

    Its ends are quantiles of beta distributions: `low` is that of Beta(k, n - k + 1) at alpha/2,
    `high` that of Beta(k + 1, n - k) at 1 - alpha/2, with alpha = 1 - confidence. No trial gives
    (0.0, 1.0).

    Args:
        successes: Trials that count, k.
        trials: All trials, n.
        confidence: Least coverage of the interval, between 0 and 1.

    Raises:
        UsageError: A number is out of range.
    """
    _check_counts(successes, trials)
    _check_share("confidence", confidence)
    tail, failures = (1 - confidence) / 2, trials - successes
    low = beta_quantile(tail, successes, failures + 1) if successes else 0.0
    # The upper end by symmetry, so that a tiny tail is never subtracted from one.
    high = 1 - beta_quantile(tail, failures, successes + 1) if failures else 1.0
    return low, high


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a share (Wilson, Journal of the American Statistical Association 22, 1927).

    Shorter than Clopper-Pearson's, its coverage is right on average over shares and not for each.
    No trial gives (0.0, 1.0).

    Raises:
        UsageError: A number is out of range.
    """
    _check_counts(successes, trials)
    _check_share("confidence", confidence)
    if not trials:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, weight = successes / trials, z * z / trials
    centre = (share + weight / 2) / (1 + weight)
    half = z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # At the ends the formula gives exactly 0 or 1, which rounding may miss.
    low = 0.0 if not successes else max(0.0, centre - half)
    return low, 1.0 if successes == trials else min(1.0, centre + half)


def curtailed_runs(share: float, confidence: float = 0.95) -> int:
    """How many runs without a divergence rule out that `share` or more of all runs diverge.

    The curtailed rule: stop at the first divergence, accept after this many runs without one. It is
    the smallest n with `(1 - share)^n <= 1 - confidence`: 29, 59 and 299 for 10, 5 and 1 %.

    Raises:
        UsageError: `share` or `confidence` is not between 0 and 1.
    """
    _check_share("share", share)
    _check_share("confidence", confidence)
    runs = math.log1p(-confidence) / math.log1p(-share)
    # The quotient of two logarithms may lie a rounding error above a whole number.
    return math.ceil(runs * (1 - 1e-12))


@dataclass(slots=True, kw_only=True)
class Sprt:
    """Sequential probability ratio test of the share of diverging runs (Wald, 1945).

    After k divergences in n runs the log likelihood ratio of H1 to H0 is
    `k ln(h1 / h0) + (n - k) ln((1 - h1) / (1 - h0))`. From `ln((1 - beta) / alpha)` on H0 is
    rejected, down from `ln(beta / (1 - alpha))` it is accepted, and between them runs go on. With
    the defaults 59 runs without a divergence accept. For no tolerance at all use `curtailed_runs`.

    Attributes:
        h0: Share of diverging runs that is tolerated.
        h1: Share that must be found; above `h0`.
        alpha: Chance to reject although the share is `h0`.
        beta: Chance to accept although the share is `h1`.
        runs: Runs told by `add` so far.
        diverged: Those among them that diverged.
        decision: The first decision that `add` came to; later runs don't change it.

    Raises:
        UsageError: Not 0 < h0 < h1 < 1, or alpha and beta are no chances below one half.
    """

    h0: float = 0.001
    h1: float = 0.05
    alpha: float = 0.05
    beta: float = 0.05
    runs: int = field(default=0, init=False, compare=False, repr=False)
    diverged: int = field(default=0, init=False, compare=False, repr=False)
    decision: Decision | None = field(default=None, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.h0 < self.h1 < 1:
            raise UsageError(
                f"A sequential test needs 0 < h0 < h1 < 1, not h0={self.h0!r} and h1={self.h1!r}. "
                f"If no divergence is tolerated, use the curtailed rule."
            )
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise UsageError(
                f"`alpha` and `beta` are chances of an error, above 0 and below 0.5, not "
                f"{self.alpha!r} and {self.beta!r}."
            )

    def __str__(self) -> str:
        return f"SPRT of {self.h0:.2g} against {self.h1:.2g}"

    def add(self, diverged: bool) -> Decision | None:
        """Count one more run; the decision as soon as there is one, else None."""
        self.runs += 1
        self.diverged += bool(diverged)
        if self.decision is None:
            self.decision = self.decide(self.diverged, self.runs)
        return self.decision

    def decide(self, diverged: int, runs: int) -> Decision | None:
        """What `diverged` of `runs` runs decide, whatever was told to `add`; None: go on.

        Raises:
            UsageError: The numbers are no counts.
        """
        _check_counts(diverged, runs)
        per_divergence = math.log(self.h1 / self.h0)
        per_agreement = math.log1p(-self.h1) - math.log1p(-self.h0)
        ratio = diverged * per_divergence + (runs - diverged) * per_agreement
        if ratio >= math.log((1 - self.beta) / self.alpha):
            return "reject"
        return "accept" if ratio <= math.log(self.beta / (1 - self.alpha)) else None


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x with `I_x(a, b) = probability`, by bisection down to neighbouring floats.

    Bisection, as it can't fail: I is monotone in x, and some 60 halvings cost less than a
    millisecond.

    Args:
        probability: Between 0 and 1.
        a: First parameter, positive.
        b: Second parameter, positive.
    """
    return _bisect(lambda x: regularised_incomplete_beta(x, a, b) < probability)


def regularised_incomplete_beta(x: float, a: float, b: float) -> float:
    """`I_x(a, b)`, the distribution function of Beta(a, b) at x in [0, 1].

    The continued fraction of DLMF 8.17.22 (dlmf.nist.gov), which converges quickly for
    x < (a + 1) / (a + b + 2); beyond that `I_x(a, b) = 1 - I_(1-x)(b, a)` (DLMF 8.17.4).
    Relative error about 1e-13 for counts up to some thousands, 1e-9 at a million (from `lgamma`).
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - regularised_incomplete_beta(1 - x, b, a)
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - log_beta) / a
    return front / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    """`1 + d1/(1 + d2/(1 + ...))` of DLMF 8.17.22, by the modified method of Lentz.

    The method: Thompson and Barnett, Journal of Computational Physics 64, 1986.
    """
    tiny = 1e-300  # stands for a zero denominator
    value, c, d = 1.0, 1.0, 0.0
    # The fraction takes about sqrt(max(a, b)) terms; the limit only ends a search gone wrong.
    for step in range(1, 100_000):
        half = step // 2
        if step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1 / ((1 + term * d) or tiny)
        c = (1 + term / c) or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return value


def _bisect(is_below: Callable[[float], bool]) -> float:
    """Where `is_below` turns from true to false in [0, 1]."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if is_below(middle):
            low = middle
        else:
            high = middle
    return high


def _check_counts(part: int, whole: int) -> None:
    if not 0 <= part <= whole:
        raise UsageError(f"Counts have to be 0 <= part <= whole, not {part!r} of {whole!r}.")


def _check_share(name: str, value: float) -> None:
    if not 0 < value < 1:
        raise UsageError(f"`{name}` has to lie between 0 and 1, not {value!r}.")
