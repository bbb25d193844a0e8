"""Where two steps, two joins or two endings differ, path by path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lift_sys.determinism.comparison.fields import value_text
from lift_sys.determinism.runs.notes import Held, Notes
from lift_sys.determinism.runs.outcome import Failure
from lift_sys.determinism.runs.runtrace import RunTrace, StepTrace
from lift_sys.determinism.views import MOST_PATHS, Views, json_path
from lift_sys.state.parts import MISSING
from lift_sys.state.paths import Path
from lift_sys.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place at which two runs differ: the usual value, and the other."""

    path: str
    usual: str
    other: str


def join_differences(left: Held, right: Held, views: Views) -> list[Difference]:
    """Where what two joins gave, or two runs ended with, differs."""
    states = left.state, right.state
    if isinstance(left.state, Snapshot) and isinstance(right.state, Snapshot):
        found = state_differences(left.state, right.state, views)
        return found + note_differences(left.notes, right.notes, views)
    texts = [str(each) if isinstance(each, Failure) else "(joined)" for each in states]
    if texts[0] == texts[1]:
        return []
    return [Difference(path="error", usual=texts[0], other=texts[1])]


def same_inputs(step: StepTrace, twin: StepTrace, views: Views) -> bool:
    """Whether two steps were given the same: state, notes, and the fields of their node."""
    left, right = step.before, twin.before
    if step.handed != twin.handed:
        return False
    if note_differences(step.noted_before, twin.noted_before, views):
        return False
    if left is None or right is None:
        return left is right
    return left.digest == right.digest or (
        not views.is_exact and views.agree(left.root, right.root, ("state",))
    )


def step_differences(step: StepTrace, twin: StepTrace, views: Views) -> tuple[Difference, ...]:
    """Where what two steps did differs: state, notes, output, successor, failure."""
    found: list[Difference] = []
    if step.error != twin.error:
        usual = "(none)" if step.error is None else str(step.error)
        other = "(none)" if twin.error is None else str(twin.error)
        found.append(Difference(path="error", usual=usual, other=other))
    found += state_differences(step.after, twin.after, views)
    found += note_differences(step.noted_after, twin.noted_after, views)
    if step.returned != twin.returned:
        if step.successor != twin.successor:
            difference = Difference(path="successor", usual=step.successor, other=twin.successor)
            found.append(difference)
        elif step.output is not None or twin.output is not None:
            found += _output_differences(step, twin, views)
        else:
            text = f"{step.successor} with other fields"
            found.append(Difference(path="successor", usual=step.successor, other=text))
    return tuple(found[:20])


def _output_differences(step: StepTrace, twin: StepTrace, views: Views) -> list[Difference]:
    try:
        left, right = Snapshot.take(step.output), Snapshot.take(twin.output)
    except Exception:  # what can't be copied can't be looked into
        usual, other = value_text(step.output), value_text(twin.output)
        return [Difference(path="output", usual=usual, other=other)]
    return listed(views.differences(left.root, right.root, ("output",)))


def state_differences(
    left: Snapshot[object] | None, right: Snapshot[object] | None, views: Views
) -> list[Difference]:
    """Where two states differ; nowhere if one of them is not known."""
    if left is None or right is None:
        return []
    return listed(views.differences(left.root, right.root, ("state",)))


def note_differences(
    left: Snapshot[Notes], right: Snapshot[Notes], views: Views
) -> list[Difference]:
    """Where metadata and provenance differ."""
    if left is right:
        return []
    return listed(views.differences(left.root, right.root))


def listed(differences: Iterator[tuple[Path, object, object]]) -> list[Difference]:
    """Differing values as text, at most 20."""
    found: list[Difference] = []
    for path, left, right in differences:
        shown = [
            value_text(value) if value is not MISSING else "(nothing)" for value in (left, right)
        ]
        found.append(Difference(path=json_path(path), usual=shown[0], other=shown[1]))
        if len(found) >= min(20, MOST_PATHS):
            break
    return found


def end_differences(usual: RunTrace, other: RunTrace, views: Views) -> tuple[Difference, ...]:
    """Where what two runs ended with differs."""
    if usual.held is None or other.held is None:
        return ()
    return tuple(join_differences(usual.held, other.held, views))
