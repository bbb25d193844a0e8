"""Write sets in typed JSON: a list of operations, `["set", path, value]` and so on.

A path is a list of attribute names and, each in a list of its own, keys: `["notes", ["a"], "title"]`.
The annotation at a path is followed from the state's class, by names alone, so that writing and
reading agree whatever stands there.
"""

from __future__ import annotations

import collections.abc
from collections.abc import Iterator, Mapping
from typing import Any, Union, cast, get_args, get_origin

from lift_sys.durability.codec.codec import Codec
from lift_sys.durability.codec.hints import (
    Hints,
    is_typed_dict,
    is_union,
    without_none,
)
from lift_sys.durability.codec.plan import Plan
from lift_sys.durability.codec.walk import Decoding, Encoding, read, written
from lift_sys.durability.facts import Json
from lift_sys.state.applying import append_at, delete_at, set_at
from lift_sys.state.operations import Append, Given, Operation, Set, WriteSet
from lift_sys.state.parts import Part
from lift_sys.state.paths import Key, Path
from lift_sys.state.snapshot import Snapshot


def encode_writes(
    codec: Codec,
    writes: WriteSet,
    annotation: Any,
    *,
    after: Snapshot[Any] | None = None,
    path: str = "state",
) -> list[Json]:
    """Write what changed.

    Args:
        codec: Whose names and plans.
        writes: What leads to `after`.
        annotation: The type of the whole: the state's class, `dict[str, Any]` for metadata.
        after: The value after; with it an object that came to stand in two places is seen wherever
            these are.
        path: What errors call the whole.

    Raises:
        UnkeptValueError: Something can't be kept; it names the path.
    """
    if after is not None and not after.simple and writes:
        codec.encode(after.restore(), annotation, path=path)
    memo: dict[int, Any] = {}  # one for all, so that an object in two places is met twice

    def live(node: Any) -> Any:
        return node.restore(memo) if isinstance(node, Part) else node

    def encode(operations: tuple[Operation, ...], walk: Encoding) -> Any:
        out: list[Json] = []
        for operation in operations:
            walk.path = _steps(operation.path)
            steps = _path_json(codec, operation.path)
            if isinstance(operation, Set):
                plan = _plan_at(codec, annotation, operation.path)
                out.append(["set", steps, plan.encode(live(operation.node), walk)])
            elif isinstance(operation, Append):
                plan = _plan_at(codec, annotation, operation.path, tail=True)
                tail = [live(node) for node in operation.tail]
                out.append(["append", steps, plan.encode(tail, walk)])
            else:
                out.append(["delete", steps])
        return out

    forms = cast("list[Json]", written(encode, writes.operations, path, Encoding()))
    for each in writes.given:
        form: list[Json] = ["fields", _path_json(codec, each.path), [*sorted(each.names)]]
        if each.unseen:
            form.append([*sorted(each.unseen)])
        forms.append(form)
    return forms


def apply_writes(
    codec: Codec,
    live: Any,
    data: list[Json],
    annotation: Any,
    *,
    path: str = "state",
    secrets: Mapping[str, Any] | None = None,
) -> Any:
    """Do to `live` what was written; return it, or the value that replaces it.

    No validator runs. The other arguments are those of `encode_writes` and `Codec.decode`.

    Raises:
        ValueError: The data does not fit; it names the path. `live` may be half changed.
        SecretError: Secrets were not given, or are of another type.
    """

    def decode(operations: Any, walk: Decoding) -> Any:
        value = live
        for kind, way, made in _operations(codec, operations, annotation, walk):
            if kind == "set":
                value = set_at(value, way, made)
            elif kind == "append":
                append_at(value, way, made)
            elif kind == "delete":
                delete_at(value, way)
            else:
                value = Given(way, *map(frozenset, made)).apply(value)
        return value

    return read(decode, data, root=path, secrets=secrets)


def check_writes(
    codec: Codec,
    data: list[Json],
    annotation: Any,
    *,
    path: str = "state",
    secrets: Mapping[str, Any] | None = None,
) -> None:
    """Read what was written, as `apply_writes` does and with its errors, and do nothing with it."""

    def decode(operations: Any, walk: Decoding) -> None:
        for _ in _operations(codec, operations, annotation, walk):
            continue

    read(decode, data, root=path, secrets=secrets)


def _operations(
    codec: Codec, operations: Any, annotation: Any, walk: Decoding
) -> Iterator[tuple[str, Path, Any]]:
    """Operations with their values, read one by one."""
    for kind, steps, *rest in operations:
        way = _path_of(codec, steps)
        walk.path = _steps(way)
        if kind in ("set", "append"):
            plan = _plan_at(codec, annotation, way, tail=kind == "append")
            yield kind, way, plan.decode(rest[0], walk)
        elif kind in ("delete", "fields"):
            yield kind, way, rest
        else:
            raise ValueError(f"no operation on a state: {kind!r}")


def _plan_at(codec: Codec, annotation: Any, path: Path, *, tail: bool = False) -> Plan:
    """The plan for the value at `path`, or for the new items of the list there."""
    known = codec.plans_of_paths
    plan = known.get((annotation, tail, path))
    if plan is not None:  # a path without keys: the most frequent case
        return plan
    typed_keys = codec.plans.typed_keys
    codec.plans.of(annotation)  # it knows their keys
    # One of each kind: what stands under other keys does not depend on the key.
    outline = tuple(
        step if isinstance(step, str) or step.key in typed_keys else None for step in path
    )
    plan = known.get((annotation, tail, outline))
    if plan is None:
        inner = _annotation_at(annotation, path, codec.plans.hints)
        plan = known[annotation, tail, outline] = codec.plans.of(_list_of(inner) if tail else inner)
    return plan


def _annotation_at(annotation: Any, path: Path, hints: Hints) -> Any:
    """What the annotation of a whole says of the value at `path`."""
    for index, step in enumerate(path):
        annotation = without_none(annotation)
        if is_union(annotation):
            choices = [each for each in get_args(annotation) if each is not type(None)]
            return Union[  # noqa: UP007  how many there are is not known here
                tuple(_annotation_at(each, path[index:], hints) for each in choices)
            ]
        origin, arguments = get_origin(annotation) or annotation, get_args(annotation)
        if isinstance(step, str):
            annotation = _attribute_type(origin, step, hints)
        elif is_typed_dict(origin):
            annotation = hints.attributes(origin, arguments).get(step.key, Any)
        elif isinstance(origin, type) and issubclass(origin, collections.abc.Mapping):
            annotation = arguments[1] if len(arguments) == 2 else Any
        else:  # a list; the items of others are not written one by one
            annotation = arguments[0] if len(arguments) == 1 else Any
    return annotation


def _attribute_type(cls: Any, name: str, hints: Hints) -> Any:
    """What a model's class says of an attribute: of a field, a private one, or an extra."""
    fields: Mapping[str, Any] | None = getattr(cls, "__pydantic_fields__", None)
    if fields is None:
        return Any
    if name in fields:
        return fields[name].annotation
    private, extra = hints.undeclared(cls)
    return private.get(name, extra)


def _list_of(annotation: Any) -> Any:
    """The annotation of a list's new items: they are written as a list, whatever it says."""
    annotation = without_none(annotation)
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    is_list = origin is list or origin in (collections.abc.Sequence, collections.abc.Collection)
    return list[arguments[0]] if is_list and arguments else list  # type: ignore[valid-type]


def _steps(path: Path) -> list[Any]:
    return [(step.key,) if isinstance(step, Key) else step for step in path]


def _path_json(codec: Codec, path: Path) -> list[Json]:
    out: list[Json] = []
    for step in path:
        if not isinstance(step, Key):
            out.append(step)
        elif type(step.key) is str and step.key.isascii():
            out.append([step.key])
        else:
            out.append([codec.encode_key(step.key)])
    return out


def _path_of(codec: Codec, data: Any) -> Path:
    return tuple(
        step if isinstance(step, str) else Key(codec.decode(step[0], path="key")) for step in data
    )
