"""Contexts of their own for branches: what they start from, and what they end with."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel

from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.policies import Isolation
from lift_sys.errors import NotAModelError
from lift_sys.state.snapshot import Snapshot


@cache
def _no_notes() -> tuple[Snapshot[dict[str, Any]], Snapshot[list[dict[str, Any]]]]:
    return Snapshot.take({}), Snapshot.take([])


class Base(NamedTuple):
    """What all branches of a group start from; nobody can change it.

    Attributes:
        context: The context that forked; only what is immutable or shared is taken from it.
        state, metadata: Snapshots at the fork.
        provenance: Entries at the fork, by snapshot.
        has_notes: Whether there is any metadata, and any provenance.
    """

    context: RunContext[Any]
    state: Snapshot[Any]
    metadata: Snapshot[dict[str, Any]]
    provenance: Snapshot[list[dict[str, Any]]]
    has_notes: tuple[bool, bool]

    @classmethod
    def of(cls, context: RunContext[Any], state: Snapshot[Any] | None = None) -> Base:
        """Take the base of a fork; `state` is the snapshot of the state if there is one already.

        Raises:
            NotAModelError: The state is no pydantic model.
            UncopyableStateError: Something in state, metadata or provenance can't be copied.
        """
        if state is None:
            state = state_snapshot(context)
        notes = (bool(context._metadata), bool(context._provenance))
        metadata, provenance = _no_notes()
        if notes[0]:
            metadata = Snapshot.take(context.metadata, name="metadata")
        if notes[1]:
            provenance = Snapshot.take(context.provenance, name="provenance")
        return cls(context, state, metadata, provenance, notes)

    def branch(
        self, isolation: Isolation, *, address: str, scope: RunScope | None = None
    ) -> RunContext[Any]:
        """A context that shares nothing mutable with any other, but `deps`."""
        lazy = isolation is Isolation.LAZY
        state = self.state.restore_lazily() if lazy else self.state.restore()
        branch = self.context.with_state(state, address)
        if self.has_notes[0]:
            branch.metadata = self.metadata.restore()
        if self.has_notes[1]:
            branch.provenance = self.provenance.restore()
        if scope is not None:
            branch._scope = scope
        return branch


class Ending(NamedTuple):
    """What a branch ended with, relative to its `Base`."""

    state: Snapshot[Any]
    metadata: Snapshot[dict[str, Any]]
    provenance: Snapshot[list[dict[str, Any]]]

    @classmethod
    def of(cls, context: RunContext[Any], base: Base, state: Snapshot[Any] | None = None) -> Ending:
        """Look at what `context` has become; `state` is its state's snapshot if there is one."""
        if state is None:
            state = base.state.refresh(context.state)
        metadata, provenance = base.metadata, base.provenance
        if context._metadata or base.has_notes[0]:
            metadata = metadata.refresh(context.metadata, name="metadata")
        if context._provenance or base.has_notes[1]:
            provenance = provenance.refresh(context.provenance, name="provenance")
        return cls(state, metadata, provenance)

    def context(self, base: Base, address: str) -> RunContext[Any]:
        """A context of its own that shows this ending of a branch of `base`."""
        context = base.context.with_state(self.state.restore(), address)
        context.metadata = self.metadata.restore()
        context.provenance = self.provenance.restore()
        return context


def state_snapshot(context: RunContext[Any]) -> Snapshot[Any]:
    """Show the state of `context`.

    Raises:
        NotAModelError: It is no pydantic model.
        UncopyableStateError: Something in it can't be copied.
    """
    if not isinstance(context.state, BaseModel):
        raise NotAModelError(type_name=type(context.state).__name__)
    return Snapshot.take(context.state)
