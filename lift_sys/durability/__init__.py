"""Runs that survive crashes, restarts and long waits (holes H2, H3, H11, H15, H19).

A run writes down what is finished, one fact for each node and join, before anybody is told of it;
everything else is derived from these facts: where to go on, what to show, what to compare. Stores
keep facts in SQLite, in PostgreSQL or in memory. Nothing here is ever unpickled or evaluated.
Caches (`cache`) keep results of nodes from run to run.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.durability.cache import Cache as Cache
    from lift_sys.durability.cache import CachedParallelExecutor as CachedParallelExecutor
    from lift_sys.durability.cache import CachePolicy as CachePolicy
    from lift_sys.durability.cache import MemoryCache as MemoryCache
    from lift_sys.durability.cache import NoOpCache as NoOpCache
    from lift_sys.durability.cache import SqliteCache as SqliteCache
    from lift_sys.durability.facts import Fact as Fact
    from lift_sys.durability.facts import RunRecord as RunRecord
    from lift_sys.durability.history import Statistics as Statistics
    from lift_sys.durability.history import prune as prune
    from lift_sys.durability.query import RunQuery as RunQuery
    from lift_sys.durability.replaying import Replayed as Replayed
    from lift_sys.durability.replaying import replay as replay
    from lift_sys.durability.rewinding import rewind as rewind
    from lift_sys.durability.store import Store as Store
    from lift_sys.durability.stores.memory import MemoryStore as MemoryStore
    from lift_sys.durability.stores.postgres import PostgresStore as PostgresStore
    from lift_sys.durability.stores.sqlite import SqliteStore as SqliteStore

__all__ = [
    "Cache",
    "CachePolicy",
    "CachedParallelExecutor",
    "Fact",
    "MemoryCache",
    "MemoryStore",
    "NoOpCache",
    "PostgresStore",
    "Replayed",
    "RunQuery",
    "RunRecord",
    "SqliteCache",
    "SqliteStore",
    "Statistics",
    "Store",
    "prune",
    "replay",
    "rewind",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "cache": [
            "Cache",
            "CachePolicy",
            "CachedParallelExecutor",
            "MemoryCache",
            "NoOpCache",
            "SqliteCache",
        ],
        "facts": ["Fact", "RunRecord"],
        "history": ["Statistics", "prune"],
        "query": ["RunQuery"],
        "replaying": ["Replayed", "replay"],
        "rewinding": ["rewind"],
        "store": ["Store"],
        "stores.memory": ["MemoryStore"],
        "stores.postgres": ["PostgresStore"],
        "stores.sqlite": ["SqliteStore"],
    },
)
