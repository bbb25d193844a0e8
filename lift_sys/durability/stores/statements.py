"""What a store does, in SQL that both databases understand; values are always bound.

Each function is one part of a transaction, and refuses (fenced, unknown) before it writes anything,
so that the others of the same transaction are not touched by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lift_sys.durability.facts import Fact, RunRecord, Status
from lift_sys.durability.query import RunQuery
from lift_sys.durability.stores import rows
from lift_sys.durability.stores.database import Connection, Row, Value
from lift_sys.errors import FencedError, StoreError, UnknownRunError

_RUN: Final = ", ".join(rows.RUN_FIELDS)
_FACT: Final = ", ".join(rows.FACT_FIELDS)
_CREATE: Final = (
    f"INSERT INTO lift_runs ({_RUN}, last_seq) VALUES ({'?, ' * len(rows.RUN_FIELDS)}0) "
    "ON CONFLICT (execution_id) DO NOTHING RETURNING id"
)
_ADD_FACT: Final = (
    f"INSERT INTO lift_facts (run, seq, {_FACT}) VALUES (?, ?{', ?' * len(rows.FACT_FIELDS)})"
)
# One statement fences, numbers the facts and sums them up.
_CLAIM: Final = (
    "UPDATE lift_runs SET last_seq = last_seq + ?, steps = steps + ?, tokens = tokens + ?, "
    "cost = coalesce(cost + ?, cost, ?), updated_at = ? "
    "WHERE execution_id = ? AND epoch = ? RETURNING id, last_seq"
)
_REPLACE: Final = (
    "DELETE FROM lift_facts WHERE run = ? AND address = ? AND kind IN (?, ?) "
    "RETURNING kind, tokens, cost"
)
_FEW, _MANY = 4, 100
_PRESENT: Final = (
    f"SELECT address FROM lift_facts WHERE run = ? AND address IN (?{', ?' * (_MANY - 1)})"
)
_SUM: Final = (
    "UPDATE lift_runs SET "
    "steps = (SELECT count(*) FROM lift_facts WHERE run = lift_runs.id AND kind = 'step'), "
    "tokens = (SELECT coalesce(sum(tokens), 0) FROM lift_facts "
    "WHERE run = lift_runs.id), "
    "cost = (SELECT sum(cost) FROM lift_facts WHERE run = lift_runs.id) "
    "WHERE id = ?"
)


def create(db: Connection, run: RunRecord, facts: Sequence[Fact]) -> bool:
    """Add a run; False if there is one of this id."""
    made = db.execute(_CREATE, rows.run_row(run))
    if not made:
        return False
    [(key,)] = made
    db.execute("INSERT INTO lift_starts (run, body) VALUES (?, ?)", (key, rows.start_text(run)))
    if facts:
        given = _that_stay([rows.fact_row(fact) for fact in facts])
        db.execute("UPDATE lift_runs SET last_seq = ? WHERE id = ?", (len(given), key))
        _add(db, key, len(given), given)
        db.execute(_SUM, (key,))
    return True


def commit(db: Connection, execution_id: str, epoch: int, given: Sequence[Row]) -> None:
    """Add facts; each replaces one of its kind and address, and a step also `started`."""
    given = _that_stay(given)
    costs = [row[7] for row in given if row[7] is not None]
    cost = sum(costs) if costs else None
    steps, tokens = sum(row[0] == "step" for row in given), sum(row[6] for row in given)
    sums = (len(given), steps, tokens, cost, cost, rows.now(), execution_id, epoch)
    claimed = db.execute(_CLAIM, sums)
    if not claimed:
        raise _refused(db, execution_id)
    [(key, last)] = claimed
    if _add(db, key, last, given):
        db.execute(_SUM, (key,))


def take_over(db: Connection, execution_id: str) -> int:
    """Raise the epoch."""
    taken = db.execute(
        "UPDATE lift_runs SET epoch = epoch + 1, status = 'running', error = NULL, updated_at = ? "
        "WHERE execution_id = ? RETURNING epoch",
        (rows.now(), execution_id),
    )
    if not taken:
        raise UnknownRunError(execution_id=execution_id, store=db.store)
    return int(taken[0][0])


def finish(
    db: Connection,
    execution_id: str,
    epoch: int,
    status: Status,
    elapsed: float,
    error: str | None,
) -> None:
    """Say how a run stands."""
    done = db.execute(
        "UPDATE lift_runs SET status = ?, elapsed = elapsed + ?, error = ?, updated_at = ? "
        "WHERE execution_id = ? AND epoch = ? RETURNING id",
        (status, elapsed, rows.to_plain(error), rows.now(), execution_id, epoch),
    )
    if not done:
        raise _refused(db, execution_id)


def rewrite(db: Connection, run: RunRecord, epoch: int, facts: Sequence[Fact]) -> None:
    """Put another version in the place of a run's start and facts."""
    given = [rows.fact_row(fact) for fact in facts]
    claimed = db.execute(
        "UPDATE lift_runs SET input = ?, last_seq = ?, updated_at = ? "
        "WHERE execution_id = ? AND epoch = ? RETURNING id",
        (run.input, len(given), rows.now(), run.execution_id, epoch),
    )
    if not claimed:
        raise _refused(db, run.execution_id)
    [(key,)] = claimed
    db.execute("UPDATE lift_starts SET body = ? WHERE run = ?", (rows.start_text(run), key))
    db.execute("DELETE FROM lift_facts WHERE run = ?", (key,))
    _add(db, key, len(given), given)
    db.execute(_SUM, (key,))


def load(db: Connection, execution_id: str) -> tuple[RunRecord, list[Fact]]:
    """A run and its facts."""
    found = db.execute(
        f"SELECT id, body, {_RUN} FROM lift_runs JOIN lift_starts ON run = id "
        "WHERE execution_id = ?",
        (execution_id,),
    )
    if not found:
        raise UnknownRunError(execution_id=execution_id, store=db.store)
    [(key, start, *row)] = found
    facts = db.execute(f"SELECT {_FACT} FROM lift_facts WHERE run = ? ORDER BY seq", (key,))
    return rows.to_run(tuple(row), start), rows.to_facts(execution_id, facts)


def runs(db: Connection, query: RunQuery) -> list[RunRecord]:
    """Runs that a query asks for."""
    where, values = _conditions(query)
    order = "elapsed DESC, id DESC" if query.order == "slowest" else "created_at DESC, id DESC"
    found = db.execute(
        f"SELECT {_RUN} FROM lift_runs WHERE {where} ORDER BY {order} LIMIT ?",
        (*values, max(query.limit, 0)),
    )
    return [rows.to_run(row) for row in found]


def by_status(db: Connection, query: RunQuery) -> list[Row]:
    """For each status: how many runs, their steps, tokens, cost, and shortest, mean, longest time."""
    where, values = _conditions(query)
    return db.execute(
        "SELECT status, count(*), sum(steps), sum(tokens), sum(cost), min(elapsed), avg(elapsed), "
        f"max(elapsed) FROM lift_runs WHERE {where} GROUP BY status ORDER BY status",
        values,
    )


def by_node(db: Connection, query: RunQuery) -> list[Row]:
    """For each node, the most costly in time first: the same over its steps in these runs."""
    where, values = _conditions(query)
    return db.execute(
        "SELECT node, count(*), sum(attempt), sum(tokens), sum(cost), min(elapsed), avg(elapsed), "
        "max(elapsed) FROM lift_facts WHERE kind = 'step' AND run IN "
        f"(SELECT id FROM lift_runs WHERE {where}) "
        "GROUP BY node ORDER BY sum(elapsed) DESC, node LIMIT ?",
        (*values, max(query.limit, 0)),
    )


def _conditions(query: RunQuery) -> tuple[str, list[Value]]:
    """A query's conditions in SQL, and what is bound in them."""
    conditions: list[tuple[str, Value]] = [
        ("status = ?", query.status),
        ("created_at >= ?", None if query.since is None else rows.to_microseconds(query.since)),
        ("created_at < ?", None if query.until is None else rows.to_microseconds(query.until)),
        (
            "id IN (SELECT run FROM lift_facts WHERE node = ? AND kind = 'step')",
            query.node,
        ),
        ("graph = ?", query.graph),
        ("user_id = ?", query.user_id),
        ("elapsed >= ?", query.longer_than),
    ]
    asked = [(text, value) for text, value in conditions if value is not None]
    where = " AND ".join(text for text, _ in asked) or "1 = 1"
    return where, [value for _, value in asked]


def delete(db: Connection, execution_id: str) -> None:
    """Remove a run."""
    gone = db.execute("DELETE FROM lift_runs WHERE execution_id = ? RETURNING id", (execution_id,))
    if not gone:
        raise UnknownRunError(execution_id=execution_id, store=db.store)
    db.execute("DELETE FROM lift_starts WHERE run = ?", gone[0])
    db.execute("DELETE FROM lift_facts WHERE run = ?", gone[0])


def check(db: Connection) -> None:
    """Look for damage: first the database itself, then what our tables say of each other."""
    wrong = db.examine()
    for what, statement in (
        (
            "facts of no run",
            "SELECT run FROM lift_facts WHERE run NOT IN (SELECT id FROM lift_runs)",
        ),
        (
            "a run without a start",
            "SELECT id FROM lift_runs WHERE id NOT IN (SELECT run FROM lift_starts)",
        ),
        (
            "facts that were never numbered",
            "SELECT run FROM lift_facts JOIN lift_runs ON run = id WHERE seq > last_seq",
        ),
    ):
        if db.execute(f"{statement} LIMIT 1"):
            wrong.append(what)
    if wrong:
        raise StoreError(
            store=db.store,
            reason=f"it is damaged: {'; '.join(wrong)}. Restore a copy of it, or begin a new one.",
        )


def _that_stay(given: Sequence[Row]) -> list[Row]:
    """Without facts that a later one of the same commit replaces."""
    staying: dict[tuple[str, str], Row] = {}
    for row in given:
        kind, address = row[:2]
        staying.pop((kind, address), None)
        if kind == "step":
            staying.pop(("started", address), None)
        staying[kind, address] = row
    return list(staying.values())


def _add(db: Connection, key: int, last: int, given: Sequence[Row]) -> bool:
    """Write facts with the numbers up to `last`; return whether others were replaced."""
    replaced = False
    present = _present(db, key, [row[1] for row in given])
    for row in given:
        if row[1] not in present:
            continue
        also = "started" if row[0] == "step" else row[0]
        gone = db.execute(_REPLACE, (key, row[1], row[0], also))
        replaced |= any(row != ("started", 0, None) for row in map(tuple, gone))
    first = last - len(given) + 1
    db.execute_many(_ADD_FACT, [(key, first + index, *row) for index, row in enumerate(given)])
    return replaced


def _present(db: Connection, key: int, addresses: Sequence[str]) -> set[str]:
    """Addresses of which there may be facts: asked for many at once, not for each of a few."""
    if len(addresses) <= _FEW:
        return set(addresses)
    found: set[str] = set()
    for start in range(0, len(addresses), _MANY):
        some = addresses[start : start + _MANY]
        filled = [*some, *[some[0]] * (_MANY - len(some))]  # one text is prepared once
        found.update(address for (address,) in db.execute(_PRESENT, (key, *filled)))
    return found


def _refused(db: Connection, execution_id: str) -> FencedError | UnknownRunError:
    """Why a run of this id and epoch was not found."""
    if db.execute("SELECT 1 FROM lift_runs WHERE execution_id = ?", (execution_id,)):
        return FencedError(execution_id=execution_id)
    return UnknownRunError(execution_id=execution_id, store=db.store)
