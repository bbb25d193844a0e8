"""The digest of all that can be seen of a value: equal values that show something else have others.

It tells what `canonical` leaves out on purpose, as it is no part of a value, but what code that
reads the value can tell, and a prompt that is made of it shows: the order of keys in dicts and of a
model's extras, which fields a model was given, and how a `defaultdict` grows. Before editing: keys
of cached results are made of these digests.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from pydantic import BaseModel

from lift_sys.state.canonical import Encoder, digest_of
from lift_sys.state.containers import Parts, combine
from lift_sys.state.graphs import encode_graph
from lift_sys.state.leaves import type_name
from lift_sys.state.opaque import take_apart

__all__ = ["growth", "parts_seen", "seen_digest"]


def seen_digest(value: Any, *, path: str = "state") -> str:
    """Return the digest of what can be seen of `value`, as 32 hexadecimal digits.

    Args:
        value: Any value that has a `canonical.digest`.
        path: What `value` is called in errors.

    Raises:
        CanonicalError: Something in the value has no canonical form; it names its path.
    """
    try:
        encoding = _SeenEncoder().encode(value)
    except Exception:  # as in `canonical`: the other way knows where it is
        encoding = encode_graph(value, path, parts_seen)
    return digest_of(encoding).hex()


def growth(factory: Any) -> str | None:
    """What is told of the `default_factory` of a `defaultdict`; None if it has none."""
    if factory is None:
        return None
    return str(getattr(factory, "__qualname__", type_name(type(factory))))


def parts_seen(value: Any) -> Parts:
    """As `take_apart`, with what can be seen beside the value."""
    parts = take_apart(value)
    if parts.kind == "mapping":
        parts = parts._replace(kind="items")
    if isinstance(value, defaultdict):
        return Parts("object", "", [parts, growth(value.default_factory)])
    if isinstance(value, BaseModel):
        given, extra = sorted(value.model_fields_set), [*(value.__pydantic_extra__ or ())]
        return Parts("object", "", [parts, given, extra])
    return parts


class _SeenEncoder(Encoder):
    """The quick way, for what is ordinary; it gives the bytes that `encode_graph` gives."""

    __slots__ = ()

    def encode_container(self, value: Any, cls: type) -> bytes:
        """See `Encoder`."""
        parts = parts_seen(value)
        return combine(parts.kind, parts.name, [self.encode(child) for child in parts.children])
