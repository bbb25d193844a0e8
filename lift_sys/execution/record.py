"""What a run adds up on its way, for its result: counts, votes, and what joins left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lift_sys.core.address import declared_order
from lift_sys.execution.deciders import Vote
from lift_sys.execution.join import Discarded
from lift_sys.execution.results import NodeResult
from lift_sys.state.operations import Unkept, WriteSet
from lift_sys.state.paths import Key, Path

_COUNTS = ("steps", "attempts", "cache_hits", "forks", "branches", "failed", "cancelled")


@dataclass(slots=True)
class Record:
    """Counts of one run, and of the runs inside it once they have ended.

    Of a run with a journal also each branch, and each step, has one until it has ended.

    Attributes:
        votes: The votes of every majority, by the address of its fork.
        discarded: Writes of successful branches that another's context replaced.
        steps: Steps that were begun.
        attempts: Attempts of steps that succeeded.
        cache_hits: Steps that were not run because the cache knew what they do.
        forks, branches, failed, cancelled: How many there were.
    """

    votes: dict[str, Vote] = field(default_factory=dict)
    discarded: list[Discarded] = field(default_factory=list)
    steps: int = 0
    attempts: int = 0
    cache_hits: int = 0
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
        """Add what a part of this one has counted."""
        # Each written out, and what is rare apart, because this is every kept step.
        self.steps += inner.steps
        self.attempts += inner.attempts
        if inner.has_more():
            self.cache_hits += inner.cache_hits
            self.forks += inner.forks
            self.branches += inner.branches
            self.failed += inner.failed
            self.cancelled += inner.cancelled
            self.votes |= inner.votes
            self.discarded += inner.discarded

    def has_more(self) -> bool:
        """Whether it has counted anything but steps and their attempts."""
        # What failed or was cancelled is a branch, which is of a fork; and so is what was voted on.
        return bool(self.forks or self.cache_hits)

    def form(self) -> dict[str, Any]:
        """The same as JSON; of what was discarded only where it was written."""
        form: dict[str, Any] = {name: count for name in _COUNTS if (count := getattr(self, name))}
        if self.votes:
            form["votes"] = {at: asdict(vote) for at, vote in self.votes.items()}
        if self.discarded:
            form["discarded"] = [
                [each.label, [_path_form(one.path) for one in each.writes.operations]]
                for each in self.discarded
            ]
        return form

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> Record:
        """What `form` has made JSON of."""
        counts = {name: int(form.get(name, 0)) for name in _COUNTS}
        votes = {
            at: Vote(**vote | {"classes": tuple(map(tuple, vote["classes"]))})
            for at, vote in form.get("votes", {}).items()
        }
        discarded = [
            Discarded(label, WriteSet(tuple(Unkept(_path_of(path)) for path in paths)))
            for label, paths in form.get("discarded", ())
        ]
        return cls(votes, discarded, **counts)

    def votes_in_order(self) -> dict[str, Vote]:
        """The votes, in declared order of their forks."""
        return {at: self.votes[at] for at in sorted(self.votes, key=declared_order)}

    def discarded_in_order(self) -> tuple[Discarded, ...]:
        """What was discarded, in declared order."""
        return tuple(sorted(self.discarded, key=_place))


def _place(discarded: Discarded) -> list[tuple[int, int]]:
    return declared_order(discarded.label.partition(":")[0])


def _path_form(path: Path) -> list[Any]:
    """A key stands in a list of its own; one that JSON does not know is its text."""
    return [
        step
        if isinstance(step, str)
        else [step.key if type(step.key) in (str, int) else repr(step.key)]
        for step in path
    ]


def _path_of(form: list[Any]) -> Path:
    return tuple(step if isinstance(step, str) else Key(step[0]) for step in form)
