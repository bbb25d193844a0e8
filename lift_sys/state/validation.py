"""Validation at the boundaries of nodes and joins (hole H9, ValidationHooks).

Pydantic validates a model when it is built; a node changes one in place, which pydantic lets pass.
So what changed between two snapshots is validated field by field, strictly and without coercion,
also inside nested models. At a node's end a field's own validators run; after a join the model
validators of every touched model run too, because two branches can be valid each and not together.
Values are checked, never rewritten: what a validator returns is not taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator

from lift_sys.errors import StateValidationError
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Path, path_text
from lift_sys.state.snapshot import Snapshot


def validate_changes(
    live: Any, old: Snapshot[Any] | None, new: Snapshot[Any], *, writers: Sequence[str] = ()
) -> None:
    """Check what changed from `old` to `new`, the snapshot of `live`, at the end of a node.

    Args:
        live: The state itself.
        old: The state before; None checks everything.
        new: The state after.
        writers: Who changed it, for the error.

    Raises:
        StateValidationError: Some value is not what its field declares.
    """
    _validate(live, old, new, writers, joined=False)


def validate_joined(
    live: Any, old: Snapshot[Any], new: Snapshot[Any], *, writers: Sequence[str] = ()
) -> None:
    """Check what a join changed, model validators included. Arguments as `validate_changes`.

    Raises:
        StateValidationError: The changes are not valid together; it names all writers.
    """
    _validate(live, old, new, writers, joined=True)


def _validate(
    live: Any,
    old: Snapshot[Any] | None,
    new: Snapshot[Any],
    writers: Sequence[str],
    *,
    joined: bool,
) -> None:
    if old is not None and old.root is new.root:
        return
    before = MISSING if old is None else old.root
    problems = []
    met: set[int] = set()
    for model, name, path in _changed_fields(before, new.root, live, (), met):
        problems += _check_field(model, name, path, joined=joined)
    if problems:
        unique = tuple(dict.fromkeys(problems))
        raise StateValidationError(problems=unique, writers=writers, joined=joined)


def is_plainly_right(before: Snapshot[Any], after: Snapshot[Any]) -> bool:
    """Whether only leaves of the root changed, to values of their field's own unconstrained type.

    That is what most nodes do, and needs no validator to be asked. `after` was refreshed from
    `before`.
    """
    new = after.root
    if after.changed is not None:
        values, types = new.values, _plain_types(new.cls)
        for name in after.changed:
            if types.get(name) is not type(values[name]):
                return False
        return True
    old = before.root
    if type(new) is not ModelPart or type(old) is not ModelPart or old.cls is not new.cls:
        return False
    known, types = old.values, _plain_types(new.cls)
    for name, node in new.values.items():
        if node is not known.get(name, MISSING) and types.get(name) is not type(node):
            return False
    return True


@lru_cache(maxsize=4096)
def _plain_types(cls: type[BaseModel]) -> dict[str, type]:
    """Fields that take any value of one builtin type, and the type."""
    found = {}
    for name, field in cls.__pydantic_fields__.items():
        if field.annotation in (str, int, float, bool) and not any(
            not _says_nothing(item) for item in field.metadata
        ):
            found[name] = field.annotation
    decorators = cls.__pydantic_decorators__
    for group in (decorators.field_validators, decorators.validators):
        for decorator in group.values():
            for name in decorator.info.fields:
                if name == "*":
                    return {}
                found.pop(name, None)
    return found


def _says_nothing(item: Any) -> bool:
    """Whether pydantic makes nothing of a piece of metadata: a text, a reducer."""
    return isinstance(item, str) or type(item).__module__.startswith("lift_sys.")


def _changed_fields(
    old: Node, new: Node, live: Any, path: Path, met: set[int]
) -> Iterator[tuple[Any, str, Path]]:
    """Each `(model, field, path of the model)` whose own value changed; new models in full."""
    if old is new or not isinstance(new, Part) or id(new) in met:
        return
    met.add(id(new))
    if not isinstance(new, ModelPart):
        yield from _inside(old, new, live, path, met)
        return
    known = old.values if isinstance(old, ModelPart) and old.cls is new.cls else {}
    values = new.shape.attributes(live)
    for name, after in new.values.items():
        before = known.get(name, MISSING)
        if after is before or name not in values:
            continue
        if name not in new.shape.private and not _same_outline(before, after):
            yield live, name, path
        yield from _changed_fields(before, after, values[name], (*path, name), met)


def _inside(
    old: Node, new: Part, live: Any, path: Path, met: set[int]
) -> Iterator[tuple[Any, str, Path]]:
    """As `_changed_fields`, for the models that a container holds."""
    comparable = isinstance(old, Part) and type(old) is type(new)
    for key in new.children:
        before = MISSING
        if comparable:
            try:
                before = old.values[key]
            except (KeyError, IndexError):
                pass
        yield from _changed_fields(before, new.values[key], live[key], (*path, new.step(key)), met)


def _same_outline(old: Node, new: Node) -> bool:
    """Whether a field differs only inside nested models, which are checked on their own."""
    if old is new:
        return True
    if not isinstance(old, Part) or type(old) is not type(new) or old.cls is not new.cls:
        return False
    if isinstance(new, ModelPart):
        return True
    if not new.children or old.children != new.children or len(old.values) != len(new.values):
        return False
    if isinstance(new.values, dict):
        pairs = [(old.values.get(key, MISSING), value) for key, value in new.values.items()]
    else:
        pairs = list(zip(old.values, new.values, strict=True))
    return all(_same_outline(before, after) for before, after in pairs)


def _check_field(model: Any, name: str, path: Path, *, joined: bool) -> list[tuple[str, str]]:
    cls = getattr(type(model), "__lift_origin__", type(model))
    shape_values = model.__dict__
    value = shape_values.get(name, MISSING)
    if value is MISSING:
        value = (model.__pydantic_extra__ or {}).get(name)
    # pydantic-core gives the model a new `__dict__` on success: let it be a shell's, which shares
    # the values and is thrown away.
    shell = object.__new__(cls)
    for slot in _SLOTS:
        object.__setattr__(shell, slot, getattr(model, slot))
    object.__setattr__(shell, "__pydantic_fields_set__", set(model.__pydantic_fields_set__))
    try:
        _assignment_validator(cls, joined).validate_assignment(shell, name, value, strict=True)
    except ValidationError as error:
        return [
            (_located(path, name, details["loc"]), details["msg"])
            for details in error.errors(include_url=False, include_input=False)
        ]
    return []


_SLOTS = ("__dict__", "__pydantic_extra__", "__pydantic_private__")


def _located(path: Path, name: str, loc: tuple[int | str, ...]) -> str:
    if not loc:  # a model validator speaks of the model, not of one field
        return path_text(path)
    inner = "".join(f"[{step!r}]" for step in loc[1:] if isinstance(step, int))
    return path_text((*path, name)) + inner


@lru_cache(maxsize=4096)
def _assignment_validator(cls: type[BaseModel], model_validators: bool) -> SchemaValidator:
    """What checks one field of `cls`; with or without the validators of the whole model.

    Frozen is taken out: a frozen state is replaced, not assigned to, and its new values have to
    be checked all the same.
    """
    decorators = cls.__pydantic_decorators__
    whole = bool(decorators.model_validators or decorators.root_validators)
    frozen = cls.model_config.get("frozen") or any(
        field.frozen for field in cls.__pydantic_fields__.values()
    )
    if not frozen and (model_validators or not whole):
        validator = cls.__pydantic_validator__
        return validator  # type: ignore[return-value]
    schema: Any = cls.__pydantic_core_schema__
    definitions = []
    if schema["type"] == "definitions":
        definitions, schema = schema["definitions"], schema["schema"]
    if schema["type"] == "definition-ref":
        by_ref = {definition["ref"]: definition for definition in definitions}
        schema = {**by_ref[schema["schema_ref"]]}
        schema.pop("ref")
    schema = _stripped(schema, keep_functions=model_validators)
    if definitions:
        schema = {"type": "definitions", "schema": schema, "definitions": definitions}
    return SchemaValidator(schema)


def _stripped(schema: dict[str, Any], *, keep_functions: bool) -> dict[str, Any]:
    """`schema` of a model without `frozen`, and without the functions around it if so asked."""
    kind = schema["type"]
    if kind.startswith("function-") and "schema" in schema:
        inner = _stripped(schema["schema"], keep_functions=keep_functions)
        return {**schema, "schema": inner} if keep_functions else inner
    if kind == "model":
        inner = _stripped(schema["schema"], keep_functions=keep_functions)
        config = {key: value for key, value in schema.get("config", {}).items() if key != "frozen"}
        return {**schema, "schema": inner, "frozen": False, "config": config}
    if kind == "model-fields":
        fields = {
            name: {key: value for key, value in field.items() if key != "frozen"}
            for name, field in schema["fields"].items()
        }
        return {**schema, "fields": fields}
    return schema
