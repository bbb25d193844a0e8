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
from lift_sys.durability.secret_places import with_places
from lift_sys.errors import JournalError, SecretError, UnfitSecretError


def refuse_unfit_secrets(
    codec: Codec,
    state_type: type,
    record: RunRecord,
    facts: Sequence[Fact],
    given: Mapping[str, Any],
) -> None:
    """Read all facts with a secret in them; `state_type` is the class of the run's own state.

    Raises:
        UnfitSecretError: A secret is of another type.
        JournalError: Such a fact can't be used.
    """
    asked = {fact.address: fact for fact in facts if "asks" in fact.body}
    for fact in facts:
        places: list[str] = []
        body = with_places(fact, places)
        if not places:
            continue
        if none := [path for path in places if given.get(path) is None]:
            raise UnfitSecretError(path=none[0], reason="it is None")
        if error := _error_of(codec, state_type, fact, body, asked, given):
            raise JournalError(
                execution_id=record.execution_id, address=fact.address, reason=str(error)
            ) from error


def refuse_unfit_migration(
    codec: Codec,
    state_type: type,
    record: RunRecord,
    facts: Sequence[Fact],
    given: Mapping[str, Any],
) -> None:
    """Read all facts as a migration has made them; the arguments are those above.

    Raises:
        JournalError: One can't be used: once written, the run could never go on.
    """
    asked = {fact.address: fact for fact in facts if "asks" in fact.body}
    for fact in facts:
        if error := _error_of(codec, state_type, fact, with_places(fact, []), asked, given):
            raise JournalError(
                execution_id=record.execution_id,
                address=fact.address,
                reason=str(error),
                advice=MEND_MIGRATIONS,
            ) from error


def _error_of(
    codec: Codec,
    state_type: type,
    fact: Fact,
    body: Mapping[str, Any],
    asked: Mapping[str, Fact],
    given: Mapping[str, Any],
) -> Exception | None:
    """What is wrong with a fact; an error about secrets is raised."""
    if ">" in fact.address:
        return None
    try:
        _read(codec, state_type, body, asked.get(fact.address), given)
    except SecretError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        return error
    return None


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
