"""From a schedule that fails to the few ordering constraints that make the target fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lift_sys.determinism.exploration.constraints import Constraint, Held, inversions, minimal
from lift_sys.determinism.exploration.schedule import Replay, Schedule
from lift_sys.determinism.exploration.session import Session
from lift_sys.determinism.exploration.trace import Space, Trace
from lift_sys.errors import ScheduleError

# Runs granted to shrinking; what is left is reported as it is.
_MOST_RUNS = 300
# Single constraints that are tried before any halving: most bugs need one.
_SINGLES = 80


class Shrinker:
    """Shrinks one failing run.

    Args:
        session: Makes the runs, which do not count as explored.
        plain: A plain run in the space of `space`.
        space: Where to run.

    Attributes:
        runs: How many runs it took.
    """

    def __init__(self, session: Session, plain: Trace, space: Space) -> None:
        self.runs = 0
        self._session = session
        self._plain = plain
        self._space = space
        self._tried: dict[tuple[Constraint, ...], Trace | None] = {}

    def fails(self, constraints: Sequence[Constraint]) -> bool:
        """Whether the target comes to something else than in the plain run."""
        return self.run_under(constraints) is not None

    def run_under(self, constraints: Sequence[Constraint]) -> Trace | None:
        """The run under these constraints if it fails, else None."""
        key = tuple(constraints)
        if key not in self._tried:
            if self.runs >= _MOST_RUNS:
                return None
            self.runs += 1
            trace = self._session.run(Held(constraints), space=self._space, counts=False)
            failed = trace.outcome.digest != self._plain.outcome.digest
            self._tried[key] = trace if failed else None
        return self._tried[key]

    def shrink(self, failing: Trace) -> list[Constraint] | None:
        """The fewest constraints found that fail; None if constraints can't reproduce it."""
        candidates = inversions(self._plain, failing)
        for constraint in candidates[:_SINGLES]:
            if self.fails([constraint]):
                return [constraint]
        if not self.fails(candidates):
            return None
        return minimal(candidates, self.fails)

    def located(self, constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
        """The same constraints with the lines at which the steps begin."""
        if not constraints:
            return ()
        self.runs += 1
        trace = self._session.run(
            Held(constraints), space=self._space, counts=False, with_lines=True
        )
        lines = {event.name: event.line for event in trace.events}
        return tuple(
            replace(each, lines=(lines.get(each.first, ""), lines.get(each.then, "")))
            for each in constraints
        )


def fewest_choices(session: Session, plain: Trace, failing: Trace) -> Trace:
    """The failing run with choices left out that it does not need, where constraints do not do."""
    best = failing
    runs = 0

    def fails(choices: Sequence[tuple[int, int]]) -> bool:
        nonlocal best, runs
        runs += 1
        if runs > _MOST_RUNS:
            return False
        schedule = Schedule(space=failing.space, choices=dict(choices))
        try:
            trace = session.run(Replay(schedule), space=failing.space, counts=False)
        except ScheduleError:
            return False
        if trace.outcome.digest == plain.outcome.digest:
            return False
        best = trace
        return True

    minimal(sorted(failing.deviations.items()), fails)
    return best


def repeats(session: Session, trace: Trace, times: int) -> bool:
    """Whether the run comes out the same each time it is replayed."""
    schedule = Schedule.of(trace, name=session.subject.name)
    for _ in range(times):
        replay = Replay(schedule)
        try:
            again = session.run(replay, space=trace.space, counts=False)
            replay.check(again, name=session.subject.name)
        except ScheduleError:
            return False
        if again.outcome.digest != trace.outcome.digest:
            return False
    return True
