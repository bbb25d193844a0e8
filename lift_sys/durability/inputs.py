"""Whether a run is begun again with what it was begun with.

That is told by the typed JSON of both. Older versions wrote other forms of the same values, so what
differs is read before it is said to be other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lift_sys.durability.codec import Codec, decode_successor
from lift_sys.durability.facts import Json, RunRecord, same_json
from lift_sys.graph.graph import Graph
from lift_sys.state.seen import seen_digest

# What is read in the place of a secret, whose value is not written; it fits any annotation.
_SECRET: Json = {"$": "any", "v": "(secret)"}


def other_inputs(
    codec: Codec, graph: Graph[Any], known: RunRecord, given: RunRecord, *, seed: int | None
) -> list[str]:
    """What differs between the input of a run and another one, a line each.

    Args:
        codec: Of the run's graph.
        graph: The graph.
        known: The run, by whatever version it was begun.
        given: A record of the input that it is begun with now.
        seed: The seed, if one is given now.
    """
    read: dict[str, Callable[[Json], Any]] = {
        "start": lambda form: decode_successor(codec, form, path="start"),
        "state": lambda form: codec.decode(form, graph.state_type or Any),
        "metadata": lambda form: codec.decode(form, dict[str, Any], path="metadata"),
    }
    found = [
        f"the {name} is another one"
        for name in ("graph", "start", "state", "metadata", "user_id")
        if not _are_same(getattr(known, name), getattr(given, name), read.get(name))
    ]
    if seed is not None and seed != known.seed:
        found.append(f"the seed was {known.seed}")
    if found and isinstance(known.state, dict) and isinstance(given.state, dict):
        old, new = known.state, given.state
        differ = {key for key in {*old, *new} if not same_json(old.get(key), new.get(key))}
        if fields := sorted(key for key in differ if not key.startswith("$")):
            found.append(f"fields that differ: {', '.join(fields)}")
        elif "$set" in differ:  # the values are the same
            found.append("other fields were given, and not left to their defaults")
    return found


def _are_same(known: Any, given: Any, read: Callable[[Json], Any] | None) -> bool:
    if same_json(known, given):
        return True
    if read is None or known is None or given is None:
        return False
    try:
        return seen_digest(read(_masked(known))) == seen_digest(read(_masked(given)))
    except Exception:  # whatever reading another graph's data raises
        return False


def _masked(form: Any) -> Any:
    """Typed JSON with a text in the place of each secret."""
    if isinstance(form, list):
        return [_masked(each) for each in form]
    if not isinstance(form, dict):
        return form
    if form.get("$") == "secret":
        return _SECRET
    return {name: _masked(each) for name, each in form.items()}
