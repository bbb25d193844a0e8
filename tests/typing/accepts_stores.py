"""Each store is a `Store`, as type checkers see it."""

from lift_sys.durability import MemoryStore, PostgresStore, SqliteStore, Store

STORES: list[Store] = [
    MemoryStore(),
    SqliteStore("runs.db"),
    PostgresStore("postgresql://localhost/runs"),
]
