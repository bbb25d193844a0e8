"""Outcomes sorted into classes: equal by canonical digest, or by what a view takes for equal."""

from __future__ import annotations

from lift_sys.determinism.runs.outcome import Outcome
from lift_sys.determinism.views import Views
from lift_sys.state.snapshot import Snapshot


class OutcomeClasses:
    """Classes in the order in which they were first seen; a new outcome joins the first that fits.

    Attributes:
        members: For each class the numbers of its runs, in the order in which they were added.
        digests, snapshots: For each class the first outcome that was added.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._known: dict[str, int] = {}
        self._kept: dict[str, Snapshot[Outcome]] = {}
        self.members: list[list[int]] = []
        self.digests: list[str] = []
        self.snapshots: list[Snapshot[Outcome]] = []

    def add(self, index: int, digest: str, snapshot: Snapshot[Outcome]) -> None:
        """Note the outcome of run `index`, with its digest."""
        number = self._known.get(digest)
        if number is None:
            number = self._known[digest] = self._find(digest, snapshot)
            self._kept[digest] = snapshot
        self.members[number].append(index)

    def _find(self, digest: str, snapshot: Snapshot[Outcome]) -> int:
        if not self._views.is_exact:
            for number, other in enumerate(self.snapshots):
                if self._views.agree(other.root, snapshot.root, ()):
                    return number
        self.members.append([])
        self.digests.append(digest)
        self.snapshots.append(snapshot)
        return len(self.members) - 1

    def snapshot_of(self, digest: str) -> Snapshot[Outcome]:
        """The first outcome with this digest."""
        return self._kept[digest]

    def number_of(self, digest: str) -> int:
        """The class of an outcome that was added."""
        return self._known[digest]
