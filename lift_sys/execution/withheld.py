"""The context of a cached node: what is no part of its cache key can't be looked at.

A result that depended on the user, the run or the earlier entries of the provenance would be wrong
for the next one that gets it. So these raise an `UndeclaredReadError` here unless they are declared;
the provenance is the node's own, and begins empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lift_sys.core.context import BranchResult, RunContext
from lift_sys.core.events import Event
from lift_sys.core.usage import Usage

if TYPE_CHECKING:
    from random import Random

#: What is the real context's, as nested groups, events and the ledger need it.
_SHARED = ("_calls", "_node", "_random", "_scope", "address", "attempt", "deps")


class WithheldContext(RunContext[Any]):
    """Shows `real` to a cached node: its own `state`, and of the rest what `may_see` says.

    Attributes:
        spent: What the node has spent.
    """

    __slots__ = ("_may_see", "_real", "_refuse", "spent")

    def __init__(
        self,
        real: RunContext[Any],
        state: Any,
        *,
        may_see: Sequence[str],
        refuse: Callable[[str], None],
    ) -> None:
        self._real = real
        self._may_see = may_see
        self._refuse = refuse
        self._provenance = None
        self.spent: list[Usage] = []
        self.state = state

    def _seen(self, name: str) -> RunContext[Any]:
        if name not in self._may_see:
            self._refuse(f"ctx.{name}")
        return self._real

    @property
    def user_id(self) -> str | None:  # type: ignore[override]
        """Whose run it is."""
        return self._seen("user_id").user_id

    @property
    def execution_id(self) -> str:  # type: ignore[override]
        """The run."""
        return self._seen("execution_id").execution_id

    @property
    def branches(self) -> Sequence[BranchResult]:  # type: ignore[override]
        """What the branches before this step returned."""
        return self._seen("branches").branches

    @property
    def random(self) -> Random:
        """The step's generator."""
        return self._seen("random").random

    @property
    def _metadata(self) -> dict[str, Any] | None:  # type: ignore[override]
        return self._real._metadata if "metadata" in self._may_see else None

    @property
    def metadata(self) -> dict[str, Any]:
        """Free-form notes."""
        return self._seen("metadata").metadata

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        if value or "metadata" in self._may_see:  # a nested group says that there is none
            self._seen("metadata").metadata = value

    def with_state(self, state: Any, address: str) -> WithheldContext:
        """A context at another step that is a part of this one: it may see no more."""
        real = self._real.with_state(state, address)
        other = WithheldContext(real, state, may_see=self._may_see, refuse=self._refuse)
        other.spent = self.spent
        return other

    @property
    def answer(self) -> Any:
        """What was answered to the question before this step."""
        return self._seen("answer").answer

    def add_usage(self, usage: Usage) -> None:
        """Enter a cost into the run's ledger."""
        self.spent.append(usage)
        self._real.add_usage(usage)

    def _entry(self, node_name: str, signature_name: str) -> dict[str, Any]:
        return self._real._entry(node_name, signature_name)

    def _publish(self, kind: type[Event], **fields: Any) -> None:
        self._real._publish(kind, **fields)

    def __getstate__(self) -> dict[str, Any]:
        return self._real.__getstate__()

    def __repr__(self) -> str:
        return repr(self._real)


def run_of(ctx: RunContext[Any]) -> str:
    """`ctx.execution_id` for the engine, which may know it where a node may not."""
    return run_of(ctx._real) if isinstance(ctx, WithheldContext) else ctx.execution_id


def _shared(name: str) -> property:
    def get(self: WithheldContext) -> Any:
        return getattr(self._real, name)

    def put(self: WithheldContext, value: Any) -> None:
        setattr(self._real, name, value)

    return property(get, put)


for _name in _SHARED:
    setattr(WithheldContext, _name, _shared(_name))
