"""The repeats that were made, sorted: classes of outcomes, kinds of traces, who asked a model."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lift_sys.core.usage import Usage, UsageLedger
from lift_sys.determinism.runs.classes import OutcomeClasses
from lift_sys.determinism.runs.outcome import Failure, Outcome
from lift_sys.determinism.runs.runtrace import RunTrace
from lift_sys.determinism.views import Views
from lift_sys.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """One repeat in a report.

    Attributes:
        index: Its number, from 0.
        digest: Digest of its outcome.
        outcome: Number of its class of outcomes; 0 is the modal one.
        trace: Number of its kind of trace in `Sample.traces`, those of the lowest runs first.
        elapsed: Seconds that it took.
        usage: What its steps said that they have cost.
        error: How it failed.
        given: Digest of the state that a factory made for it; empty without a factory.
    """

    index: int
    digest: str
    outcome: int
    trace: int
    elapsed: float
    usage: Usage
    error: Failure | None = None
    given: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeClass:
    """Repeats with one outcome.

    Attributes:
        digest: Digest of the first one's outcome.
        runs: Their numbers.
        snapshot: The first one's outcome.
    """

    digest: str
    runs: tuple[int, ...]
    snapshot: Snapshot[Outcome]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Repeats that were made.

    Attributes:
        runs: One record for each, in the order of their numbers.
        outcomes: Their classes: the one that MAJORITY takes first, then by size.
        traces: Traces of the runs, one of each kind.
        modal: What MAJORITY took.
        usage: What the steps have cost in all runs, by address.
        fresh: By address, the runs in which a model answered the step, and no cache did.
        stopped: Whether a stop rule ended the repeats.
    """

    runs: tuple[RunRecord, ...]
    outcomes: tuple[OutcomeClass, ...]
    traces: tuple[RunTrace, ...]
    modal: Outcome
    usage: Mapping[str, Usage]
    fresh: Mapping[str, frozenset[int]]
    stopped: bool

    def run(self, index: int) -> RunRecord:
        """The repeat of that number. Numbers have gaps where a stop rule ended concurrent ones."""
        return next(record for record in self.runs if record.index == index)

    @property
    def counts(self) -> list[int]:
        """How many runs are of each kind of trace."""
        found = [0] * len(self.traces)
        for record in self.runs:
            found[record.trace] += 1
        return found


class Gathering:
    """Takes repeats as they end, in any order, and keeps of each no more than a sample needs.

    Args:
        views: What counts as equal.
    """

    def __init__(self, views: Views) -> None:
        self._views = views
        self._digests: dict[int, str] = {}
        self._elapsed: dict[int, float] = {}
        self._given: dict[int, str] = {}
        self._kinds: dict[Hashable, int] = {}
        self._traces: list[RunTrace] = []
        self._kind: dict[int, int] = {}
        self._usage: dict[int, list[tuple[str, Usage]]] = {}
        self.arrived = OutcomeClasses(views)

    def add(
        self,
        index: int,
        digest: str,
        outcome: Snapshot[Outcome],
        trace: RunTrace,
        *,
        elapsed: float,
        given: str = "",
    ) -> None:
        """Take the repeat number `index`.

        Args:
            index: Its number, from 0.
            digest: Digest of what it came to.
            outcome: What it came to.
            trace: What its steps did; kept if no repeat before did the same.
            elapsed: Seconds that it took.
            given: Digest of the state that a factory made for it.
        """
        self._digests[index] = digest
        self.arrived.add(index, digest, outcome)
        self._elapsed[index], self._given[index] = elapsed, given
        usage = [(step.address, step.usage) for step in trace.steps.values() if step.usage]
        if usage:
            self._usage[index] = usage
        trace.ending = _ending_of(outcome)
        kind = self._kind[index] = self._kinds.setdefault(trace.fingerprint, len(self._traces))
        if kind == len(self._traces):
            trace.settle()
            trace.run = index
            trace.note_handed()
            self._traces.append(trace)

    def sample(self, winner: str, classes: OutcomeClasses, *, stopped: bool) -> Sample:
        """What was gathered, sorted.

        Args:
            winner: Digest that MAJORITY took.
            classes: Classes of the outcomes, counted in the order of the runs.
            stopped: Whether a stop rule ended the repeats.
        """
        # As MAJORITY ranks them: the largest first, equal sizes by the lowest index.
        order = sorted(
            range(len(classes.members)),
            key=lambda number: (-len(classes.members[number]), classes.members[number][0]),
        )
        place = {number: at for at, number in enumerate(order)}
        kinds = {kind: at for at, kind in enumerate(dict.fromkeys(self._kind[i] for i in self))}
        ledger = UsageLedger()
        fresh: dict[str, set[int]] = {}
        records = []
        for index in self:
            spent = Usage()
            for address, usage in self._usage.get(index, ()):
                ledger.add(address, usage)
                spent += usage
                if usage.calls > usage.cached_calls:
                    fresh.setdefault(address, set()).add(index)
            digest = self._digests[index]
            ending = self._traces[self._kind[index]].ending
            records.append(
                RunRecord(
                    index=index,
                    digest=digest,
                    outcome=place[classes.number_of(digest)],
                    trace=kinds[self._kind[index]],
                    elapsed=self._elapsed[index],
                    usage=spent,
                    error=ending if isinstance(ending, Failure) else None,
                    given=self._given[index],
                )
            )
        outcomes = tuple(
            OutcomeClass(
                digest=classes.digests[number],
                runs=tuple(classes.members[number]),
                snapshot=classes.snapshots[number],
            )
            for number in order
        )
        return Sample(
            runs=tuple(records),
            outcomes=outcomes,
            traces=tuple(self._traces[kind] for kind in kinds),
            modal=self.arrived.snapshot_of(winner).restore(),
            usage=ledger,
            fresh={address: frozenset(runs) for address, runs in fresh.items()},
            stopped=stopped,
        )

    def classes(self) -> OutcomeClasses:
        """The outcomes in classes, counted in the order of the runs and not of their ends.

        With a tolerance it matters who is the first of a class.
        """
        classes = OutcomeClasses(self._views)
        for index in self:
            digest = self._digests[index]
            classes.add(index, digest, self.arrived.snapshot_of(digest))
        return classes

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._digests))

    def __len__(self) -> int:
        return len(self._digests)


def _ending_of(outcome: Snapshot[Outcome]) -> Snapshot[Any] | Failure:
    values = outcome.root.values
    error = values["error"]
    if error is not None:
        failure: Failure = error.restore({})
        return failure
    return Snapshot(values["state"], outcome.simple)
