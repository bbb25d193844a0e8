"""One run under a schedule, with every step traced: to see where another order made the difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lift_sys.core.strategies import MergeStrategy
from lift_sys.core.strategies import Strategy as MergeRule
from lift_sys.determinism.exploration.exploring import one_at_a_time
from lift_sys.determinism.exploration.outcomes import Outcome
from lift_sys.determinism.exploration.programs import subject_of
from lift_sys.determinism.exploration.recorded import Recordings
from lift_sys.determinism.exploration.schedule import Replay, Schedule
from lift_sys.determinism.exploration.session import Options, Session, quiet_garbage
from lift_sys.determinism.runs.runtrace import RunTrace
from lift_sys.determinism.runs.trace import Tracer


def traced(
    target: Any,
    state: Any,
    *,
    schedule: str,
    plain: bool = False,
    merge: MergeStrategy | MergeRule | None = None,
    deps: Callable[[], Any] | None = None,
    seed: int = 0,
    strict: bool = False,
    recordings: Recordings | None = None,
    limit: int = 10_000,
) -> tuple[Outcome, RunTrace]:
    """As `replay`, with what each step did; with `plain` in the plain order of the same space.

    Raises:
        ScheduleError: The run is not the one that the schedule was made from.
    """
    parsed = Schedule.parse(schedule)
    tracer = Tracer()
    subject = subject_of(target, state, strategy=merge, deps=deps, seed=seed, tracer=tracer)
    options = Options(space=parsed.space, limit=limit, strict=strict)
    recordings = Recordings() if recordings is None else recordings
    with one_at_a_time(), quiet_garbage(many=False), recordings.in_use():
        session = Session(subject=subject, options=options)
        if plain:
            trace = session.run()
        else:
            strategy = Replay(parsed)
            trace = session.run(strategy)
            strategy.check(trace, name=subject.name)
    outcome: Outcome = trace.outcome
    return outcome, tracer.trace
