"""What all adapters do: enter the steps of another framework's run into a trace.

Steps get addresses in our own grammar, with a fork where a framework starts steps side by side, so
that what compares runs of graphs compares theirs: which step did something else although it was
given the same, and which join made different states of equal results. Before editing: other
frameworks share objects between steps, so a picture is taken at once, never later.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

from lift_sys.core.successors import End, Fork
from lift_sys.determinism.reporting.report import Drawing
from lift_sys.determinism.runs.outcome import failure_of
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.errors import LiftError
from lift_sys.graph.structure import Structure
from lift_sys.state.snapshot import Snapshot

# How many names of branches the name of their fork is made of.
_MOST_NAMES = 4


class ForeignTarget:
    """What the adapters' targets have in common; any state will do for them.

    Attributes:
        name: How reports call it.
        kind: What it is: "LangGraph graph", "DSPy module", ...
        takes_text: Whether a plain text is a state for it, as a prompt is.
        structure: Always None; what a framework tells of its graph is in `drawing`.
        drawing: The declared graph, where the framework tells.
    """

    kind = ""
    copies_state = False
    takes_text = False
    structure: Structure | None = None
    drawing: Drawing | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def accept(self, state: Any) -> None:
        """Any state will do: what it may be is the framework's affair."""


class Recorder:
    """Enters steps into the trace of one run.

    Args:
        tracer: The run's tracer.
    """

    def __init__(self, tracer: Tracer) -> None:
        self.trace = tracer.trace
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    def now(self) -> float:
        """Seconds since the run began."""
        return self._clock() - self._began

    def begin(self, address: str, node: str, given: Mapping[str, Any]) -> StepTrace:
        """A step starts; what it is given is pictured at once."""
        step = StepTrace(address, node, self.now(), before=picture(given))
        self.trace.steps[address] = step
        return step

    def end(self, step: StepTrace, left: Mapping[str, Any], text: str = "returned") -> None:
        """A step has returned; `left` is laid over what it was given."""
        step.elapsed = self.now() - step.started
        step.after = laid_over(step.before, left)
        step.text = text

    def fail(self, step: StepTrace, error: BaseException) -> None:
        """A step has raised; one that was cancelled has done nothing."""
        step.elapsed = self.now() - step.started
        if not isinstance(error, asyncio.CancelledError):
            step.error = failure_of(error)


def make_fork(step: StepTrace, branches: Sequence[str]) -> None:
    """Make `step` one that started `branches`, and changed nothing itself."""
    # The engine can't play it again with other orders of arrival, as it does with forks of ours
    # unless a deadline may have cut branches off; so it is given one.
    step.given = Fork(list(branches), then=End(), timeout=math.inf)
    step.after = step.before


def fork_name(branches: Sequence[str]) -> str:
    """What a fork without a name of its own is called."""
    names = list(dict.fromkeys(branches))
    if len(names) == 1:
        return f"{names[0]} ×{len(branches)}"
    more = f" + {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return " + ".join(names[:_MOST_NAMES]) + more


def picture(values: Mapping[str, Any]) -> Snapshot[Any]:
    """`values` as they are now; what can't be pictured, such as a client, by its type."""
    try:
        shown: Snapshot[Any] = Snapshot.take(dict(values))
        _ = shown.digest
    except LiftError:
        shown = Snapshot.take({name: _plain(value) for name, value in values.items()})
    return shown


def laid_over(before: Snapshot[Any] | None, left: Mapping[str, Any]) -> Snapshot[Any]:
    """A picture of what a step was given, with what it has left in its place."""
    given = {} if before is None else before.restore()
    return picture({**given, **left})


def as_values(state: Any, *, name: str = "state") -> dict[str, Any]:
    """A state as values by name: a mapping's or a model's own, anything else as one."""
    if isinstance(state, Mapping):
        return {str(key): value for key, value in state.items()}
    fields = getattr(type(state), "model_fields", None) or getattr(
        type(state), "__dataclass_fields__", None
    )
    if fields:
        return {key: getattr(state, key) for key in fields if hasattr(state, key)}
    return {name: state}


def _plain(value: Any) -> Any:
    try:
        _ = Snapshot.take(value).digest
    except LiftError:
        return f"a {type(value).__name__}"
    return value
