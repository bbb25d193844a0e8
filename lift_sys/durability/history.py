"""What was run, how long it took, what it cost (hole H11); and how much of it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from lift_sys.durability.facts import SAVED, Status
from lift_sys.durability.query import RunQuery
from lift_sys.durability.store import Store
from lift_sys.durability.stores.database import Row
from lift_sys.errors import UnknownRunError


class Summary(BaseModel):
    """Some runs, or some steps, in numbers.

    Attributes:
        count: How many.
        tokens: That they spent.
        cost: US dollars that they spent; None where no price is known.
        shortest, mean, longest: Seconds that they ran.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    tokens: int
    cost: float | None
    shortest: float
    mean: float
    longest: float


SummaryT = TypeVar("SummaryT", bound=Summary)


class RunSummary(Summary):
    """Some runs in numbers.

    Attributes:
        steps: That they took.
    """

    steps: int


class NodeSummary(Summary):
    """The finished steps of a node in numbers.

    Attributes:
        attempts: That they took, each at least one.
    """

    attempts: int


class Statistics(BaseModel):
    """What was run.

    Attributes:
        by_status: Runs, by how they stand.
        by_node: Finished steps, by the name of the node; what took longest in sum comes first.
    """

    model_config = ConfigDict(frozen=True)

    by_status: dict[str, RunSummary]
    by_node: dict[str, NodeSummary]

    @classmethod
    def of(cls, by_status: Sequence[Row], by_node: Sequence[Row]) -> Statistics:
        """From the rows of `statements`."""
        return cls(
            by_status=_summaries(RunSummary, by_status), by_node=_summaries(NodeSummary, by_node)
        )


def _summaries(kind: type[SummaryT], rows: Sequence[Row]) -> dict[str, SummaryT]:
    return {
        str(name): kind(**dict(zip(kind.model_fields, values, strict=True)))
        for name, *values in rows
    }


# How many runs are asked for at a time.
_PAGE = 1000


async def prune(
    store: Store,
    *,
    older_than: datetime | timedelta | None = None,
    keep: int | None = None,
    status: Status | None = None,
    unfinished: bool = False,
) -> int:
    """Remove old runs that are finished. All others can still go on, and stay unless that is said.

    What `StatePersistence` has saved is no run, and stays in any case.

    Args:
        store: Where they are.
        older_than: Only those created before; an age is counted from now.
        keep: Only those beyond the newest so many, of those that the other conditions meet.
        status: Those that stand so, instead of the finished ones.
        unfinished: Those that are suspended, failed or cancelled, too. Runs under way, or whose
            process died, are removed by `status="running"` only.

    Returns:
        How many were removed.

    Raises:
        ValueError: No condition is given: that would be everything. Or `keep` is below 0.
        TypeError: `older_than` is neither an age nor a date, or `keep` no whole number.
    """
    if older_than is None and keep is None and status is None:
        raise ValueError("prune needs `older_than`, `keep` or `status`; without it all would go")
    _refuse_unclear(older_than, keep)
    until = datetime.now(UTC) - older_than if isinstance(older_than, timedelta) else older_than
    only = status if status is not None or unfinished else "finished"
    to_keep, spared, gone = keep or 0, 0, 0
    while True:
        query = RunQuery(status=only, until=until, limit=spared + _PAGE)
        found = (await store.runs(query))[spared:]
        for record in found:
            if record.graph == SAVED:
                spared += 1
            elif to_keep:
                to_keep, spared = to_keep - 1, spared + 1
            elif record.status == "running" and status != "running":
                spared += 1
            else:
                with suppress(UnknownRunError):  # another process removes them, too
                    await store.delete(record.execution_id)
                    gone += 1
        if len(found) < _PAGE:
            return gone


def _refuse_unclear(older_than: object, keep: object) -> None:
    """What is removed is gone: nothing is guessed, as that a number is of days, or of seconds."""
    if not isinstance(older_than, datetime | timedelta | None):
        raise TypeError(
            f"older_than={older_than!r}: give an age, `timedelta(days=30)`, or a datetime"
        )
    if not isinstance(keep, int | None) or isinstance(keep, bool):
        raise TypeError(f"keep={keep!r}: give a whole number")
    if keep is not None and keep < 0:
        raise ValueError(f"keep={keep}: give how many are to stay, 0 or more")
