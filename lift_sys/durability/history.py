"""What was run, how long it took, what it cost (hole H11); and how much of it is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lift_sys.durability.facts import Status
from lift_sys.durability.query import RunQuery
from lift_sys.durability.store import Store

# How many runs are asked for at a time.
_PAGE = 1000


async def prune(
    store: Store,
    *,
    older_than: datetime | timedelta | None = None,
    keep: int | None = None,
    status: Status | None = None,
) -> int:
    """Remove old runs; those under way stay, unless `status` is `running`.

    Args:
        store: Where they are.
        older_than: Only those created before; an age is counted from now.
        keep: Only those beyond the newest so many, of those that the other conditions meet.
        status: Only those that stand so.

    Returns:
        How many were removed.

    Raises:
        ValueError: No condition is given: that would be everything.
    """
    if older_than is None and keep is None and status is None:
        raise ValueError("prune needs `older_than`, `keep` or `status`; without it all would go")
    until = datetime.now(UTC) - older_than if isinstance(older_than, timedelta) else older_than
    spared, gone = keep or 0, 0
    while True:
        query = RunQuery(status=status, until=until, limit=spared + _PAGE)
        found = (await store.runs(query))[spared:]
        going = [each for each in found if each.status != "running" or status == "running"]
        for record in going:
            await store.delete(record.execution_id)
        gone += len(going)
        spared += len(found) - len(going)
        if len(found) < _PAGE:
            return gone
