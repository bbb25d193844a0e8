"""Caches of node results, as the first design names them (hole H3).

Nothing is defined here: the names are those of `lift_sys.durability.cache` and `lift_sys.core`. What
was wrong in the first design is right here: a key knows the node's configuration, code and model; a
hit brings back what the node did, never a context; identical concurrent calls run once.
"""

from lift_sys.core.cache_ports import Cache as CachingStrategy
from lift_sys.durability.cache.executor import CachedParallelExecutor
from lift_sys.durability.cache.memory import MemoryCache as InMemoryCache
from lift_sys.durability.cache.memory import NoOpCache

__all__ = ["CachedParallelExecutor", "CachingStrategy", "InMemoryCache", "NoOpCache"]
