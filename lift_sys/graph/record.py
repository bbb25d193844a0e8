"""What a run adds up on its way, for its result: counts, votes, and what joins left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lift_sys.core.address import declared_order
from lift_sys.execution.deciders import Vote
from lift_sys.execution.join import Discarded
from lift_sys.execution.results import NodeResult


@dataclass(slots=True)
class Record:
    """Counts of one run, and of the runs inside it once they have ended.

    Attributes:
        votes: The votes of every majority, by the address of its fork.
        discarded: Writes of successful branches that another's context replaced.
        attempts: Attempts of steps that succeeded.
        forks, branches, failed, cancelled: How many there were.
    """

    votes: dict[str, Vote] = field(default_factory=dict)
    discarded: list[Discarded] = field(default_factory=list)
    attempts: int = 0
    forks: int = 0
    branches: int = 0
    failed: int = 0
    cancelled: int = 0

    def count(self, results: Iterable[NodeResult[Any]]) -> float:
        """Count the branches of one fork; return the seconds that their nodes ran."""
        busy = 0.0
        self.forks += 1
        for result in results:
            self.branches += 1
            busy += result.busy_ms
            if result.error is not None:
                if result.is_cancelled:
                    self.cancelled += 1
                elif isinstance(result.error, Exception):  # and not the `Stop` that ended all
                    self.failed += 1
        return busy / 1000

    def add(self, inner: Record) -> None:
        """Add what a run inside this one has counted."""
        self.votes |= inner.votes
        self.discarded += inner.discarded
        for name in ("attempts", "forks", "branches", "failed", "cancelled"):
            setattr(self, name, getattr(self, name) + getattr(inner, name))

    def votes_in_order(self) -> dict[str, Vote]:
        """The votes, in declared order of their forks."""
        return {at: self.votes[at] for at in sorted(self.votes, key=declared_order)}

    def discarded_in_order(self) -> tuple[Discarded, ...]:
        """What was discarded, in declared order."""
        return tuple(sorted(self.discarded, key=_place))


def _place(discarded: Discarded) -> list[tuple[int, int]]:
    return declared_order(discarded.label.partition(":")[0])
