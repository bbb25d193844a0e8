"""The codec of one graph: Python values as typed JSON, and exactly these values back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, GenericAlias, MethodType, UnionType
from typing import Any

from pydantic import BaseModel

from lift_sys.durability.codec.arrays import array_writer, read_array, read_scalar
from lift_sys.durability.codec.compiling import Plans
from lift_sys.durability.codec.containers import Reader, Writer, any_readers, any_writers
from lift_sys.durability.codec.leaves import (
    LEAF_TYPES,
    Leaf,
    base64_bytes,
    base64_text,
    float_form,
    int_form,
    text_form,
)
from lift_sys.durability.codec.mappings import write_key
from lift_sys.durability.codec.models import ModelPlan
from lift_sys.durability.codec.names import Names, name_of
from lift_sys.durability.codec.natives import are_plain
from lift_sys.durability.codec.plan import Form, Plan
from lift_sys.durability.codec.records import RecordPlan
from lift_sys.durability.codec.secret import SECRET_TAGS, is_secret_type
from lift_sys.durability.codec.type_forms import decode_type, encode_type
from lift_sys.durability.codec.walk import (
    DATA_ONLY,
    Decoding,
    Encoding,
    Refused,
    read,
    written,
    wrong,
)
from lift_sys.durability.facts import Json
from lift_sys.state.shapes import is_named_tuple


class Codec:
    """Writes values as typed JSON, and reads them.

    What an annotation describes is plain JSON; everything else carries its type in a key `$`. A
    value comes back with the same digest and types, or is refused when it is written.

    Args:
        names: The classes that may be named.
        no_secrets: Why no secret may be in a value, for its error; "" where secrets may be, which
            are never written, but given again.
    """

    def __init__(self, names: Names, *, no_secrets: str = "") -> None:
        self.names = names
        #: What nodes that are known by name were made of when they were first met (instances.py).
        self.met: dict[int, Any] = {}
        self.any = Plan("anything", lambda value: True)
        self.any.are_plain, self.any.is_text = are_plain, True
        self.any.encode, self.any.decode = self._write_any, self._read_any
        self.plans = Plans(self.any, names.hints, no_secrets)
        #: For the places where states are changed, by annotation and attribute names (writes.py).
        self.plans_of_paths: dict[Any, Plan] = {}
        self._writers: dict[type, Writer] = _native_writers() | any_writers(self.any)
        for kind, leaf in LEAF_TYPES.items():
            self._writers[kind] = _leaf_writer(leaf)
        self._readers: dict[str, Reader] = any_readers(self.any) | {
            "any": lambda data, walk: self._read_any(data["v"], walk),
            "float": lambda data, walk: float(data["v"]),
            "int": lambda data, walk: int(data["v"], 16),
            "str": lambda data, walk: base64_bytes(data["v"]).decode("utf-8", "surrogatepass"),
            "bytearray": lambda data, walk: bytearray(base64_bytes(data["v"])),
            "ndarray": read_array,
            "numpy": read_scalar,
            "secret": self._read_secret,
            "type": lambda data, walk: decode_type(data["v"], self.names),
        }
        for leaf in LEAF_TYPES.values():
            self._readers[leaf.tag] = _leaf_reader(leaf)

    def encode(
        self,
        value: Any,
        annotation: Any = Any,
        *,
        path: str = "state",
        secrets: list[tuple[Json, Any]] | None = None,
    ) -> Json:
        """Write a value.

        Args:
            value: What to write.
            annotation: What is known of it.
            path: What errors call it.
            secrets: A list to which the secrets in it go, each after what is written for it.

        Raises:
            UnkeptValueError: Something in it can't be kept; it names the path.
        """
        walk = Encoding()
        form = written(self.plans.of(annotation).encode, value, path, walk)
        if secrets is not None:
            secrets += walk.secrets
        return form

    def encode_key(self, key: Any) -> Json:
        """Write the key of a mapping, for itself.

        Raises:
            UnkeptValueError: It can't be kept, or a secret is in it.
        """
        return written(lambda key, walk: write_key(key, self.any, walk), key, "key", Encoding())

    def decode(
        self,
        data: Json,
        annotation: Any = Any,
        *,
        path: str = "state",
        secrets: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read what `encode` wrote.

        Args:
            data: The typed JSON.
            annotation: The one with which it was written.
            path: What errors call it.
            secrets: The secrets in it by their paths (below `state`: `mail.password`).

        Raises:
            ValueError: The data does not fit; it names the path and what was expected.
            MissingSecretError: Secrets were not given; it names all of them.
        """
        return read(self.plans.of(annotation).decode, data, root=path, secrets=secrets)

    def _write_any(self, value: Any, walk: Encoding) -> Json:
        kind = type(value)
        writer = self._writers.get(kind)
        if writer is None:
            writer = self._writer_for(kind)
            if writer is not _unknown:  # it may become known
                self._writers[kind] = writer
        return writer(value, walk)

    def _writer_for(self, kind: type) -> Writer:
        kind = getattr(kind, "__lift_origin__", kind)
        if (writer := array_writer(kind)) is not None:
            return writer
        if issubclass(kind, (type, GenericAlias, UnionType)) or kind.__module__ == "typing":
            return self._write_type
        if is_secret_type(kind):
            return self._secret_writer(kind)
        if not self._is_of_data(kind):
            return _refusal(kind)
        if not self.names.knows(kind):
            return _unknown
        name, plan = name_of(kind), self.plan_of_class(kind)

        def encode(value: Any, walk: Encoding) -> Json:
            form = plan.encode(value, walk)
            return {"$": name, **form} if type(form) is dict else {"$": name, "v": form}

        return encode

    def plan_of_class(self, kind: type) -> Plan:
        """The plan for values of exactly this class."""
        if issubclass(kind, (BaseModel, Enum)) or is_named_tuple(kind):
            return self.plans.of(kind)
        return self.plans.of_record(kind)

    def _is_of_data(self, kind: type) -> bool:
        return (
            issubclass(kind, (BaseModel, Enum))
            or is_named_tuple(kind)
            or dataclasses.is_dataclass(kind)
            or (callable(getattr(kind, "run", None)) and self.names.knows(kind))
        )

    def _write_type(self, value: Any, walk: Encoding) -> Json:
        try:
            form = encode_type(value, self.names)
            if decode_type(form, self.names) == value:
                return {"$": "type", "v": form}
        except (ValueError, TypeError):
            pass
        raise Refused(value, "it is a type that the graph does not know")

    def _secret_writer(self, kind: type) -> Writer:
        hide = self.plans.hide
        if kind.__name__ in SECRET_TAGS and SECRET_TAGS[kind.__name__] is kind:
            name = kind.__name__
            return lambda value, walk: hide(value, {"$": "secret", "of": name}, walk)
        if not self.names.knows(kind):
            return _unknown
        return lambda value, walk: hide(value, {"$": "secret", "of": name_of(kind)}, walk)

    def _read_any(self, data: Form, walk: Decoding) -> Any:
        kind = type(data)
        if kind is list:
            return self.plans.of(list).decode(data, walk)
        if kind is not dict:
            return data
        tag = data.get("$")
        if tag is None:
            return self.plans.of(dict).decode(data, walk)
        reader = self._readers.get(tag)
        if reader is None:
            reader = self._readers[tag] = self._reader_for(tag)
        return reader(data, walk)

    def _reader_for(self, tag: str) -> Reader:
        kind = self.names.find(tag)
        if not isinstance(kind, type) or not self._is_of_data(kind):
            raise ValueError(f"{tag!r} is no class of data")
        plan = self.plan_of_class(kind)
        if isinstance(plan, (ModelPlan, RecordPlan)):
            return plan.read_plain
        return lambda data, walk: plan.decode(data["v"], walk)

    def _read_secret(self, data: Form, walk: Decoding) -> Any:
        tag = data["of"]
        return walk.secret(SECRET_TAGS.get(tag) or self.names.find(tag), data.get("at"))


def _native_writers() -> dict[type, Writer]:
    def write_bytearray(value: bytearray, walk: Encoding) -> Json:
        walk.meet(value)
        walk.path.pop()
        return {"$": "bytearray", "v": base64_text(value)}

    return {
        str: lambda value, walk: value if value.isascii() else text_form(value),
        int: lambda value, walk: int_form(value),
        float: lambda value, walk: float_form(value),
        bool: lambda value, walk: value,
        type(None): lambda value, walk: None,
        bytearray: write_bytearray,
    }


def _leaf_writer(leaf: Leaf) -> Writer:
    tag, write = leaf.tag, leaf.write

    def encode(value: Any, walk: Encoding) -> Json:
        try:
            return {"$": tag, "v": write(value)}
        except ValueError as error:
            raise Refused(value, str(error)) from None

    return encode


def _leaf_reader(leaf: Leaf) -> Reader:
    def decode(data: Form, walk: Decoding) -> Any:
        try:
            return leaf.read(data["v"])
        except Exception:  # Decimal, ip_address and the others each have an error of their own
            wrong(data, f"a {leaf.tag}")

    return decode


def _refusal(kind: type) -> Writer:
    reason = DATA_ONLY
    if issubclass(kind, (FunctionType, BuiltinFunctionType, MethodType)):
        reason = f"it is code; {DATA_ONLY}"
    elif issubclass(kind, (str, int, float, bytes, tuple, list, dict, set, frozenset)):
        base = next(each for each in kind.__mro__ if each.__module__ == "builtins")
        reason = f"it may hold more than a {base.__name__} does; make it a {base.__name__}"
    elif kind.__module__ not in ("builtins", "_thread"):
        reason += ". If it is data, make its class a dataclass or a pydantic model"

    def refuse(value: Any, walk: Encoding) -> Json:
        raise Refused(value, reason)

    return refuse


def _unknown(value: Any, walk: Encoding) -> Json:
    raise Refused(
        value,
        f"the graph does not know {name_of(type(value))!r}; annotate the field with it, or define "
        f"it in the module of the state or of a node",
    )
