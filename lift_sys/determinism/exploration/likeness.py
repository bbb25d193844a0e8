"""Which outcomes are taken for equal: those with one digest, or that agree in the caller's views."""

from __future__ import annotations

from dataclasses import replace

from lift_sys.determinism.comparison.pairs import Difference, listed
from lift_sys.determinism.exploration.outcomes import Outcome as Explored
from lift_sys.determinism.runs.classes import OutcomeClasses
from lift_sys.determinism.runs.outcome import Failure, Outcome, failure_of
from lift_sys.determinism.views import Views
from lift_sys.errors import LiftError
from lift_sys.execution.log import counted
from lift_sys.state.snapshot import Snapshot

_SHOWN_AS_A_WHOLE = 80


class Likeness:
    """Sorts outcomes into classes, in the order in which they come.

    The search knows digests alone, so an outcome gets that of the first one of its class.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._classes = OutcomeClasses(views)
        self._met: set[str] = set()

    def of(self, outcome: Explored) -> Explored:
        """The outcome with the digest of its class.

        Raises:
            UncopyableStateError: There are views, and it holds what can't be looked into.
        """
        if self._views.is_exact:
            return outcome
        if outcome.digest not in self._met:
            self._met.add(outcome.digest)
            taken = Snapshot.take(result_of(outcome))
            self._classes.add(len(self._met), outcome.digest, taken)
        number = self._classes.number_of(outcome.digest)
        return replace(outcome, digest=self._classes.digests[number])

    def agree(self, one: Explored, other: Explored) -> bool:
        """Whether two outcomes are of one class."""
        return self.of(one).digest == self.of(other).digest

    def differences(self, one: Explored, other: Explored) -> list[Difference]:
        """Where two outcomes differ, path by path; nowhere if one can't be looked into."""
        try:
            left, right = (Snapshot.take(result_of(each)).root for each in (one, other))
        except LiftError:
            return []
        return listed(self._views.differences(left, right))

    def apart(self, one: Explored, other: Explored) -> str:
        """What two runs came to, in words that show the difference."""
        found = self.differences(one, other)
        if not found or max(len(one.text), len(other.text)) <= _SHOWN_AS_A_WHOLE:
            return f"came to {one.text} and to {other.text}"
        first, *more = found
        beside = f" (and at {counted(len(more), 'more path')})" if more else ""
        return f"differ at {first.path}: {first.usual} and {first.other}{beside}"


def result_of(outcome: Explored) -> Outcome:
    """What a run came to, in the form that repeats are compared in."""
    if outcome.kind == "value":
        return Outcome(**outcome.example._asdict())
    if outcome.kind == "error":
        return Outcome(error=failure_of(outcome.example))
    return Outcome(error=Failure(type=outcome.kind, text=outcome.text))
