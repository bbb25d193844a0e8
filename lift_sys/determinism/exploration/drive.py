"""Driving one program through one schedule, from its first step until nothing of it is left."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from lift_sys.determinism.exploration.entries import Fifo, Pruned, Strategy
from lift_sys.determinism.exploration.footprint import recorder
from lift_sys.determinism.exploration.loop import Chooser, ControlledLoop
from lift_sys.determinism.exploration.outcomes import Outcome, kept, outcome_of, stuck
from lift_sys.determinism.exploration.places import waiting_lines
from lift_sys.determinism.exploration.recording import Watch
from lift_sys.determinism.exploration.settling import settle
from lift_sys.determinism.exploration.sockets import LoopbackLoop
from lift_sys.determinism.exploration.tasks import ControlledTask, close_quietly
from lift_sys.determinism.exploration.trace import Space, Trace

#: Makes the coroutine to run; called inside the loop.
Program = Callable[[], Coroutine[Any, Any, Any]]

_MOST_LEFT_OVER = 1000  # events granted to what is cancelled at the end


def run_once(
    program: Program,
    strategy: Strategy | None = None,
    *,
    space: Space = "completions",
    watch: Watch | None = None,
    limit: int = 10_000,
    tail: int = 0,
    with_options: bool = False,
    with_lines: bool = False,
    strict: bool = False,
    mirrored: bool = False,
    sockets: bool = False,
    keep: bool = False,
) -> Trace:
    """Run `program` once.

    Args:
        program: Makes the coroutine.
        strategy: Decides wherever there are several options; None is a plain loop's order.
        space: Which options there are.
        watch: Sees undeclared writes.
        limit: Most events; beyond them the run is a livelock.
        tail: Most events to go on for after the result is there, so that what is still under way
            shows what it would have clashed with.
        with_options: Take down who else could have run, for `DporSearch`.
        with_lines: Take down where in the user's code each step begins.
        strict: Sleeps end in the order of their durations.
        mirrored: Sets of tasks come in the opposite order.
        sockets: Let connections within this machine be made.
        keep: The result is kept as it is, and not looked at.

    Returns:
        The trace; its outcome is None if the strategy broke the run off.
    """
    kind: type[Chooser] = LoopbackLoop if sockets else ControlledLoop
    loop = kind(
        strategy or Fifo(),
        space=space,
        watch=watch,
        with_options=with_options,
        with_lines=with_lines,
        strict=strict,
        mirrored=mirrored,
    )
    outer = asyncio._get_running_loop()
    hooks = sys.get_asyncgen_hooks()
    try:
        asyncio._set_running_loop(loop)
        sys.set_asyncgen_hooks(
            firstiter=loop._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
            finalizer=loop._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
        )
        return copy_context().run(_run, loop, program, limit, tail, keep)
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(outer)
        loop.close()


def _run(loop: Chooser, program: Program, limit: int, tail: int, keep: bool) -> Trace:
    recorder.set(loop.recording)
    own = set(vars(loop))
    loop._thread_id = loop._thread  # type: ignore[attr-defined]  # it counts as running
    trace = loop.trace
    try:
        main = loop.create_task(program())
        with suppress(Pruned):
            trace.outcome = _until_done(loop, main, limit, keep)
        trace.length = len(trace.events)
        if tail and trace.outcome is not None and trace.outcome.kind in ("value", "error"):
            _go_on(loop, tail)
        for name in sorted(set(vars(loop)) - own):
            trace.caveats.add(f"the event loop was given an attribute, `{name}`")
        if loop.recording.watch is not None:
            trace.owners = loop.recording.watch.owners()
        settle(loop.recording)
    finally:
        _clean_up(loop)
        loop._thread_id = None  # type: ignore[attr-defined]
    return trace


def _until_done(loop: Chooser, main: ControlledTask, limit: int, keep: bool) -> Outcome:
    events, done, advance = loop.trace.events, asyncio.Task.done, loop.advance
    while not done(main):
        if len(events) >= limit:
            return stuck("livelock", waiting_lines(loop.tasks))
        if not advance():
            return stuck("deadlock", waiting_lines(loop.tasks))
    return kept(main) if keep else outcome_of(main)


def _go_on(loop: Chooser, tail: int) -> None:
    for _ in range(tail):
        try:
            if not loop.advance():
                return
        except Pruned:
            return
    loop.trace.caveats.add("something still ran long after the result was there")


def _clean_up(loop: Chooser) -> None:
    """Cancel what is left, as `asyncio.run` does, and close what resists."""
    loop.recording.muted = True
    loop.recording.watch = None
    loop.follow(Fifo())
    left = [task for task in loop.tasks if not asyncio.Task.done(task)]
    for task in left:
        task.cancel()
    if loop._asyncgens:  # type: ignore[attr-defined]
        left.append(loop.create_task(loop.shutdown_asyncgens()))
    if left:
        for _ in range(_MOST_LEFT_OVER):
            if all(asyncio.Task.done(task) for task in left) or not loop.advance():
                break
    for task in loop.tasks:
        if not asyncio.Task.done(task):
            close_quietly(task)
        elif not asyncio.Task.cancelled(task):
            asyncio.Task.exception(task)  # or asyncio would complain that nobody looked
