"""`attribute`: find out what the results of a target depend on beside its state.

Before editing: the target never runs in this process, nor does anything get patched in it. Where
another process can't have the target, forks of this one run it, and the report says what that
leaves untested.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from lift_sys.core.strategies import MergeStrategy, Strategy
from lift_sys.determinism.attribution.blame import blame
from lift_sys.determinism.attribution.causes import Attribution
from lift_sys.determinism.attribution.experiment import Experiment
from lift_sys.determinism.attribution.forks import ForkRunner
from lift_sys.determinism.attribution.frames import Frames
from lift_sys.determinism.attribution.marking import is_markable
from lift_sys.determinism.attribution.model import ModelTap, as_tap
from lift_sys.determinism.attribution.modules import stop_reading_main
from lift_sys.determinism.attribution.processes import Runner, WorkerRunner, Workers
from lift_sys.determinism.attribution.search import search
from lift_sys.determinism.attribution.settings import SOURCES, Source
from lift_sys.determinism.attribution.surroundings import Surroundings
from lift_sys.determinism.attribution.task import Named, Task, Work
from lift_sys.determinism.runs.outcome import Outcome, in_the_callers_words
from lift_sys.determinism.runs.targets import as_target, is_factory
from lift_sys.determinism.views import Views
from lift_sys.errors import (
    AttributionError,
    CanonicalError,
    LoadError,
    UncopyableStateError,
    UsageError,
)
from lift_sys.state.snapshot import Snapshot

# What the design of determinism.md, section 4.6, takes at most.
_MOST_RUNS = 40
_MEMORY = re.compile(r" at 0x[0-9a-f]+|\.$")


def attribute(
    target: Any,
    state: Any = None,
    *,
    strategy: MergeStrategy | Strategy | None = None,
    deps: Any = None,
    model: ModelTap | Callable[..., Any] | str | None = None,
    sources: Sequence[Source] = SOURCES,
    variables: Mapping[str, Sequence[str | None]] | None = None,
    own: Sequence[str] = (),
    workers: Workers | None = None,
    max_runs: int = _MOST_RUNS,
    timeout: float = 60.0,
    ignore: Iterable[str] = (),
    multiset: Iterable[str] = (),
    on_run: Callable[[int, int], None] | None = None,
) -> Attribution:
    """Find the sources of non-determinism that the result of `target` moves with, and their lines.

    All sources are held (so two runs give the same), then moved, one at a time and together; each
    run has a process of its own. A hash seed or a layout of memory needs a worker process, from
    which its runs are forked. After determinism.md, section 4.6: 22 runs for most causes.

    Args:
        target: A `Graph`, a node, a list of nodes (with `strategy`), any function of the state,
            sync or async, or the name of one of these as text: "package.module:name" or
            "folder/file.py:name".
        state: What each run gets; or a function or class that makes it. It has to be picklable.
        strategy: How a list of nodes is joined; ALL_SUCCESS by default.
        deps: Services for `ctx.deps`: an object, or a function or class that is called in each run.
        model: What asks a language model, if it is neither DSPy's nor Pydantic AI's, which are
            known: a function or method, its name as "package.module:name", or a `ModelTap`.
        sources: Which sources to move; the others are held.
        variables: Environment variables to move, too, each with the values to give it; None takes
            it away.
        own: Folders whose code is the user's although it lies in an installed package.
        workers: Worker processes of an earlier call, to save their start.
        max_runs: Most runs; the probes that refine a verdict are left out first.
        timeout: Seconds that one run may take.
        ignore: Paths of the result that are left out, as in `check_determinism`.
        multiset: Paths of lists whose order does not matter, as there.
        on_run: Told after each run how many were made, and how many there may be.

    Returns:
        The report. Causes are those that are sufficient by themselves, or else the smallest set of
        sources that diverges together.

    Raises:
        UsageError: An argument can't be used.
        AttributionError: The target can't be run in a process of ours, a run took too long or ended
            its process, or the platform has no `fork`.
        NotAModelError: The state is not what the target runs on.
        CanonicalError: State or outcome can't be compared; it names the field.
    """
    stop_reading_main()
    began = time.perf_counter()
    _refuse_unfit(sources, max_runs, timeout)
    name = _checked(target, state, strategy)
    work = Work(
        target=Named.of(target) if isinstance(target, str) else target,
        strategy=strategy,
        state=state,
        makes_state=is_factory(state),
        deps=deps,
        makes_deps=is_factory(deps),
        tap=as_tap(model),
        views=Views.of(ignore=ignore, multiset=multiset),
    )
    with ExitStack() as stack:
        surroundings = stack.enter_context(Surroundings(variables))
        if workers is None:
            workers = stack.enter_context(Workers())
        folders = tuple(map(os.path.abspath, own))
        runner, why_forked = _runner(work, folders, workers, surroundings, timeout)
        try:
            experiment = Experiment(runner, most=max_runs, on_run=on_run)
        except LoadError as error:
            if why_forked or isinstance(target, str):
                raise
            why_forked = str(error)
            runner = ForkRunner(work, folders, surroundings, timeout)
            experiment = Experiment(runner, most=max_runs, on_run=on_run)
        surroundings.move_variables(experiment.baseline.variables)
        untested: dict[Source, str] = {}
        notes: tuple[str, ...] = ()
        if why_forked and "hash_seed" in sources:
            stays = f"the target can't travel to another process ({_MEMORY.sub('', why_forked)})"
            if is_markable(target):
                notes = (f"{stays}, so sets were read in other orders instead of moving hash_seed",)
            else:
                untested["hash_seed"] = (
                    f"{stays}: define it at the top of a module, or give it as "
                    f"'package.module:name'"
                )
        tested = [source for source in SOURCES if source in sources and source not in untested]
        found = search(experiment, tested)
        report = blame(experiment, found, name)
    notes = (*notes, *report.notes)
    return replace(
        report,
        untested={**untested, **report.untested},
        notes=notes,
        untried=(
            surroundings.left(experiment.baseline.variables),
            "sys.argv",
            "branches that no run took",
        ),
        elapsed=time.perf_counter() - began,
    )


def _refuse_unfit(sources: Sequence[str], max_runs: int, timeout: float) -> None:
    if not timeout > 0:
        raise UsageError(f"`timeout` is {timeout!r}: give the seconds that a run may take.")
    if not hasattr(os, "fork"):
        raise AttributionError(
            f"Attribution forks a process for each run, and {sys.platform} has no fork: use Linux "
            f"or macOS, or a container."
        )
    if isinstance(sources, str):
        raise UsageError(f"`sources` is a text: give a list of them, [{sources!r}].")
    unknown = [source for source in sources if source not in SOURCES]
    if unknown or not sources:
        raise UsageError(
            f"`sources` holds {', '.join(map(repr, unknown)) or 'nothing'}: give some of "
            f"{', '.join(SOURCES)}."
        )
    if type(max_runs) is not int:
        raise UsageError(f"`max_runs` is {max_runs!r}: give a whole number, at least 10.")
    if max_runs < 10:
        raise UsageError(
            f"`max_runs` is {max_runs}; at least 10 are needed to hold everything three times, move "
            f"everything three times, and tell sources apart."
        )


def _checked(target: Any, state: Any, strategy: Any) -> str:
    """Find out before anything runs whether target and state will do; returns the target's name."""
    named = isinstance(target, str)
    checked = None if named else as_target(target, strategy)
    if not is_factory(state):
        if checked is not None:
            checked.accept(state)
        try:
            _ = Snapshot.take(Outcome(state=state)).digest
        except (CanonicalError, UncopyableStateError) as error:
            raise in_the_callers_words(error) from None
    return str(target) if checked is None else checked.name


def _runner(
    work: Work,
    own: tuple[str, ...],
    workers: Workers,
    surroundings: Surroundings,
    timeout: float,
) -> tuple[Runner, str]:
    """What runs the work; and if that is this process's forks, why."""
    try:
        task = Task.pack(work, Frames(own), own)
    except AttributionError as error:
        if isinstance(work.target, Named):
            raise
        return ForkRunner(work, own, surroundings, timeout), str(error)
    return WorkerRunner(workers, task, surroundings, timeout), ""
