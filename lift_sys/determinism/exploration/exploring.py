"""The two doors: `explore` runs a target under many schedules, `replay` under one.

Before editing: a claim may never be wider than what was looked at. Whatever was not under control
is a caveat, and with a caveat nothing is proven.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lift_sys.core.strategies import MergeStrategy
from lift_sys.core.strategies import Strategy as MergeRule
from lift_sys.determinism.exploration.claims import evidence_of, notes_of, scope_of
from lift_sys.determinism.exploration.outcomes import Outcome
from lift_sys.determinism.exploration.portfolio import Failing, Search
from lift_sys.determinism.exploration.primitives import instrumented
from lift_sys.determinism.exploration.programs import subject_of
from lift_sys.determinism.exploration.recorded import Recordings
from lift_sys.determinism.exploration.results import CounterExample, Exploration, Verdict
from lift_sys.determinism.exploration.schedule import Replay, Schedule
from lift_sys.determinism.exploration.session import Options, Session, quiet_garbage
from lift_sys.determinism.exploration.shrink import Shrinker, fewest_choices, repeats
from lift_sys.determinism.exploration.trace import Space
from lift_sys.determinism.exploration.watch import watch_for
from lift_sys.determinism.views import Tolerance, Views
from lift_sys.errors import UncontrolledError, UsageError

_STRATEGIES = re.compile(r"auto|fifo|random|urw|pct[1-9]|dpor|dpor-sleep|bounded")
# Explorations wrap classes of asyncio while they run, so there is one at a time in a process.
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Have the classes of asyncio wrapped, for one exploration."""
    with _ONE_AT_A_TIME, instrumented():
        yield


def explore(
    target: Any,
    state: Any = None,
    *,
    space: Space | None = None,
    strategy: str = "auto",
    budget: int = 500,
    seed: int = 0,
    merge: MergeStrategy | MergeRule | None = None,
    deps: Callable[[], Any] | None = None,
    strict: bool = False,
    watch: bool = True,
    sockets: bool = True,
    recordings: Recordings | None = None,
    to_the_end: bool = False,
    limit: int = 10_000,
    ignore: Iterable[str] = (),
    tolerance: Tolerance | None = None,
    multiset: Iterable[str] = (),
    on_run: Callable[[int, int], None] | None = None,
) -> Exploration:
    """Run `target` on `state` under many schedules, and say whether all come to the same.

    It makes event loops of its own on virtual time, so it is called from plain code, a test, a
    thread, or a running event loop (which stands still meanwhile). What it costs is one run of the
    target for each schedule; calls to models are made once and reused.

    Args:
        target: A `Graph`, a node, a list of nodes, or an async function of the state.
        state: What each run gets a copy of, or a function that makes it; None for a function that
            takes nothing.
        space: `completions`, the default: which sleep, thread or answer ends next, as a plain event loop leaves
            it open, so that a failure can happen in production. `ready`: any ready task may go on,
            which covers other event loops and versions, too; `dpor` always searches that.
        strategy: `auto` (two plain runs; then partial-order reduction for half of the budget, at
            most 1,000; then URW, PCT and uniform random in turns), `dpor` (proves, if the budget
            lasts), `dpor-sleep` (hunts quicker, proves nothing), `urw`, `pct2`, `pct3`..., `random`,
            `bounded` (all schedules with one deviation from the plain one, then two, ...), `fifo`.
            Where every run has failed alike, `auto` ends after 50 that were drawn.
        budget: Most schedules to run, not counting shrinking and replays.
        seed: Of what is drawn, and of `ctx.random`.
        merge: How a list of nodes is joined; ALL_SUCCESS by default.
        deps: Makes the services for `ctx.deps`, once for each run.
        strict: Sleeps end in the order of their durations; only what ends together is a choice.
        watch: Look for writes to module state, closures and arguments that nobody declared.
        sockets: Let connections within this machine be made, at the price of any proof, and in the
            space `completions`.
        recordings: Answers of models from earlier explorations; new ones are added to it.
        to_the_end: Go on after a failure, to see all outcomes.
        limit: Most steps of a run; one that needs more is a livelock.
        ignore: Paths that are left out when outcomes are compared, as in `check_determinism`.
        tolerance: How close numbers have to be, as there.
        multiset: Paths of lists whose order does not matter, as there.
        on_run: Told after each schedule how many were run, and how many there may be.

    Raises:
        UsageError: The target can't be run, or an option is none.
        NotAModelError: The state is not what the target takes.
        CanonicalError: A result has no canonical form; it names the field.
        UncontrolledError: The target reaches out of this machine.
    """
    if _STRATEGIES.fullmatch(str(strategy)) is None:
        raise UsageError(
            f"strategy={strategy!r} is none: take 'auto', 'dpor', 'dpor-sleep', 'urw', 'pct2' (or "
            f"any depth), 'random', 'bounded' or 'fifo'."
        )
    if space not in ("completions", "ready", None):
        raise UsageError(f"space={space!r} is none: take 'completions' or 'ready'.")
    if type(budget) is not int or budget < 1:
        raise UsageError(
            f"budget={budget!r}: give a whole number of schedules; at least one has to be run."
        )
    _refuse_unfit(limit, recordings)
    if strategy.startswith("dpor"):
        if strict:
            raise UsageError(
                "With `strict` time decides what clashes, which partial-order reduction does not "
                "see: take strategy='auto' or 'bounded'."
            )
        if space == "completions":
            raise UsageError(
                f"strategy={strategy!r} searches the space 'ready', in which it can tell what clashes: "
                f"leave `space` out, or take strategy='auto', which tries what it finds in "
                f"'completions'."
            )
        space = "ready"
    space = space or "completions"
    views = Views.of(ignore=ignore, tolerance=tolerance, multiset=multiset)
    started = time.perf_counter()
    recordings = Recordings() if recordings is None else recordings
    made = recordings.made
    subject = subject_of(target, state, strategy=merge, deps=deps, seed=seed)
    options = Options(space=space, limit=limit, strict=strict, views=views)
    maker = watch_for(subject) if watch else None
    with one_at_a_time(), quiet_garbage(), recordings.in_use():
        session = Session(subject=subject, options=options, make_watch=maker)
        if on_run is not None:
            session.on_run = lambda done: on_run(done, budget)
        search = _searched(session, strategy, budget, seed, to_the_end, sockets=sockets)
        session = search.session
        if not watch:
            session.caveats.add("undeclared shared state was not watched for")
        verdict, example = _verdict(search)
    return Exploration(
        target=subject.name,
        space=session.options.space,
        strategy=strategy,
        seed=seed,
        verdict=verdict,
        evidence=evidence_of(search, verdict, recordings),
        outcomes=tuple(session.outcomes.values()),
        counterexample=example,
        schedules=session.schedules,
        runs=session.runs,
        seconds=time.perf_counter() - started,
        scope=scope_of(search),
        caveats=tuple(sorted(session.caveats)),
        notes=notes_of(search),
        calls=recordings.made - made,
    )


def replay(
    target: Any,
    state: Any = None,
    *,
    schedule: str,
    merge: MergeStrategy | MergeRule | None = None,
    deps: Callable[[], Any] | None = None,
    seed: int = 0,
    strict: bool = False,
    recordings: Recordings | None = None,
    limit: int = 10_000,
) -> Outcome:
    """Run `target` once more under a schedule that `explore` has given.

    Args:
        target: As given to `explore`, like all others.
        state: What the run gets a copy of.
        schedule: The string, `ls1:...#hash`.
        merge: How a list of nodes is joined.
        deps: Makes the services for `ctx.deps`.
        seed: Of `ctx.random`.
        strict: Sleeps end in the order of their durations.
        recordings: Answers of models; without them calls are made for real.
        limit: Most steps.

    Returns:
        What it came to; `outcome.example` is the value, or the exception.

    Raises:
        UsageError: The target can't be run, or an option is none.
        ScheduleError: The string can't be read, or the run is not the one that it was made from:
            it belongs to another target or state, or the code has changed.
    """
    _refuse_unfit(limit, recordings)
    parsed = Schedule.parse(schedule)
    recordings = Recordings() if recordings is None else recordings
    subject = subject_of(target, state, strategy=merge, deps=deps, seed=seed)
    options = Options(space=parsed.space, limit=limit, strict=strict)
    with one_at_a_time(), quiet_garbage(many=False), recordings.in_use():
        session = Session(subject=subject, options=options)
        strategy = Replay(parsed)
        trace = session.run(strategy)
        strategy.check(trace, name=subject.name)
    outcome: Outcome = trace.outcome
    return outcome


def _refuse_unfit(limit: object, recordings: object) -> None:
    if type(limit) is not int or limit < 1:
        raise UsageError(f"limit={limit!r}: give a whole number of steps; at least one is taken.")
    if not isinstance(recordings, Recordings | None):
        raise UsageError(f"recordings={recordings!r} are none: give `Recordings()`, or nothing.")


def _searched(
    session: Session, strategy: str, budget: int, seed: int, to_the_end: bool, *, sockets: bool
) -> Search:
    """Search; once more with sockets if the program needs them."""
    search = Search(session, strategy, budget, seed, to_the_end)
    search.run()
    if session.refused and sockets:
        # Callbacks of sockets rely on the order of a plain loop's queue.
        options = replace(session.options, sockets=True, space="completions")
        session = Session(
            subject=session.subject,
            options=options,
            make_watch=session.make_watch,
            on_run=session.on_run,
        )
        session.caveats.add("connections within this machine were made, which come as they come")
        search = Search(session, strategy, budget, seed, to_the_end)
        search.run()
    if session.refused:
        raise UncontrolledError(what=session.refused)
    return search


def _verdict(search: Search) -> tuple[Verdict, CounterExample | None]:
    if search.uncontrolled:
        return "uncontrolled", None
    if search.failing is None:
        return "same", None
    example = _example(search, search.failing)
    if example is None:
        search.uncontrolled = (
            f"a schedule that came to {search.failing.trace.outcome.text} did not do so again"
        )
        return "uncontrolled", None
    kind = example.outcome.kind
    return (
        "deadlock" if kind == "deadlock" else "livelock" if kind == "livelock" else "differs"
    ), (example)


def _example(search: Search, failing: Failing) -> CounterExample | None:
    """The failure shrunk and replayed; None if it does not repeat."""
    session, trace = search.session, failing.trace
    if not repeats(session, trace, 2):
        return None
    plain = search.plain
    shrinker = Shrinker(session, plain, trace.space)
    constraints = shrinker.shrink(trace) if trace is not plain else []
    if constraints is None:
        trace = fewest_choices(session, plain, trace)
        constraints = []
    elif constraints:
        shrunk = shrinker.run_under(constraints)
        if shrunk is not None and repeats(session, shrunk, 2):
            trace = shrunk
    return CounterExample(
        schedule=session.schedule_of(trace),
        constraints=shrinker.located(constraints),
        outcome=trace.outcome,
        expected=plain.outcome,
        found_after=failing.after,
        found_by=failing.by,
        shrink_runs=search.shrink_runs + shrinker.runs,
        replays=2,
    )
