"""Which runs somebody wants to see: every condition is one on an indexed column."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from lift_sys.durability.facts import Status

#: `newest` first, or the `slowest`.
Order: TypeAlias = Literal["newest", "slowest"]


class RunQuery(BaseModel):
    """Conditions that all hold.

    Attributes:
        status: How the run stands.
        since, until: When it was created, in UTC: from, and before.
        node: A node that has finished in it.
        graph: The graph's name.
        user_id: Whose it is.
        longer_than: Seconds that it ran at least.
        order: In which order.
        limit: Most runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: Status | None = None
    since: datetime | None = None
    until: datetime | None = None
    node: str | None = None
    graph: str | None = None
    user_id: str | None = None
    longer_than: float | None = None
    order: Order = "newest"
    limit: int = 100
