"""Entries of a cache as JSON text, by the codec of the graph that the node stands in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

from lift_sys.core.cache_ports import CacheEntry, CacheKey
from lift_sys.core.node import FunctionNode
from lift_sys.core.usage import Usage
from lift_sys.durability.codec import (
    Codec,
    Names,
    apply_writes,
    decode_successor,
    encode_successor,
    encode_writes,
)
from lift_sys.graph.structure import Structure, read_structure
from lift_sys.state.operations import WriteSet

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph


# A hit has nobody who could be asked for it.
_NO_SECRETS = (
    "a cache's file holds no secrets, so the node runs each time; take a MemoryCache, or keep "
    "secrets in `deps`"
)


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Writes that were kept as JSON."""

    codec: Codec
    data: list[Any]
    annotation: Any
    path: str

    def apply(self, live: Any) -> Any:
        """As `Writes.apply`."""
        if not self.data:
            return live
        return apply_writes(self.codec, live, self.data, self.annotation, path=self.path)


class Records:
    """Writes and reads entries; keeps a codec for each graph."""

    def __init__(self) -> None:
        self._codecs: WeakKeyDictionary[Any, Codec] = WeakKeyDictionary()

    def write(self, key: CacheKey, entry: CacheEntry) -> str:
        """An entry as text.

        Raises:
            UnkeptValueError: Something in it can't be kept; it names the path.
        """
        codec, writes, notes = self._codec(key), entry.writes, entry.metadata
        assert isinstance(writes, WriteSet)
        assert isinstance(notes, WriteSet)
        body = {
            "writes": encode_writes(codec, writes, key.state),
            "metadata": encode_writes(codec, notes, dict[str, Any], path="metadata"),
            "provenance": codec.encode(list(entry.provenance), path="provenance"),
            "successor": encode_successor(codec, entry.successor),
            "usage": None if entry.usage is None else asdict(entry.usage),
            "elapsed": entry.elapsed,
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"))

    def read(self, key: CacheKey, text: str) -> CacheEntry:
        """The entry that is kept as `text`.

        Raises:
            ValueError: It is not what this program can take.
        """
        codec, body = self._codec(key), json.loads(text)
        usage = body["usage"]
        return CacheEntry(
            writes=_Recorded(codec, body["writes"], key.state, "state"),
            metadata=_Recorded(codec, body["metadata"], dict[str, Any], "metadata"),
            provenance=tuple(codec.decode(body["provenance"], path="provenance")),
            successor=decode_successor(codec, body["successor"]),
            usage=None if usage is None else Usage(**usage),
            elapsed=body["elapsed"],
        )

    def _codec(self, key: CacheKey) -> Codec:
        home = key.home
        if isinstance(home, Structure):
            codec = self._codecs.get(home)
            return self._new_codec(home, home) if codec is None else codec
        kind = home.function if isinstance(home, FunctionNode) else type(home)
        codec = self._codecs.get(kind)
        if codec is None:
            codec = self._new_codec(kind, read_structure(home, local_names={}))
        codec.names.add([key.state])
        return codec

    def _new_codec(self, owner: Any, structure: Structure) -> Codec:
        # Of a graph, names need no more than this.
        shown = cast("Graph[Any]", SimpleNamespace(structure=structure, start=None))
        codec = self._codecs[owner] = Codec(Names.of(shown), no_secrets=_NO_SECRETS)
        return codec
