"""The digest of typed values: the same for equal values in every process, else different.

Order of dicts and sets never matters, order of lists does; `1`, `1.0` and `True` differ, so do a
model and its subclass; that two places hold one and the same object is not part of a value. The
encodings of single values are in `leaves`, of containers in `containers`, of objects in `opaque`.
Before editing: here is only the quick way, a recursion. Whatever is out of the ordinary (a cycle,
very deep nesting, an error whose path has to be named) is done by `graphs`, and both must agree.
"""

from __future__ import annotations

from math import copysign
from typing import Any

from pydantic import BaseModel

from lift_sys.state.containers import (
    CONTAINER_TAG,
    combine,
    digest_mapping,
    digest_model,
    digest_sequence,
    digest_set,
    model_attributes,
)
from lift_sys.state.graphs import encode_graph
from lift_sys.state.leaves import LEAF_ENCODERS, encode_leaf, leaf_encoder, type_name
from lift_sys.state.opaque import take_apart

__all__ = [
    "CONTAINER_TAG",
    "digest",
    "digest_bytes",
    "digest_mapping",
    "digest_model",
    "digest_of",
    "digest_sequence",
    "digest_set",
    "encode_child",
    "encode_leaf",
    "model_attributes",
    "same",
    "type_name",
]


def digest(value: Any, *, path: str = "state") -> str:
    """Return the digest of a typed value as 32 hexadecimal digits.

    Args:
        value: Any value that could be pickled, and also local functions and lambdas; the digest of
            these holds for one Python version, as it is made of their instructions.
        path: What `value` is called in errors.

    Raises:
        CanonicalError: Something in the value has no canonical form; it names its path.
    """
    return digest_bytes(value, path=path).hex()


def digest_bytes(value: Any, *, path: str = "state") -> bytes:
    """Return the 16 bytes that `digest` writes in hexadecimal."""
    return digest_of(encode_child(value, path))


def digest_of(encoding: bytes) -> bytes:
    """Return the digest of the value that has this encoding: a container's is inside it."""
    if encoding.startswith(CONTAINER_TAG):
        return encoding[1:]
    return digest_sequence("leaf", [encoding])[1:]


def encode_child(value: Any, path: str = "state") -> bytes:
    """Return what stands for `value` in the digest of a container that holds it.

    It is the leaf's encoding, or `CONTAINER_TAG` and the 16 bytes of the value's digest. It depends
    on the value alone, not on where it stands, even for parts of a cycle.

    Raises:
        CanonicalError: Something in the value has no canonical form; it names its path.
    """
    try:
        return Encoder().encode(value)
    except Exception:
        # Whatever it was, the other way finds it again, and knows where it is.
        return encode_graph(value, path)


def same(left: Any, right: Any) -> bool:
    """Return whether two values are equal typed values, that is, have the same digest.

    What can be told without digests is: an object is the same as itself, and leaves are compared
    directly.

    Raises:
        CanonicalError: A value that had to be looked into has no canonical form.
    """
    if left is right:
        return True
    cls, other = type(left), type(right)
    if cls is other:
        if cls in COMPARABLE:
            return bool(left == right)
        if cls is float:
            if left == right:
                return copysign(1.0, left) == copysign(1.0, right)  # 0.0 and -0.0 differ
            return bool(left != left and right != right)  # both are NaN
    if cls is not other and (cls in LEAF_ENCODERS and other in LEAF_ENCODERS):
        return False
    first, second = encode_leaf(left), encode_leaf(right)
    if first is not None or second is not None:
        return first == second
    return encode_child(left) == encode_child(right)


# Types whose own equality is ours, between values of exactly the same type.
COMPARABLE = frozenset({str, int, bool, bytes, bytearray, type(None)})


class Encoder:
    """Encodes one value by recursion; gives up with an exception on anything extraordinary."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        # By id: the encoding of each container met, empty while it is being made; and the parts
        # made of it, which are kept so that no id is used twice.
        self._known: dict[int, tuple[bytes, Any]] = {}

    def encode(self, value: Any) -> bytes:
        cls = type(value)
        encoder = LEAF_ENCODERS.get(cls) or leaf_encoder(cls)
        if encoder is not None:
            encoding = encoder(value)
            if encoding is not None:
                return encoding
        known = self._known.get(id(value))
        if known is not None:
            if not known[0]:
                raise RecursionError("the value contains itself")
            return known[0]
        self._known[id(value)] = b"", value
        encoding = self.encode_container(value, cls)
        self._known[id(value)] = encoding, value
        return encoding

    def encode_container(self, value: Any, cls: type) -> bytes:
        """The encoding of what is no leaf."""
        # What states mostly consist of comes first and without the detour over Parts.
        encode = self.encode
        if issubclass(cls, BaseModel):
            attributes = [(name, encode(child)) for name, child in model_attributes(value)]
            return digest_model(type_name(cls), attributes)
        if cls is list:
            return digest_sequence("builtins:list", [encode(child) for child in value])
        if cls is dict:
            items = [(encode(key), encode(child)) for key, child in value.items()]
            return digest_mapping("builtins:dict", items)
        parts = take_apart(value)
        return combine(parts.kind, parts.name, [encode(child) for child in parts.children])
