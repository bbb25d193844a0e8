"""Validation at the boundaries of nodes and joins (hole H9, ValidationHooks).

Pydantic validates a model when it is built; a node changes one in place, which pydantic lets pass.
So what changed between two snapshots is validated field by field, strictly and without coercion,
also inside nested models. At a node's end a field's own validators run; after a join the model
validators of every touched model run too, because two branches can be valid each and not together.
Values are checked, never rewritten: what a validator returns is not taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import AnyUrl, BaseModel, ValidationError

from lift_sys.errors import StateValidationError
from lift_sys.state.checkers import (
    field_checker,
    making_fields,
    model_checker,
    plain_types,
)
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import MISSING
from lift_sys.state.paths import Key, Path, path_text
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.touched import Touched, touched_models


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
    if is_plainly_right(old, new) and model_checker(new.root.cls) is None:
        return
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
    problems: list[tuple[str, str]] = []
    for touched in touched_models(live, old, new, joined=joined):
        found = [problem for name in touched.fields for problem in _check_field(touched, name)]
        problems += found or (_check_model(touched) if joined else [])
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
        values, types = new.values, plain_types(new.cls)
        right = True  # a plain loop: a generator costs as much as the rest of this function
        for name in after.changed:
            right = right and types.get(name) is type(values[name])
        return right
    old = before.root
    if type(new) is not ModelPart or type(old) is not ModelPart or old.cls is not new.cls:
        return False
    known, types = old.values, plain_types(new.cls)
    if len(new.values) != len(known):
        return False
    for name, node in new.values.items():
        if node is not known.get(name, MISSING) and types.get(name) is not type(node):
            return False
    return True


def _check_field(touched: Touched, name: str) -> list[tuple[str, str]]:
    """What is wrong with the value of one field; nothing is changed."""
    model, path = touched.model, touched.path
    values: dict[str, Any] = model.__dict__
    value = values.get(name, MISSING)
    if value is MISSING:
        value = (model.__pydantic_extra__ or {}).get(name, MISSING)
    if value is MISSING:
        return [(path_text((*path, name)), "Field required")]
    cls = _class_of(model)
    try:
        made = field_checker(cls)(values, name, value)
    except ValidationError as error:
        return [
            (path_text((*path, name, *_steps_inside(value, details["loc"][1:]))), details["msg"])
            for details in error.errors(include_url=False, include_input=False)
        ]
    if name not in making_fields(cls):
        return []
    return [
        (path_text((*path, name, *steps)), f"Input should be an instance of {kind.__name__}")
        for steps, kind in _made_of_other(value, made)
    ]


def _made_of_other(value: Any, made: Any) -> Iterator[tuple[Path, type]]:
    """Where pydantic made an object of a dict or a text, although the value is not rewritten."""
    if value is made:
        return
    if isinstance(made, (BaseModel, AnyUrl)):
        if not isinstance(value, (BaseModel, AnyUrl)):
            yield (), type(made)
    elif isinstance(made, Mapping) and isinstance(value, Mapping):
        for key in made.keys() & value.keys():
            for steps, kind in _made_of_other(value[key], made[key]):
                yield (Key(key), *steps), kind
    elif isinstance(made, (list, tuple)) and isinstance(value, (list, tuple)):
        for index, pair in enumerate(zip(value, made, strict=False)):
            for steps, kind in _made_of_other(*pair):
                yield (Key(index), *steps), kind


def _check_model(touched: Touched) -> list[tuple[str, str]]:
    """What the validators of the whole model say; they get a copy, as they may write to it."""
    cls = _class_of(touched.model)
    checker = model_checker(cls)
    name = next((name for name in touched.model.__dict__ if name in cls.__pydantic_fields__), None)
    if checker is None or name is None:
        return []
    copy = touched.part.restore({})
    try:
        checker.validate_assignment(copy, name, copy.__dict__[name])
    except ValidationError as error:
        return [
            (path_text(touched.path), details["msg"])
            for details in error.errors(include_url=False, include_input=False)
        ]
    return []


def _class_of(model: Any) -> type[BaseModel]:
    kind: type[BaseModel] = type(model)
    return getattr(kind, "__lift_origin__", kind)


def _steps_inside(value: Any, location: tuple[int | str, ...]) -> Path:
    """Where pydantic found an error in `value`, without what only names a choice of a schema."""
    steps: list[str | Key] = []
    for step in location:
        if isinstance(value, Mapping):
            key = next((key for key in value if key == step or str(key) == step), MISSING)
            if key is not MISSING:
                steps.append(Key(key))
                value = value[key]
        elif isinstance(value, (list, tuple)):
            if isinstance(step, int) and step < len(value):
                steps.append(Key(step))
                value = value[step]
        elif isinstance(step, str) and step in getattr(value, "__dict__", ()):
            steps.append(step)
            value = getattr(value, step)
    return tuple(steps)
