"""Running one subject under many schedules, and keeping count of what came of it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lift_sys.determinism.exploration.drive import run_once
from lift_sys.determinism.exploration.entries import Strategy
from lift_sys.determinism.exploration.likeness import Likeness
from lift_sys.determinism.exploration.outcomes import Outcome
from lift_sys.determinism.exploration.outside_world import noticed
from lift_sys.determinism.exploration.programs import Subject
from lift_sys.determinism.exploration.results import Seen
from lift_sys.determinism.exploration.schedule import Schedule
from lift_sys.determinism.exploration.trace import Space, Trace
from lift_sys.determinism.exploration.watch import SharedWatch
from lift_sys.determinism.views import EXACT, Views

# Events after the result that are watched for clashes with what led to it.
_TAIL = 300
# Runs between two collections of garbage; none happens within a run, where finalizers would run
# at moments that no schedule controls.
_COLLECT_EVERY = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How runs are made.

    Attributes:
        space: Which choices are explored.
        limit: Most events of a run; beyond them it is a livelock.
        strict: Sleeps end in the order of their durations, and only ties are a choice.
        sockets: Whether connections within this machine may be made.
        views: Which outcomes are taken for equal.
    """

    space: Space = "completions"
    limit: int = 10_000
    strict: bool = False
    sockets: bool = False
    views: Views = EXACT


@dataclass(slots=True)
class Session:
    """The runs of one exploration.

    Attributes:
        subject: What is run.
        options: How.
        make_watch: Makes what looks for undeclared writes in one run; None looks for nothing.
        schedules: How many runs were made that count.
        runs: How many were made in all.
        caveats, notes: Of all runs.
        refused: What a run asked for that can't be controlled; "" if nothing.
        watched, opaque: What was watched, and types of what could not be.
        outcomes: By digest, in order of appearance.
        on_run: Told after each schedule how many there were.
        likeness: Sorts outcomes.
    """

    subject: Subject
    options: Options
    make_watch: Callable[[], SharedWatch] | None = None
    schedules: int = 0
    runs: int = 0
    caveats: set[str] = field(default_factory=set)
    notes: set[str] = field(default_factory=set)
    refused: str = ""
    watched: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)
    outcomes: dict[str, Seen] = field(default_factory=dict)
    on_run: Callable[[int], None] | None = None
    likeness: Likeness = field(init=False)

    def __post_init__(self) -> None:
        self.likeness = Likeness(self.options.views)

    def run(
        self,
        strategy: Strategy | None = None,
        *,
        space: Space | None = None,
        for_search: bool = False,
        with_lines: bool = False,
        counts: bool = True,
        mirrored: bool = False,
    ) -> Trace:
        """Run the subject once.

        Args:
            strategy: Decides; None is a plain loop's order.
            space: Another space than the session's.
            for_search: Take down what `DporSearch` needs.
            with_lines: Take down where each step begins.
            counts: Whether it is one of the schedules that were explored.
            mirrored: Sets of tasks come in the opposite order.
        """
        options = self.options
        space = space or options.space
        self.runs += 1
        if self.runs % _COLLECT_EVERY == 0:
            gc.collect()
        watch = self.make_watch() if self.make_watch is not None else None
        with noticed(self.caveats):
            trace = run_once(
                self.subject.program,
                strategy,
                space=space,
                watch=watch,
                limit=options.limit,
                tail=_TAIL if for_search else 0,
                with_options=for_search,
                with_lines=with_lines,
                strict=options.strict,
                mirrored=mirrored,
                sockets=options.sockets,
            )
        if trace.outcome is not None:
            trace.outcome = self.likeness.of(trace.outcome)
        if watch is not None:
            self.caveats |= watch.caveats
            self.opaque |= watch.opaque
            self.watched.update(watch.names)
        self.refused = self.refused or trace.refused
        self.caveats |= trace.caveats
        self.notes |= trace.notes
        if counts:
            self.schedules += 1
            if self.on_run is not None:
                self.on_run(self.schedules)
            if space == options.space:
                self.take(trace)
        return trace

    def take(self, trace: Trace) -> None:
        """Count an outcome of the explored space."""
        outcome: Outcome | None = trace.outcome
        if outcome is None:
            return
        known = self.outcomes.get(outcome.digest)
        self.outcomes[outcome.digest] = Seen(
            outcome=known.outcome if known else outcome,
            schedules=known.schedules + 1 if known else 1,
            schedule=known.schedule if known else self.schedule_of(trace),
        )

    def schedule_of(self, trace: Trace) -> str:
        """The string that makes this run again."""
        return str(Schedule.of(trace, name=self.subject.name))


@contextmanager
def quiet_garbage(*, many: bool = True) -> Iterator[None]:
    """Keep the garbage collector from running finalizers in the middle of runs.

    `many` is whether enough runs follow that it pays to set apart what there is already.
    """
    was_enabled = gc.isenabled()
    own = many and was_enabled and gc.get_freeze_count() == 0
    if own:
        gc.collect()
        gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        if own:
            gc.unfreeze()
        if was_enabled:
            gc.enable()
