"""The tables, and how those of an older version become those of this one.

What changes with each step is in narrow rows; what a run was started with, which may be large, is
written once and has a table of its own. A fact's number begins with its run's, so that those of a run
lie beside each other, in the order in which they were committed, and no index is to be kept.
Times are microseconds since 1970, in UTC. The version is of all that is in the store, typed JSON
included: where an older lift_sys would not read a new form, or read something else, a version is
added here, if only to be refused there.
"""

from __future__ import annotations

from typing import Final

from lift_sys.durability.stores.database import Connection
from lift_sys.errors import StoreError

#: How many facts a run has room for: its facts' numbers follow its own times this.
SPAN: Final = 2**32
#: Statements that make each version from the one before; `{id}` is a number that numbers itself.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "CREATE TABLE lift_schema (version BIGINT NOT NULL)",
        "INSERT INTO lift_schema (version) VALUES (0)",
        """CREATE TABLE lift_runs (
            id {id}, execution_id TEXT NOT NULL UNIQUE, graph TEXT NOT NULL, target TEXT NOT NULL,
            status TEXT NOT NULL, epoch BIGINT NOT NULL, user_id TEXT, seed TEXT NOT NULL,
            input TEXT NOT NULL, parent TEXT, parent_address TEXT, created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL, elapsed DOUBLE PRECISION NOT NULL, error TEXT,
            last_seq BIGINT NOT NULL, steps BIGINT NOT NULL, tokens BIGINT NOT NULL,
            cost DOUBLE PRECISION)""",
        "CREATE TABLE lift_starts (run BIGINT PRIMARY KEY, body TEXT NOT NULL)",
        """CREATE TABLE lift_facts (
            run BIGINT NOT NULL, seq BIGINT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
            node TEXT NOT NULL, attempt BIGINT NOT NULL, started_at BIGINT NOT NULL,
            elapsed DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, cost DOUBLE PRECISION,
            input TEXT NOT NULL, digest TEXT NOT NULL, body TEXT NOT NULL,
            PRIMARY KEY (run, address, kind))""",
        "CREATE INDEX lift_runs_created ON lift_runs (created_at)",
        "CREATE INDEX lift_runs_status ON lift_runs (status, created_at)",
    ),
    (
        "CREATE INDEX lift_runs_graph ON lift_runs (graph, created_at)",
        "CREATE INDEX lift_runs_user ON lift_runs (user_id, created_at)",
        "CREATE INDEX lift_runs_elapsed ON lift_runs (elapsed)",
        "CREATE INDEX lift_facts_node ON lift_facts (node, run) WHERE kind = 'step'",
    ),
    # What typed dicts, private attributes and extras hold is written by their annotations, and joins
    # have other digests. All older forms can be read; an older version could not read these.
    (),
    (
        """CREATE TABLE lift_appended (
            id {id}, kind TEXT NOT NULL, address TEXT NOT NULL, node TEXT NOT NULL,
            attempt BIGINT NOT NULL, started_at BIGINT NOT NULL, elapsed DOUBLE PRECISION NOT NULL,
            tokens BIGINT NOT NULL, cost DOUBLE PRECISION, input TEXT NOT NULL,
            digest TEXT NOT NULL, body TEXT NOT NULL)""",
        f"""INSERT INTO lift_appended SELECT run * {SPAN} + seq, kind, address, node, attempt,
            started_at, elapsed, tokens, cost, input, digest, body FROM lift_facts""",
        "CREATE TABLE lift_nodes (node TEXT NOT NULL, run BIGINT NOT NULL, PRIMARY KEY (node, run))",
        "CREATE INDEX lift_nodes_run ON lift_nodes (run)",
        """INSERT INTO lift_nodes SELECT DISTINCT node, run FROM lift_facts WHERE kind = 'step'""",
        f"""UPDATE lift_runs SET last_seq = coalesce(
            (SELECT id * {SPAN} + max(seq) FROM lift_facts WHERE run = lift_runs.id), 0)""",
        "DROP TABLE lift_facts",
        "ALTER TABLE lift_appended RENAME TO lift_facts",
    ),
)
NEWEST: Final = len(MIGRATIONS)


def read_version(db: Connection) -> int:
    """Which version the tables are of, where there are any.

    Raises:
        StoreError: A newer one than this code knows, or none that there ever was.
    """
    found = [version for (version,) in db.execute("SELECT version FROM lift_schema")]
    version = found[0] if len(found) == 1 else None
    if not isinstance(version, int) or version < 1:
        raise StoreError(
            store=db.store,
            reason="its table lift_schema does not say of which version it is, so somebody has "
            "edited it. Restore a copy, or name another store.",
        )
    if version > NEWEST:
        raise StoreError(
            store=db.store,
            reason=f"it was written by a newer lift_sys (schema {version}; this one knows "
            f"{NEWEST}). Upgrade lift_sys, or name another store. It was not touched.",
        )
    return version


def migrate(db: Connection, version: int, *, number: str) -> None:
    """Bring the tables from a version, 0 for none, to the newest; in the caller's transaction."""
    for statements in MIGRATIONS[version:]:
        for statement in statements:
            db.execute(statement.replace("{id}", number))
    db.execute("UPDATE lift_schema SET version = ?", (NEWEST,))
