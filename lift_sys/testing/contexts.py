"""Ready contexts: what a node needs to be called by a test, without a graph around it.

All that is random by default, execution id, seed and time, is fixed here, so that a node called
twice with equal states has no excuse for two answers.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from lift_sys.core.context import RunContext, RunScope
from lift_sys.testing.clock import EPOCH

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.core.ports import Clock

    StateT = TypeVar("StateT", bound=BaseModel)

__all__ = ["FixedClock", "context_for"]


class FixedClock:
    """A clock that stands still: each `now()` is the same moment."""

    def __init__(self, moment: datetime = EPOCH) -> None:
        self._moment = moment

    def now(self) -> datetime:
        """The moment at which the clock stands."""
        return self._moment


def context_for(
    state: StateT, *, seed: int = 0, clock: Clock | None = None, **fields: Any
) -> RunContext[StateT]:
    """Make a context around `state`, to call a node's `run` with.

    Args:
        state: The node's own state; it is not copied, so the test sees what the node changed.
        seed: Seeds `ctx.random`.
        clock: What `ctx.now()` asks; stands still at the epoch unless given.
        fields: Further arguments of `RunContext`, such as `deps` or `metadata`. `execution_id` is
            "test" unless given.
    """
    scope = RunScope(seed=seed, clock=FixedClock() if clock is None else clock)
    return RunContext(state, **{"execution_id": "test", "scope": scope, **fields})
