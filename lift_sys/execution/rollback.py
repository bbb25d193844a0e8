"""Going back to where a step began, for another attempt."""

from __future__ import annotations

from typing import Any

from lift_sys.core.context import RunContext
from lift_sys.state.snapshot import Snapshot


class Rollback:
    """The context as it was before the first attempt."""

    __slots__ = ("metadata", "provenance", "state")

    def __init__(self, ctx: RunContext[Any], state: Snapshot[Any]) -> None:
        self.state = state
        self.metadata = Snapshot.take(ctx.metadata, name="metadata")
        self.provenance = Snapshot.take(ctx.provenance, name="provenance")

    def __call__(self, ctx: RunContext[Any]) -> None:
        """Make `ctx` what it was."""
        ctx.state = self.state.restore()
        ctx.metadata = self.metadata.restore()
        ctx.provenance = self.provenance.restore()
        ctx._random = None
