"""What steps did to recorded states, in typed JSON; and what that is for the code of now.

An operation on a state is turned by looking at the whole value before and after it: a field that
a migration hands on is operated on under its new name, and all else that differs is set.
"""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

from lift_sys.durability.recorded_types import ANY, RecordedType
from lift_sys.durability.recorded_values import RecordedClasses

#: `["set", path, value]` and so on: see `codec/writes.py`.
Operation: TypeAlias = list[Any]

# Tags of what may be a list of pairs.
_MAPPINGS = frozenset(("dict", "OrderedDict", "Counter", "defaultdict"))


def apply(classes: RecordedClasses, kind: RecordedType, form: Any, operation: Operation) -> Any:
    """Do an operation to a recorded value of the type `kind`; return it, or what replaces it.

    Raises:
        LookupError: There is nothing at the operation's path.
    """
    action, path, *rest = operation
    if not path:
        if action == "append":
            form += rest[0]
        return rest[0] if action == "set" else form
    step, *deeper = path
    of = _type(classes, kind, form, step)
    is_last = not deeper and action in ("set", "delete")
    home, key = _slot(form, step, kind, new=is_last)
    if not is_last:
        home[key] = apply(classes, of, home[key], [action, deeper, *rest])
    elif action == "set":
        home[key] = rest[0]
    elif isinstance(home, list):  # a pair
        _inner(form).remove(home)
    else:
        home.pop(key, None)
    return form


def turned_operations(
    classes: RecordedClasses, kind: RecordedType, before: Any, operation: Operation
) -> list[Operation]:
    """What becomes of an operation.

    Args:
        classes: The run's classes, and the functions of the migration.
        kind: The type of the value that it is done to.
        before: That value, as it was recorded.
        operation: As it was recorded.

    Raises:
        LookupError: It can't be told what the operation is about.
    """
    action, path, *rest = operation
    turns = classes.turns(before, kind)
    if not path:
        if action == "set":
            return [["set", [], classes.turned(rest[0], kind)]]
        if action == "append":
            return [["append", [], [classes.turned(each, kind.item(0)) for each in rest[0]]]]
        return [] if turns else [operation]  # of renamed fields it is not told which were given
    step, *deeper = path
    of = _type(classes, kind, before, step)
    if not deeper and action == "delete":
        made = [operation]
    elif not deeper and action == "set":
        made = [["set", path, classes.turned(rest[0], of)]]
    else:
        child = _child(before, step, kind)
        inner = turned_operations(classes, of, child, [action, deeper, *rest])
        made = [[kept, [step, *way], *more] for kept, way, *more in inner]
    if not turns:
        return made
    if before is None:
        raise LookupError("the value before it is not known")
    after = apply(classes, kind, copy.deepcopy(before), operation)
    given = [classes.inside(each, kind) for each in (before, after)]
    return _handed_on(made, given, [classes.called(each, kind) for each in given])


def _handed_on(
    operations: list[Operation], given: list[dict[str, Any]], made: list[dict[str, Any]]
) -> list[Operation]:
    """Operations on a value, where a function makes `made` of `given`, before and after them."""
    old, new = made
    changed = {name: None for name in new if name not in old or old[name] != new[name]}
    found: list[Operation] = []
    for action, path, *rest in operations:
        field, *deeper = path
        if field not in given[0] and field not in given[1]:  # no field, but a private attribute
            found.append([action, path, *rest])
            continue
        names = _names(field, given, made)
        if not names and action != "fields" and not changed:
            raise LookupError(f"it is not clear what has become of the field `{field}`")
        for name in names:
            changed.pop(name, None)
            found.append([action, [name, *deeper], *rest])
    return found + [["set", [name], new[name]] for name in changed]


def _names(field: str, given: list[dict[str, Any]], made: list[dict[str, Any]]) -> list[str]:
    """The fields that hold, before and after, what `field` of what was given holds."""
    (before, after), (old, new) = (each.get(field) for each in given), made
    found = [name for name in new if new[name] == after and name in old and old[name] == before]
    if before != after:
        return found
    # Nothing tells it from others that happen to be equal.
    return [field] if field in found else found if len(found) == 1 else []


def _type(classes: RecordedClasses, kind: RecordedType, form: Any, step: Any) -> RecordedType:
    """The type of what is at a step of a path."""
    if isinstance(step, str):
        return classes.fields(classes.class_of(form, kind)).get(step, ANY)
    if isinstance(form, dict) and "$" in form:  # what is in it is tagged
        return ANY
    return kind.value if kind.is_mapping else kind.item(0)


def _child(form: Any, step: Any, kind: RecordedType) -> Any:
    """What is at a step of a path; None if that is not known."""
    try:
        home, key = _slot(form, step, kind)
        return home[key]
    except (LookupError, TypeError):
        return None


def _inner(form: Any) -> Any:
    return form["v"] if isinstance(form, dict) and "$" in form else form


def _slot(form: Any, step: Any, kind: RecordedType, *, new: bool = False) -> tuple[Any, Any]:
    """The object or list, and the key in it, for a step; `new` if nothing need be there yet."""
    if isinstance(step, str):
        homes = (form, form.get("$extra", {}), form.get("$private", {}))
        return next((home for home in homes if step in home), form), step
    (key,), inner = step, _inner(form)
    is_mapping = kind.is_mapping if inner is form else form["$"] in _MAPPINGS
    if not isinstance(inner, list) or not is_mapping:
        return inner, key
    pair = next((pair for pair in inner if pair[0] == key), None)
    if pair is None:
        if not new:
            raise KeyError(key)
        pair = [key, None]
        inner.append(pair)
    return pair, 1
