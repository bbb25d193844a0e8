"""Which schedules are run: plain ones, those that a proof needs, and drawn ones in turns.

Proofs are made in the space `ready`, whose schedules include those of `completions`. An outcome
that only `ready` has is no failure of a program on a plain loop: it is brought over by its ordering
constraints, and where that does not succeed it is a note.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lift_sys.determinism.exploration.bounded import BoundedSearch
from lift_sys.determinism.exploration.constraints import Constraint, Held, inversions
from lift_sys.determinism.exploration.dpor import Diverged, DporSearch
from lift_sys.determinism.exploration.samplers import make_sampler
from lift_sys.determinism.exploration.session import Session
from lift_sys.determinism.exploration.shrink import Shrinker
from lift_sys.determinism.exploration.trace import Trace

#: What takes turns when a proof is out of reach.
ROUND = ("urw", "pct2", "pct3", "random")
_MOST_PROVING = 1000
# Drawn by `auto` where every run has failed, and alike: the failure is what there is to be mended.
_MOST_FAILING_ALIKE = 50
_BY_SOMETHING = (
    ", so something else than the schedule decides (random numbers, a clock, addresses of "
    "objects): `attribute`, or `lift check --attribute`, names it and the line"
)
_BY_SETS = (
    ", as the order of a set of tasks (`asyncio.wait` returns two) or the names of tasks decided, "
    "which no two processes share"
)
_REPLAYING = "the same choices led to other options, so something is not under control"


@dataclass(slots=True)
class Failing:
    """A run that did not come to what the plain one came to.

    Attributes:
        trace: The run.
        after: How many schedules had been run.
        by: The strategy that found it.
        constraints: Where they are known already.
    """

    trace: Trace
    after: int
    by: str
    constraints: list[Constraint] | None = None


@dataclass(slots=True)
class Search:
    """The schedules of one exploration.

    Attributes:
        session: Makes the runs.
        strategy: As asked for.
        budget: Most schedules.
        seed: Of what is drawn.
        to_the_end: Go on after a failure, to see all outcomes.
        plain: The first run.
        failing: The first failure.
        finished: Whether all orders of clashing steps were run.
        bound: Up to how many deviations all schedules were run; None if that was not tried.
        drawn: How many schedules were drawn by samplers.
        given_up: After how many schedules a proof was given up, which would have taken more.
        elsewhere: Outcomes that only the space `ready` has, as text.
        uncontrolled: What showed that a schedule does not determine a run; "" if nothing did.
    """

    session: Session
    strategy: str
    budget: int
    seed: int
    to_the_end: bool
    plain: Trace = field(init=False)
    failing: Failing | None = None
    finished: bool = False
    bound: int | None = None
    drawn: int = 0
    shrink_runs: int = 0
    given_up: int = 0
    elsewhere: list[str] = field(default_factory=list)
    uncontrolled: str = ""

    def run(self) -> None:
        """Run what the strategy says, up to the budget or the first failure."""
        session = self.session
        self.plain = session.run()
        if session.refused:
            return
        if self.plain.outcome.kind in ("deadlock", "livelock"):
            self.failing = Failing(self.plain, 1, "fifo", [])
            return
        if self.left < 1:
            return
        again = session.run(counts=False)
        mirrored = session.run(counts=False, mirrored=True)
        for other, why in ((again, _BY_SOMETHING), (mirrored, _BY_SETS)):
            if other.outcome.digest != self.plain.outcome.digest:
                apart = session.likeness.apart(self.plain.outcome, other.outcome)
                self.uncontrolled = f"two runs of one schedule {apart}{why}"
                return
        if again.hash != self.plain.hash:
            session.caveats.add("two runs of one schedule took other steps")
        # Answers on sockets come when they come: to try orders of them would prove nothing.
        # And where durations count, steps clash by time, which no footprint shows.
        provable = not session.options.sockets and not session.options.strict
        if self.strategy == "auto" and (session.caveats or session.opaque):
            # Nothing will be proven, and by chance a failure is found sooner.
            self._draw(itertools.cycle(ROUND), most=self.left // 2)
        if self.strategy in ("auto", "dpor", "dpor-sleep") and provable:
            most = min(self.budget // 2, _MOST_PROVING) if self.strategy == "auto" else self.budget
            self._prove(most, sleep=self.strategy == "dpor-sleep")
        elif self.strategy == "bounded":
            self._bounded()
        if self.strategy in ("fifo", "dpor", "dpor-sleep", "bounded"):
            return
        if self.finished and not session.caveats and not session.opaque:
            return
        names = ROUND if self.strategy == "auto" else (self.strategy,)
        self._draw(itertools.cycle(names))

    @property
    def left(self) -> int:
        """Schedules that may still be run."""
        return self.budget - self.session.schedules

    @property
    def _goes_on(self) -> bool:
        stopped = self.uncontrolled or self.session.refused
        return (self.failing is None or self.to_the_end) and not stopped

    def _note_failure(self, trace: Trace, by: str) -> bool:
        """Whether the run is a failure; the first one is kept."""
        if trace.outcome is None or trace.outcome.digest == self.plain.outcome.digest:
            return False
        if self.failing is None:
            self.failing = Failing(trace, self.session.schedules, by)
        return True

    def _draw(self, names: Iterator[str], *, most: int | None = None) -> None:
        most = self.left if most is None else most
        enough = self.left - most
        alike = self.strategy == "auto" and self.plain.outcome.kind == "error"
        while self.left > enough and self._goes_on:
            if alike and self.failing is None and self.drawn >= _MOST_FAILING_ALIKE:
                return
            name = next(names)
            sampler = make_sampler(name, f"{self.seed}:{self.drawn}", self.plain)
            self.drawn += 1
            self._note_failure(self.session.run(sampler), name)

    def _bounded(self) -> None:
        for most in itertools.count():
            search = BoundedSearch(most)
            while not search.finished:
                if self.left < 1 or not self._goes_on:
                    return
                trace = self.session.run(search)
                self._note_failure(trace, "bounded")
                search.learn(trace)
            self.bound = most
            if not search.was_cut:
                self.finished = True
                return

    def _prove(self, most: int, *, sleep: bool) -> None:
        """Run all orders of clashing steps, if `most` runs are enough for that."""
        session = self.session
        own = session.options.space == "ready"
        search = DporSearch(sleep=sleep)
        first: Trace | None = None
        known = {self.plain.outcome.digest}
        most = min(session.schedules + most, self.budget)
        while not search.finished:
            if (session.schedules >= most and first is not None) or not self._goes_on:
                self.given_up = session.schedules
                return
            try:
                # Its first run is the plain schedule, which is counted already.
                trace = session.run(
                    search, space="ready", for_search=True, counts=first is not None
                )
                search.learn(trace)
            except Diverged:
                session.caveats.add(_REPLAYING)
                return
            first = first or trace
            outcome = trace.outcome
            if outcome is None:
                continue
            if own:
                self._note_failure(trace, "dpor")
            elif outcome.digest not in known:
                known.add(outcome.digest)
                self._bring_over(first, trace)
        # With several outcomes in the other space, this one's are a part of them that is not known.
        self.finished = not sleep and (own or not self.elsewhere) and self._goes_on

    def _bring_over(self, plain: Trace, failing: Trace) -> None:
        """Make a run of `ready` again in `completions`, by its ordering constraints."""
        session = self.session
        shrinker = Shrinker(session, plain, "ready")
        few = shrinker.shrink(failing) if failing.outcome.digest != plain.outcome.digest else None
        self.shrink_runs += shrinker.runs
        # The fewest may not be enough over there, where rounds run as a whole; and all may hold
        # a round that another way would not.
        for constraints in _distinct([few, inversions(plain, failing)]):
            if self.left < 1:
                return
            trace = session.run(Held(constraints))
            if self._note_failure(trace, "dpor"):
                if self.failing is not None and self.failing.trace is trace:
                    self.failing.constraints = list(constraints)
                return
        self.elsewhere.append(failing.outcome.text)


def _distinct(lists: Sequence[list[Constraint] | None]) -> list[list[Constraint]]:
    found: list[list[Constraint]] = []
    for each in lists:
        if each is not None and each not in found:
            found.append(each)
    return found
