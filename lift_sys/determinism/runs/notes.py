"""What a run holds beside its state, as values that can be compared: metadata and provenance.

They are a part of a run like its state: joins merge them, and every node can read them. Services
that users keep there stand for their type, and what an entry says of cost is left out: whether a
provider's cache has answered is no result.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from lift_sys.core.context import RunContext
from lift_sys.determinism.runs.outcome import Failure
from lift_sys.state import canonical
from lift_sys.state.snapshot import Snapshot

# What `lift_sys.llm.usage.usage_entry` makes has these.
_COST = frozenset({"calls", "cached_calls", "input_tokens", "output_tokens"})


class Notes(BaseModel):
    """Metadata and provenance of a context."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    metadata: Any = {}
    provenance: Any = []


#: Where there are neither.
NO_NOTES: Snapshot[Notes] = Snapshot.take(Notes())


class Held(NamedTuple):
    """What a join gives, or a run ends with."""

    state: Snapshot[Any] | Failure
    notes: Snapshot[Notes] = NO_NOTES


def noted(context: RunContext[Any], known: Snapshot[Notes] = NO_NOTES) -> Snapshot[Notes]:
    """The notes of `context` now; parts that are as in `known` are shared with it."""
    if not context._metadata and not context._provenance:
        return NO_NOTES
    entries = [_without_cost(entry) for entry in context._provenance or ()]
    notes = Notes.model_construct(metadata=context._metadata or {}, provenance=entries)
    try:
        shown = known.refresh(notes)
        _ = shown.digest
    except Exception:  # a client, say, which is a service and no result
        metadata = {key: _fit(value) for key, value in notes.metadata.items()}
        notes = Notes.model_construct(metadata=metadata, provenance=[*map(_fit, entries)])
        shown = Snapshot.take(notes)
    return shown


def notes_of(shown: Snapshot[Notes]) -> tuple[Any, Any]:
    """Metadata and provenance of their own, of what a snapshot shows."""
    notes = shown.restore()
    return notes.metadata, notes.provenance


def _without_cost(entry: Any) -> Any:
    usage = entry.get("usage") if isinstance(entry, Mapping) else None
    if not isinstance(usage, Mapping) or not _COST.issubset(usage):
        return entry
    return {key: value for key, value in entry.items() if key != "usage"}


def _fit(value: Any) -> Any:
    """A value itself, or if it can't be compared, its type in words; entry by entry of a mapping."""
    try:
        canonical.digest(value)
        Snapshot.take(value)
    except Exception:
        if isinstance(value, dict):
            return {key: _fit(each) for key, each in value.items()}
        return f"a {type(value).__name__}"
    return value
