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
from lift_sys.durability.stores.schema import SPAN
from lift_sys.durability.stores.sums import (
    HAS_NODE,
    NEWEST,
    OF_EACH,
    OF_ONE,
    RUN,
    bounds_of,
    settle,
    standing,
)
from lift_sys.errors import FencedError, StoreError, UnknownRunError

_FACT: Final = ", ".join(rows.FACT_FIELDS)
_CREATE: Final = (
    f"INSERT INTO lift_runs ({', '.join(rows.RUN_FIELDS)}, last_seq) "
    f"VALUES ({'?, ' * len(rows.RUN_FIELDS)}0) "
    "ON CONFLICT (execution_id) DO NOTHING RETURNING id"
)
_APPEND: Final = f"INSERT INTO lift_facts (id, {_FACT}) VALUES (?{', ?' * len(rows.FACT_FIELDS)})"


def create(db: Connection, run: RunRecord, facts: Sequence[Fact]) -> bool:
    """Add a run; False if there is one of this id."""
    made = db.execute(_CREATE, rows.run_row(run))
    if not made:
        return False
    [(key,)] = made
    db.execute("INSERT INTO lift_starts (run, body) VALUES (?, ?)", (key, rows.start_text(run)))
    if facts:
        _append(db, key, [rows.fact_row(fact) for fact in facts])
        settle(db, key)
    return True


def commit(db: Connection, execution_id: str, epoch: int, given: Sequence[Row]) -> None:
    """Append facts: whoever reads takes the later one of a kind and address."""
    # The lock keeps out whoever would take the run over, and others who append.
    held = db.execute(
        f"SELECT id, status FROM lift_runs WHERE execution_id = ? AND epoch = ?{db.row_lock}",
        (execution_id, epoch),
    )
    if not held:
        raise _refused(db, execution_id)
    [(key, status)] = held
    _append(db, key, given)
    if status != "running":  # nobody will say that it has ended
        settle(db, key)


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
    settle(db, done[0][0])


def rewrite(db: Connection, run: RunRecord, epoch: int, facts: Sequence[Fact]) -> None:
    """Put another version in the place of a run's start and facts."""
    claimed = db.execute(
        "UPDATE lift_runs SET input = ?, last_seq = -1, updated_at = ? "
        "WHERE execution_id = ? AND epoch = ? RETURNING id",
        (run.input, rows.now(), run.execution_id, epoch),
    )
    if not claimed:
        raise _refused(db, run.execution_id)
    [(key,)] = claimed
    db.execute("UPDATE lift_starts SET body = ? WHERE run = ?", (rows.start_text(run), key))
    db.execute(f"DELETE FROM lift_facts WHERE {OF_ONE}", bounds_of(key))
    _append(db, key, [rows.fact_row(fact) for fact in facts])
    settle(db, key)


def load(db: Connection, execution_id: str) -> tuple[RunRecord, list[Fact]]:
    """A run and its facts."""
    found = db.execute(
        f"SELECT lift_runs.id, body, {RUN} FROM lift_runs JOIN lift_starts ON run = lift_runs.id "
        "WHERE execution_id = ?",
        (execution_id,),
    )
    if not found:
        raise UnknownRunError(execution_id=execution_id, store=db.store)
    [(key, start, *row)] = found
    facts = db.execute(f"SELECT {_FACT} FROM lift_facts WHERE {OF_ONE} ORDER BY id", bounds_of(key))
    return rows.to_run(tuple(row), start), rows.to_facts(execution_id, rows.that_stand(facts))


def runs(db: Connection, query: RunQuery) -> list[RunRecord]:
    """Runs that a query asks for."""
    where, values = _conditions(query)
    order = "elapsed DESC, id DESC" if query.order == "slowest" else "created_at DESC, id DESC"
    found = db.execute(
        f"SELECT {RUN} FROM lift_runs WHERE {where} ORDER BY {order} LIMIT ?",
        (*values, max(query.limit, 0)),
    )
    return [rows.to_run(row) for row in found]


def by_status(db: Connection, query: RunQuery) -> list[Row]:
    """For each status: how many runs, their tokens, cost, shortest, mean, longest time, and steps."""
    where, values = _conditions(query)
    return db.execute(
        "SELECT status, count(*), sum(tokens), sum(cost), min(elapsed), avg(elapsed), max(elapsed), "
        f"sum(steps) FROM (SELECT {RUN} FROM lift_runs WHERE {where}) AS counted "
        "GROUP BY status ORDER BY status",
        values,
    )


def by_node(db: Connection, query: RunQuery) -> list[Row]:
    """For each node, the most costly in time first: the same over its steps, but last their attempts."""
    where, values = _conditions(query)
    facts = standing(f"lift_facts JOIN lift_runs ON {OF_EACH} WHERE {where}")
    return db.execute(
        "SELECT node, count(*), sum(tokens), sum(cost), min(elapsed), avg(elapsed), max(elapsed), "
        f"sum(attempt) FROM ({facts}) AS facts WHERE kind = 'step' "
        "GROUP BY node ORDER BY sum(elapsed) DESC, node LIMIT ?",
        (*values, max(query.limit, 0)),
    )


def _conditions(query: RunQuery) -> tuple[str, list[Value]]:
    """A query's conditions in SQL, and what is bound in them."""
    conditions: list[tuple[str, Value]] = [
        ("status = ?", query.status),
        ("created_at >= ?", None if query.since is None else rows.to_microseconds(query.since)),
        ("created_at < ?", None if query.until is None else rows.to_microseconds(query.until)),
        (HAS_NODE, query.node),
        ("graph = ?", query.graph),
        ("user_id = ?", query.user_id),
        ("lift_runs.elapsed >= ?", query.longer_than),
    ]
    asked = [(text, value) for text, value in conditions if value is not None]
    where = " AND ".join(text for text, _ in asked) or "1 = 1"
    return where, [value for text, value in asked for _ in range(text.count("?"))]


def delete(db: Connection, execution_id: str) -> None:
    """Remove a run."""
    gone = db.execute("DELETE FROM lift_runs WHERE execution_id = ? RETURNING id", (execution_id,))
    if not gone:
        raise UnknownRunError(execution_id=execution_id, store=db.store)
    db.execute("DELETE FROM lift_starts WHERE run = ?", gone[0])
    db.execute("DELETE FROM lift_nodes WHERE run = ?", gone[0])
    db.execute(f"DELETE FROM lift_facts WHERE {OF_ONE}", bounds_of(gone[0][0]))


def check(db: Connection) -> None:
    """Look for damage: first the database itself, then what our tables say of each other."""
    wrong = db.examine()
    for what, statement in (
        (
            "facts of no run",
            f"SELECT id FROM lift_facts WHERE id / {SPAN} NOT IN (SELECT id FROM lift_runs)",
        ),
        (
            "a run without a start",
            "SELECT id FROM lift_runs WHERE id NOT IN (SELECT run FROM lift_starts)",
        ),
        ("facts that are gone", f"SELECT id FROM lift_runs WHERE last_seq > {NEWEST}"),
    ):
        if db.execute(f"{statement} LIMIT 1"):
            wrong.append(what)
    if wrong:
        raise StoreError(
            store=db.store,
            reason=f"it is damaged: {'; '.join(wrong)}. Restore a copy of it, or begin a new one.",
        )


def _append(db: Connection, run: int, given: Sequence[Row]) -> None:
    bounds = bounds_of(run)
    [(last,)] = db.execute(f"SELECT max(id) FROM lift_facts WHERE {OF_ONE}", bounds)
    first = (last or bounds[0]) + 1
    db.execute_many(_APPEND, [(first + index, *row) for index, row in enumerate(given)])


def _refused(db: Connection, execution_id: str) -> FencedError | UnknownRunError:
    """Why a run of this id and epoch was not found."""
    if db.execute("SELECT 1 FROM lift_runs WHERE execution_id = ?", (execution_id,)):
        return FencedError(execution_id=execution_id)
    return UnknownRunError(execution_id=execution_id, store=db.store)
