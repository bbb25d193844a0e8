"""What the engine asks of a cache of nodes' results; `durability.cache` has ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from lift_sys.core.usage import Usage


class Writes(Protocol):
    """What a step did to a value: a `WriteSet`, or the same read from a file."""

    def apply(self, live: Any, /) -> Any:
        """Do it to `live`; return that, or what stands in its place now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Which result is looked for.

    Attributes:
        digest: What tells it from every other; all else is for invalidation and for keeping it.
        node: The node's class (the function, for `@node`), as `module:qualname`.
        version: The version of its code.
        tags: Those of its policy.
        ttl: Seconds for which the result is good; None leaves it to the cache.
        state: The state's class.
        home: The structure of the graph that the node stands in, or the node itself.
    """

    digest: str
    node: str
    version: str
    tags: tuple[str, ...] = ()
    ttl: float | None = None
    state: type = field(default=object, compare=False)
    home: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheEntry:
    """What a node did, so that it can be done again to another state; nobody changes it.

    Attributes:
        writes: What it changed in the state.
        metadata: What it changed in the metadata.
        provenance: Entries that it added.
        successor: What it returned.
        usage: What it has spent; None if nothing.
        elapsed: Seconds that it took.
    """

    writes: Writes
    metadata: Writes
    provenance: tuple[dict[str, Any], ...]
    successor: Any
    usage: Usage | None
    elapsed: float


class Cache(Protocol):
    """Keeps results of nodes; `tests/durability/cache/` holds every one of ours to this.

    All methods may be called at the same time, from any event loop. An exception of `get` or `put`
    costs a run the result that was kept, and nothing else: it is a warning in the log. Who calls
    sees to it that identical concurrent calls look up, run and put only once.
    """

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """The result for this key, or None if there is none that is still good."""
        ...

    async def put(self, key: CacheKey, entry: CacheEntry) -> None:
        """Keep a result, in the place of an older one of the same digest."""
        ...

    async def invalidate(
        self,
        *,
        node: type | str | None = None,
        version: str | None = None,
        tag: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """Forget results of which all that is given holds (without conditions: all results).

        Args:
            node: Of this node class; as text its name, or `module:qualname`.
            version: Of this version.
            tag: That have this tag.
            older_than: That are older than so many seconds, 0 or more.

        Returns:
            How many.
        """
        ...
