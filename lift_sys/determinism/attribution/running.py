"""One run in a process of ours: switches set, modules loaded, target run, outcome looked at.

Before editing: the order matters. Switches come first, then the user's modules are imported, so that
what they do while they are imported (a seed drawn, a start time taken) is under control as well.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import Any, TypeVar

from lift_sys.core.caching import without_cache
from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.frameworks import tap_frameworks, threads_on_loop
from lift_sys.determinism.attribution.instrument import SetReadings
from lift_sys.determinism.attribution.model import Answers, installed
from lift_sys.determinism.attribution.modules import UserFinder, take_over_main
from lift_sys.determinism.attribution.observation import hashed, views_of
from lift_sys.determinism.attribution.patches import Replacements
from lift_sys.determinism.attribution.patches.address import settle_heap
from lift_sys.determinism.attribution.patches.env import enter_surroundings
from lift_sys.determinism.attribution.patches.rng import seed_shared, stream_instances
from lift_sys.determinism.attribution.schedule import ScheduledLoop
from lift_sys.determinism.attribution.settings import Setting
from lift_sys.determinism.attribution.surroundings import Moved
from lift_sys.determinism.attribution.task import Named, Task, Work
from lift_sys.determinism.runs import targets
from lift_sys.determinism.runs.outcome import Outcome, Ran, failure_of, in_the_callers_words
from lift_sys.determinism.runs.targets import Target
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.determinism.viewed import viewed
from lift_sys.errors import AttributionError, CanonicalError, LiftError

ResultT = TypeVar("ResultT")


def run_in_child(
    controls: Controls,
    replaced: Replacements,
    setting: Setting,
    levels: list[Moved],
    known: dict[str, Any],
    work: Task | Work,
) -> dict[str, Any]:
    """Run once, in a process that ends afterwards.

    Args:
        controls: The switches that this process was patched with.
        replaced: What was patched.
        setting: What is held and what is moved.
        levels: The surroundings of each level.
        known: Answers of models recorded so far.
        work: What to run; a task is unpacked when the switches are set.

    Returns:
        In JSON's types: an `Observation`, or `{"failed": what, "text": why}` where nothing can be
        observed; "load" if the work can't be had in this process, else "unfit".
    """
    controls.begin(setting)
    kept = []
    try:
        # Work that has not come as a task runs in a fork of its own process.
        forked = isinstance(work, Work)
        marked = setting.is_marked_in_fork if forked else setting.reads_sets
        if forked:
            gc.callbacks.clear()  # they would ask for the time wherever a collection comes
            gc.freeze()  # what the process had before is no business of this run
        if setting.level("address"):
            kept += settle_heap(setting.level("address"))
        enter_surroundings(controls, levels)
        seed_shared(setting.level("rng"))
        if "streams" in setting.probes:
            stream_instances(controls)
        readings = SetReadings(controls, stands_for_seed=forked) if marked else None
        if isinstance(work, Task):
            try:
                work = _loaded(work, controls, marked=setting.reads_sets)
            except Exception as error:
                return {"failed": "load", "text": str(error)}
        answers = Answers(controls, known)
        with installed(work.tap, answers, replaced):
            tap_frameworks(answers)
            threads_on_loop()
            _rebind(work, replaced)
            target = targets.as_target(work.target, work.strategy)
            if not work.makes_state:
                target.accept(work.state)
            loop = ScheduledLoop(controls)
            kept += settle_heap(setting.level("address"))
            outcome = _outcome(work, target, loop)
        controls.setting = None
        observed = views_of(viewed(outcome, work.views))
    except CanonicalError as error:
        found = in_the_callers_words(error)
        assert isinstance(found, CanonicalError)
        why = [found.path, found.type_name, found.reason]
        return {"failed": "unfit", "text": str(found), "canonical": why}
    except LiftError as error:
        return {"failed": "unfit", "text": str(error)}
    finally:
        del kept
    return observed | {
        "error": "" if outcome.error is None else str(outcome.error),
        "calls": {
            source: [place.to_json() for place in places.values()]
            for source, places in controls.calls.items()
        },
        "threads": [place.to_json() for place in controls.threads.values()],
        "unplaced": sorted(controls.unplaced),
        "landed": hashed(loop.landed),
        "variables": sorted(controls.variables),
        "rivals": [[place.to_json() for place in stack] for stack in loop.rivals.values()],
        "sets": [
            [place.to_json(), *rest]
            for place, *rest in (readings.seen.values() if readings else ())
        ],
        "answers": answers.known,
    }


def call_in_child(
    controls: Controls, replaced: Replacements, setting: Setting, work: Callable[[], ResultT]
) -> ResultT:
    """Call `work` with sources held and moved as `setting` says, in a process that ends afterwards.

    What the environment says is left as it is.
    """
    gc.callbacks.clear()  # they would ask for the time wherever a collection comes
    controls.begin(setting)
    controls.surroundings[:] = [Moved(pid=os.getpid())]
    seed_shared(setting.level("rng"))
    replaced.apply_to_modules()
    try:
        return work()
    finally:
        controls.setting = None


def _loaded(task: Task, controls: Controls, *, marked: bool) -> Work:
    controls.frames.add_own(task.own)
    sys.meta_path.insert(0, UserFinder(task.modules, controls.frames, marked=marked))
    if task.uses_main:
        take_over_main()
    work = task.unpack()
    if not isinstance(work.target, Named):
        return work
    target = work.target.load()
    return replace(work, target=target)


def _rebind(work: Work, replaced: Replacements) -> None:
    """Let names that were imported before the patches be the patched ones."""
    replaced.apply_to_modules()
    for value in (work.target, work.state, getattr(work.target, "__func__", None)):
        if isinstance(value, FunctionType):
            replaced.apply_to_function(value)


def _outcome(work: Work, target: Target, loop: ScheduledLoop) -> Outcome:
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            ran = runner.run(_ran(work, target))
    except (AttributionError, CanonicalError):
        raise
    except (Exception, SystemExit) as error:
        return Outcome(error=failure_of(error))
    return Outcome(**ran._asdict())


async def _ran(work: Work, target: Target) -> Ran:
    state = work.state() if work.makes_state else work.state
    deps = work.deps if work.makes_deps else lambda: work.deps
    fixed = targets.Setting(execution_id="attribution", deps=deps)
    with without_cache():
        return await target.run(state, fixed, Tracer(gated=True))
