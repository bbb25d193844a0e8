"""Events of a run as sentences for the logger `lift_sys.execution`.

`describe` is the one place that words them: the log, the plain output of progress and tests all
read it. It is stateless, so each event has to carry what its sentence says.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from lift_sys.core.events import (
    BranchFinished,
    CacheFailed,
    CacheHit,
    Event,
    GroupFinished,
    GroupStarted,
    NodeFailed,
    NodeFinished,
    NodeStarted,
    RetryScheduled,
    RunFinished,
    RunStarted,
    Voted,
)
from lift_sys.errors import at_step

#: What the engine logs to.
LOGGER_NAME = "lift_sys.execution"
# A fan-out over data has thousands of nodes of one name; a log line is no place for them.
_NAMED_NODES = 20


def log_observer(
    logger: logging.Logger | None = None, *, level: int = logging.INFO
) -> Callable[[Event], None] | None:
    """An observer that logs each event's sentences, or None if nobody would read them.

    Args:
        logger: Where to; by default `lift_sys.execution`.
        level: What has to be logged now for it to listen. A run whose log is on for warnings only,
            as logs are by default, builds no events for it; `Engine.warn` brings it those.
    """
    target = logging.getLogger(LOGGER_NAME) if logger is None else logger
    if not target.isEnabledFor(level):
        return None

    def write(event: Event, /) -> None:
        for level, sentence in describe(event):
            target.log(
                level,
                "%s",
                sentence,
                extra={"execution_id": event.execution_id, "address": event.address},
            )

    return write


def describe(event: Event) -> Iterator[tuple[int, str]]:
    """Yield `(level, sentence)` for `event`, none for news such as progress and token deltas.

    Levels are those of `logging`. Sentences about groups end with the group's place, "at 0.2",
    because many groups run at the same time.
    """
    match event:
        case RunStarted():
            yield logging.DEBUG, f"run of {event.graph} started (seed {event.seed})"
        case RunFinished(error=None):
            steps = counted(event.steps, "step")
            yield logging.DEBUG, f"run finished in {seconds(event.elapsed)}: {steps}"
        case RunFinished():
            kind = type(event.error).__name__
            yield logging.DEBUG, f"run failed after {seconds(event.elapsed)}: {kind}"
        case NodeStarted():
            attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
            yield logging.DEBUG, f"{at_step(event.address, event.node)} started{attempt}"
        case NodeFinished():
            step = at_step(event.address, event.node)
            yield logging.DEBUG, f"{step} returned {event.successor} in {seconds(event.elapsed)}"
        case NodeFailed():
            last = "for good" if event.final else "and may be tried again"
            yield (  # who awaits the run, or reads its branches, is told of it anyway
                logging.INFO,
                f"{at_step(event.address, event.node)} failed in attempt {event.attempt} after "
                f"{seconds(event.elapsed)}, {last}: {error_text(event.error)}",
            )
        case RetryScheduled():
            yield (
                logging.WARNING,
                f"{at_step(event.address, event.node)} is tried again in {seconds(event.delay)}, "
                f"after attempt {event.attempt}: {error_text(event.error)}",
            )
        case CacheHit():
            found = "shares what another step did" if event.shared else "found in the cache"
            yield (
                logging.INFO,
                f"{at_step(event.address, event.node)} {found}, which took {seconds(event.saved)}",
            )
        case CacheFailed():
            yield (
                logging.WARNING,
                f"{at_step(event.address, event.node)} goes without the cache: "
                f"{error_text(event.error)}",
            )
        case GroupStarted():
            yield from _group_started(event)
        case BranchFinished():
            words = {"succeeded": "completed", "suspended": "waits for an answer"}
            done = words.get(event.status, event.status)
            yield (
                logging.INFO,
                f"node {event.node} {done} ({event.done}/{event.total}) in "
                f"{seconds(event.elapsed)}{_place(event)}",
            )
        case GroupFinished():
            yield from _group_finished(event)
        case Voted(weak=True):
            most, votes = len(event.classes[0]), sum(map(len, event.classes))
            yield (
                logging.WARNING,
                f"weak plurality{_place(event)}: the winner has {most} of "
                f"{counted(votes, 'vote')} ({event.share:.0%}). Set a quorum, e.g. "
                f'Majority(quorum="majority"), if that must not pass.',
            )
        case Voted():
            yield logging.DEBUG, f"vote won with {event.share:.0%} of the votes{_place(event)}"


def _group_started(event: GroupStarted) -> Iterator[tuple[int, str]]:
    count = len(event.nodes)
    names = ", ".join(event.nodes[:_NAMED_NODES])
    if count > _NAMED_NODES:
        names += f", ... ({count - _NAMED_NODES} more)"
    yield (
        logging.INFO,
        f"starting parallel execution of {counted(count, 'node')}: [{names}]{_place(event)}",
    )
    yield logging.DEBUG, f"created {counted(count, 'isolated context')}{_place(event)}"


def _group_finished(event: GroupFinished) -> Iterator[tuple[int, str]]:
    total = event.succeeded + event.failed + event.cancelled
    cancelled = f", {event.cancelled} cancelled" if event.cancelled else ""
    merging = f"merging {counted(event.succeeded, 'isolated context')}"
    by = f" by {event.strategy}" if event.strategy else ""
    yield logging.DEBUG, f"{merging}{by}{_place(event)}"
    yield (
        logging.INFO,
        f"parallel execution completed in {seconds(event.elapsed)}: {event.succeeded}/{total} "
        f"succeeded, {event.failed} failed{cancelled}{_place(event)}",
    )
    if total and event.elapsed > 0:
        yield (
            logging.INFO,
            f"estimated speed-up {event.sequential / event.elapsed:.1f}x (sequential "
            f"{seconds(event.sequential)}, parallel {seconds(event.elapsed)}){_place(event)}",
        )


def _place(event: Event) -> str:
    return f" at {event.address}" if event.address else ""


def counted(count: int, thing: str, things: str = "") -> str:
    """`1 node`, `2 nodes`; `things` is the plural where it is not just an s."""
    return f"{count} {thing if count == 1 else things or thing + 's'}"


def seconds(value: float) -> str:
    """A duration for people: three digits, no exponent, never negative zero."""
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.3g} s" if value >= 0.001 else f"{value * 1e3:.2g} ms"


def visible(value: str, *, keep: str = "") -> str:
    """Text with what can't be printed told by its number, so that no terminal obeys it.

    Also direction marks, with which a value could make its line read as something else.

    Args:
        value: The text, which may come from anywhere.
        keep: Characters that stay, such as line ends.
    """
    if value.isprintable():
        return value
    return "".join(
        char if char.isprintable() or char in keep else f"\\u{ord(char):04x}" for char in value
    )


def error_text(error: BaseException) -> str:
    """Type and message of an error in one line."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
