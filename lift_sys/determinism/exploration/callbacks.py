"""What a callback in the queue is: a task's step, quiet bookkeeping, or code that may do anything.

Quiet ones are the counters behind `gather`, `TaskGroup`, `asyncio.wait` and the join of a fork, as
long as nothing failed: they commute, so they run with the step that ended and their order is no
choice. What they wake was caused by all that were counted. When something failed, the order decides
who is cancelled, and the callback is an event of its own.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from lift_sys.core.strategies import AllSuccess, BestEffort
from lift_sys.determinism.exploration.tasks import ControlledTask, failed
from lift_sys.determinism.exploration.trace import Kind
from lift_sys.execution.deciders import AllSuccessDecider, BestEffortDecider, Decider
from lift_sys.execution.group import Group

# How the C and the Python task call what they queue.
_STEPS = (None, "task_wakeup", "__step", "__wakeup", "_Task__step", "_Task__wakeup")
_COUNTERS = ("gather.<locals>._done_callback", "_wait.<locals>._on_completion")
# Bookkeeping of `shield`: it passes a result on to the one who waits.
_PASSING = ("shield.<locals>._inner_done_callback", "shield.<locals>._outer_done_callback")
_LIBRARIES = ("asyncio", "anyio", "lift_sys", "concurrent")


def task_of(callback: Any) -> ControlledTask | None:
    """The task whose next step this is, if it is one."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, ControlledTask) and getattr(callback, "__name__", None) in _STEPS:
        return owner
    return None


def kind_of(callback: Any, args: tuple[Any, ...]) -> tuple[Kind, Any]:
    """What `callback` is, and what it counts in; None if it passes on what happened at once."""
    owner = getattr(callback, "__self__", None)
    name = getattr(callback, "__qualname__", "")
    module = getattr(callback, "__module__", None) or ""
    if isinstance(owner, Group):
        return (Kind.QUIET if _is_quiet_end(owner, args) else Kind.CALLBACK), owner
    if isinstance(owner, asyncio.TaskGroup) and name.endswith("_on_task_done"):
        return (Kind.CALLBACK if _is_error(args[0]) else Kind.QUIET), owner
    if module.startswith("asyncio") and args and isinstance(args[0], asyncio.Future):
        if name in _COUNTERS and _waits_for_all(callback):
            if not failed(args[0]):
                return Kind.QUIET, callback
            return Kind.CALLBACK, None if _stops_at_errors(callback) else callback
        if name in _PASSING:
            return Kind.QUIET, None
    return Kind.CALLBACK, None


def is_known(callback: Any, args: tuple[Any, ...]) -> bool:
    """Whether what it touches is seen by the instrumented classes that it works on.

    Of other callbacks nothing is known, and they clash with everything.
    """
    while isinstance(callback, functools.partial):
        callback = callback.func
    owner = getattr(callback, "__self__", None)
    if type(owner).__name__ == "Context" and args:  # contextvars.Context.run(callback)
        return is_known(args[0], args[1:])
    source = owner if owner is not None and not isinstance(owner, type) else callback
    module = getattr(source, "__module__", None) or type(source).__module__ or ""
    if isinstance(source, (asyncio.Future, set)):
        return True
    return module.partition(".")[0] in _LIBRARIES


def _is_quiet_end(group: Group[Any], args: tuple[Any, ...]) -> bool:
    """Whether a branch that ended can neither decide its group nor tell anybody."""
    heard = group.finished is not None or group.engine.scope.publish is not None
    if heard or group._judge is not None or failed(args[0]):
        return False
    if isinstance(group.strategy, (AllSuccess, BestEffort)):
        return True
    decider = group.decider
    return type(decider) in (Decider, AllSuccessDecider, BestEffortDecider)


def may_cut(group: Group[Any]) -> bool:
    """Whether a group that ends now could have ended without some of its branches."""
    decider = group.decider
    if group._fatal is not None or decider.pending:
        return True
    if isinstance(decider, AllSuccessDecider):
        return decider.fail_fast and len(decider.successes) < decider.total
    if isinstance(decider, BestEffortDecider):
        return len(decider.successes) < decider.min_success
    return type(decider) is not Decider


def _is_error(task: asyncio.Future[Any]) -> bool:
    return not asyncio.Future.cancelled(task) and failed(task)


def _waits_for_all(callback: Any) -> bool:
    return bool(_free(callback, "return_when", asyncio.ALL_COMPLETED) == asyncio.ALL_COMPLETED)


def _stops_at_errors(callback: Any) -> bool:
    return not _free(callback, "return_exceptions", True)


def _free(callback: Any, name: str, default: Any) -> Any:
    """The variable `name` of the function that `callback` was made in."""
    names = callback.__code__.co_freevars
    return callback.__closure__[names.index(name)].cell_contents if name in names else default
