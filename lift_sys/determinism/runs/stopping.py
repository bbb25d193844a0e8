"""When repeats end early, and what may be said then.

One divergence refutes determinism, so for zero tolerance the sequential test of Wald degenerates to
"stop at the first divergence, accept after n0 = ceil(ln 0.05 / ln(1 - p1)) repeats without one": the
curtailed rule. Where some flakiness is tolerated, the test itself (SPRT) decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from lift_sys.determinism.statistics import Sprt, curtailed_runs, upper_bound
from lift_sys.errors import UsageError

#: When repeats end before all are made; None makes all of them.
Stop: TypeAlias = Literal["first_divergence", "curtailed"] | Sprt | None

# What the curtailed rule rules out: that this share of the runs, or more, diverges.
_CURTAILED_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """A stop rule for one check.

    Attributes:
        stop: As it was given.
        runs: Most repeats under it.
    """

    stop: Stop
    runs: int

    @classmethod
    def of(cls, stop: Any, runs: Any) -> Stopping:
        """Read `stop=` and `runs=`.

        Raises:
            UsageError: `stop` is none of its values, or `runs` no number from 2 on.
        """
        if isinstance(runs, bool) or not isinstance(runs, int) or runs < 2:
            raise UsageError(
                f"`runs=` has to be a number from 2 on, not {runs!r}: one is no repeat."
            )
        if stop == "curtailed":
            return cls(stop="curtailed", runs=min(runs, curtailed_runs(_CURTAILED_SHARE)))
        if stop in (None, "first_divergence") or isinstance(stop, Sprt):
            return cls(stop=stop, runs=runs)
        raise UsageError(
            f"`stop=` is 'first_divergence', 'curtailed', Sprt(...) or None, not {stop!r}."
        )

    def __call__(self, runs: int, diverged: int) -> bool:
        """Whether to end after `runs` repeats, of which `diverged` left the largest class."""
        if isinstance(self.stop, Sprt):
            return self.stop.decide(diverged, runs) is not None
        return self.stop is not None and diverged > 0

    def accepts(self, runs: int, diverged: int) -> bool:
        """Whether the check passes: no divergence, or under SPRT a tolerated share of them."""
        if isinstance(self.stop, Sprt) and diverged:
            return self.stop.decide(diverged, runs) == "accept"
        return not diverged

    def decision(self, runs: int, diverged: int, *, asked: int) -> str:
        """Why the repeats ended, in words."""
        if isinstance(self.stop, Sprt):
            decided = self.stop.decide(diverged, runs)
            if decided is None:
                return f"all {runs} repeats were made, and {self.stop} could not decide"
            return f"{self.stop} decided after {runs} repeats: {decided}"
        if self.stop is not None and diverged:
            return f"stopped at the first divergence, after {runs} of {asked} repeats"
        if self.stop == "curtailed" and runs < asked:
            return f"accepted after {runs} of {asked} repeats, as at most {upper_bound(runs):.1%} diverge"
        return f"all {runs} repeats were made"
