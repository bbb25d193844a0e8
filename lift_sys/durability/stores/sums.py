"""What the facts of a run come to, in SQL: which of them stand, their sums, their nodes.

Facts are only ever appended, as a commit that changes one page of a file is the cheapest. Where a run
comes to an end it is settled: what was replaced is removed, and the sums and nodes are written down, up
to the fact `last_seq`. Of a run with later facts they are counted whenever somebody asks.
"""

from __future__ import annotations

from typing import Final

from lift_sys.durability.stores.database import Connection
from lift_sys.durability.stores.rows import RUN_FIELDS, now, that_stand
from lift_sys.durability.stores.schema import SPAN

#: Facts of one run, whose number and the next one times `SPAN` are bound; and of the row at hand.
OF_ONE: Final = "id > ? AND id < ?"
OF_EACH: Final = (
    f"lift_facts.id > lift_runs.id * {SPAN} AND lift_facts.id < (lift_runs.id + 1) * {SPAN}"
)
#: The last fact of the run at hand, 0 if it has none.
NEWEST: Final = f"(SELECT coalesce(max(id), 0) FROM lift_facts WHERE {OF_EACH})"


def standing(facts: str) -> str:
    """SQL for those of some facts that no later one of their run has replaced; without bodies."""
    run = f"lift_facts.id / {SPAN}"
    return (
        "SELECT * FROM (SELECT lift_facts.id, kind, node, attempt, started_at, "
        "lift_facts.elapsed, lift_facts.tokens, lift_facts.cost, "
        f"row_number() OVER (PARTITION BY {run}, address, kind ORDER BY lift_facts.id DESC) AS age, "
        "max(CASE kind WHEN 'step' THEN lift_facts.id END) "
        f"OVER (PARTITION BY {run}, address) AS step FROM {facts}) AS aged "
        "WHERE age = 1 AND (kind <> 'started' OR step IS NULL OR step < id)"
    )


_OF_EACH_STANDING: Final = standing(f"lift_facts WHERE {OF_EACH}")
_SUMS: Final = {
    "updated_at": "CAST(max(started_at + elapsed * 1000000) AS BIGINT)",
    "steps": "coalesce(sum(CASE kind WHEN 'step' THEN 1 ELSE 0 END), 0)",
    "tokens": "coalesce(sum(tokens), 0)",
    "cost": "sum(cost)",
}


def _present(column: str) -> str:
    if column not in _SUMS:
        return f"lift_runs.{column}"
    return (
        f"CASE last_seq WHEN {NEWEST} THEN lift_runs.{column} ELSE "
        f"(SELECT {_SUMS[column]} FROM ({_OF_EACH_STANDING}) AS facts) END AS {column}"
    )


#: A run as it stands now, in the order of `RUN_FIELDS`.
RUN: Final = ", ".join(map(_present, RUN_FIELDS))
#: Whether a run has a step of a node, which is bound twice.
HAS_NODE: Final = (
    f"CASE last_seq WHEN {NEWEST} "
    "THEN lift_runs.id IN (SELECT run FROM lift_nodes WHERE node = ?) "
    f"ELSE EXISTS (SELECT 1 FROM ({_OF_EACH_STANDING}) AS facts WHERE kind = 'step' AND node = ?) END"
)
_ADD_UP: Final = (
    f"UPDATE lift_runs SET updated_at = ?, last_seq = {NEWEST}, "
    + ", ".join(
        f"{column} = (SELECT {_SUMS[column]} FROM lift_facts WHERE {OF_EACH})"
        for column in ("steps", "tokens", "cost")
    )
    + " WHERE id = ?"
)


def settle(db: Connection, run: int) -> None:
    """Remove what was replaced, and write down what the rest comes to, if there are later facts."""
    [(settled, newest)] = db.execute(
        f"SELECT last_seq, {NEWEST} FROM lift_runs WHERE id = ?", (run,)
    )
    if settled == newest:
        return
    bounds = bounds_of(run)
    # Not by `standing`: to sort a hundred facts takes SQLite longer than two commits.
    facts = db.execute(
        f"SELECT kind, address, id FROM lift_facts WHERE {OF_ONE} ORDER BY id", bounds
    )
    if gone := {row[2] for row in facts} - {row[2] for row in that_stand(facts)}:
        db.execute_many("DELETE FROM lift_facts WHERE id = ?", [(each,) for each in sorted(gone)])
    db.execute(_ADD_UP, (now(), run))
    db.execute("DELETE FROM lift_nodes WHERE run = ?", (run,))
    db.execute(
        "INSERT INTO lift_nodes (node, run) SELECT DISTINCT node, CAST(? AS BIGINT) "
        f"FROM lift_facts WHERE {OF_ONE} AND kind = 'step'",
        (run, *bounds),
    )


def bounds_of(run: int) -> tuple[int, int]:
    """Between which numbers those of the run's facts are."""
    return run * SPAN, (run + 1) * SPAN
