"""Whether secrets and migrations that were given fit what was recorded: before a run is taken over.

What a step has written is read as it will be when the step is done again, and thrown away. Only
what a run inside a step has written is left to that run, as only it knows the types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lift_sys.durability.codec import Codec, check_writes, decode_successor, decode_type
from lift_sys.durability.facts import Fact, RunRecord
from lift_sys.durability.migration import MEND_MIGRATIONS
from lift_sys.durability.reading import Reading
from lift_sys.durability.secret_places import with_places
from lift_sys.errors import UnfitSecretError


def refuse_unfit(
    codec: Codec,
    state_type: type,
    record: RunRecord,
    facts: Sequence[Fact],
    given: Mapping[str, Any],
    *,
    migrated: bool = False,
) -> None:
    """Read all facts that secrets are given for, or all that a migration has made.

    Args:
        codec: Of the run's graph.
        state_type: The class of the run's own state.
        record: The run.
        facts: What has finished in it.
        given: The secrets, by path.
        migrated: Whether the facts were migrated; once written, the run could never go on.

    Raises:
        SecretError: A secret is of another type, or is not given.
        JournalError: Such a fact can't be used.
    """
    asked = {fact.address: fact for fact in facts if "asks" in fact.body}
    for fact in facts:
        places: list[str] = []
        body = with_places(fact, places)
        if none := [path for path in places if path in given and given[path] is None]:
            raise UnfitSecretError(path=none[0], reason="it is None")
        if not (places or migrated) or ">" in fact.address:
            continue
        advice = MEND_MIGRATIONS if migrated else None
        with Reading(record.execution_id, fact.address, advice=advice):
            _read(codec, state_type, body, asked.get(fact.address), given)


def _read(
    codec: Codec,
    state_type: type,
    body: Mapping[str, Any],
    asked: Fact | None,
    given: Mapping[str, Any],
) -> None:
    parts: dict[str, Any] = {"metadata": dict[str, Any], "provenance": list[dict[str, Any]]}
    for name, kind in {"writes": state_type, **parts}.items():
        if name in body:
            path = "state" if name == "writes" else name
            check_writes(codec, body[name], kind, path=path, secrets=given)
    if "successor" in body:
        decode_successor(codec, body["successor"], secrets=given)
    if "value" in body and asked is not None:
        form: Any = asked.body["successor"]
        schema = decode_type(form["schema"], codec.names)
        codec.decode(body["value"], schema, path="answer", secrets=given)
