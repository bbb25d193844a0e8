"""Places where results of nodes are kept (hole H3, CachingStrategy).

A run looks a result up by a digest of all that decides it, and does again what the node did; see
`lift_sys/execution/cached.py`. Here is only where entries are kept, for how long, and how they are
forgotten: in memory, in an SQLite file, or not at all.
"""

from lift_sys.core.cache_ports import Cache
from lift_sys.core.policies import CachePolicy
from lift_sys.durability.cache.executor import CachedParallelExecutor
from lift_sys.durability.cache.memory import MemoryCache, NoOpCache
from lift_sys.durability.cache.sqlite import SqliteCache

__all__ = [
    "Cache",
    "CachePolicy",
    "CachedParallelExecutor",
    "MemoryCache",
    "NoOpCache",
    "SqliteCache",
]
