"""Runs and facts as rows of a database, and back: the same values, to the microsecond."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from lift_sys.durability.facts import Fact, RunRecord
from lift_sys.durability.stores.database import Row, Value
from lift_sys.errors import JournalError

#: In the order of the statements.
RUN_FIELDS: Final = (
    *("execution_id", "graph", "target", "status", "epoch", "user_id", "seed", "input", "parent"),
    *("parent_address", "created_at", "updated_at", "elapsed", "error", "steps", "tokens", "cost"),
)
FACT_FIELDS: Final = (
    *("kind", "address", "node", "attempt", "started_at", "elapsed", "tokens", "cost"),
    *("input", "digest", "body"),
)
#: What a run was started with: kept apart, and not in lists of runs.
START_FIELDS: Final = ("start", "state", "metadata", "shape")

_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def to_microseconds(moment: datetime) -> int:
    """Since 1970 in UTC; a time without a zone is in UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND


def now() -> int:
    """Microseconds since 1970."""
    return to_microseconds(datetime.now(UTC))


def to_text(value: Any) -> str:
    """JSON in one line; only what UTF-8 can't say is escaped."""
    text = _COMPACT.encode(value)
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return json.dumps(value, separators=(",", ":"))
    return text


def to_plain(text: str | None) -> str | None:
    """Text that every database takes; for messages, which may hold anything."""
    if text is None:
        return None
    return text.replace("\0", "\\x00").encode(errors="backslashreplace").decode()


def run_row(run: RunRecord) -> tuple[Value, ...]:
    """A new run's values; what is summed over its facts begins at nothing."""
    values = {name: getattr(run, name) for name in RUN_FIELDS}
    values["seed"] = str(run.seed)  # of any size
    values["created_at"] = to_microseconds(run.created_at)
    values["updated_at"] = to_microseconds(run.updated_at)
    values["error"] = to_plain(run.error)
    values |= {"steps": 0, "tokens": 0, "cost": None}
    return tuple(values.values())


def start_text(run: RunRecord) -> str:
    """What the run was started with, as text."""
    return to_text({name: getattr(run, name) for name in START_FIELDS})


def fact_row(fact: Fact) -> tuple[Value, ...]:
    """A fact's values."""
    return (
        *(fact.kind, fact.address, fact.node, fact.attempt, to_microseconds(fact.started_at)),
        *(fact.elapsed, fact.tokens, fact.cost, fact.input, fact.digest, to_text(fact.body)),
    )


def that_stand(given: Sequence[Row]) -> list[Row]:
    """Facts, without those that a later one has replaced."""
    standing: dict[tuple[str, str], Row] = {}
    for row in given:
        kind, address = row[:2]
        standing.pop((kind, address), None)
        if kind == "step":
            standing.pop(("started", address), None)
        standing[kind, address] = row
    return list(standing.values())


def to_run(row: Row, start: str = "{}") -> RunRecord:
    """A run from its row, and from the text of what it was started with.

    Raises:
        JournalError: It is none.
    """
    values = dict(zip(RUN_FIELDS, row, strict=True))
    try:
        for name in ("created_at", "updated_at"):
            values[name] = _EPOCH + values[name] * _MICROSECOND
        return RunRecord(**values | {"seed": int(values["seed"])} | json.loads(start))
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _damaged(str(values["execution_id"]), "", error) from error


def to_facts(execution_id: str, rows: Sequence[Row]) -> list[Fact]:
    """Facts from their rows.

    Raises:
        JournalError: One of them is none.
    """
    facts = []
    for row in rows:
        values = dict(zip(FACT_FIELDS, row, strict=True))
        try:
            values["started_at"] = _EPOCH + values["started_at"] * _MICROSECOND
            values["body"] = json.loads(values["body"])
            facts.append(Fact(**values))
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _damaged(execution_id, str(values["address"]), error) from error
    return facts


def _damaged(execution_id: str, address: str, error: Exception) -> JournalError:
    text = str(error)
    if isinstance(error, ValidationError):
        text = "; ".join(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
    reason = f"a row of its store can't be read ({text})"
    return JournalError(execution_id=execution_id, address=address, reason=reason)
