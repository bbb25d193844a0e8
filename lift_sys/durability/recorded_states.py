"""What steps did to recorded states, in typed JSON; and what that is for the code of now.

An operation on a state is turned by looking at the whole value before and after it: a field that
a migration hands on is operated on under its new name, and all else that differs is set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from lift_sys.durability.facts import same_json
from lift_sys.durability.recorded_types import ANY, RecordedType
from lift_sys.durability.recorded_values import RecordedClasses

#: `["set", path, value]` and so on: see `codec/writes.py`.
Operation: TypeAlias = list[Any]

#: A value before and after a step.
Values: TypeAlias = tuple[Any, Any]

# Where values stand in a tagged form, and besides fields; tags of what may be a list of pairs.
_HOMES = frozenset(("v", "$extra", "$private"))
_MAPPINGS = frozenset(("dict", "OrderedDict", "Counter", "defaultdict"))


def apply(classes: RecordedClasses, kind: RecordedType, form: Any, operation: Operation) -> Any:
    """A recorded value of the type `kind` after an operation; it stays as it is itself.

    Both share what the operation does not touch.

    Raises:
        LookupError: There is nothing at the operation's path.
    """
    action, path, *rest = operation
    if not path:
        if action == "append":
            return [*form, *rest[0]]
        return rest[0] if action == "set" else form
    form = _copied(form, kind)
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
    classes: RecordedClasses, kind: RecordedType, values: Values, operations: Sequence[Operation]
) -> list[Operation]:
    """What becomes of a write set, of which no operation is about what another has made.

    Args:
        classes: The run's classes, and the functions of the migration.
        kind: The type of the value that it is done to.
        values: That value as it was recorded, before and after; None where it is not known.
        operations: As they were recorded.

    Raises:
        LookupError: It can't be told what an operation is about.
    """
    turns = any(classes.turns(each, kind) for each in values)
    whole: list[Operation] = []
    inside: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation[1]:
            inside.setdefault(repr(operation[1][0]), []).append(operation)
        else:
            whole += _on_whole(classes, kind, operation, turns=turns)
    found = [each for group in inside.values() for each in _on_part(classes, kind, values, group)]
    if not (turns and found):
        return whole + found
    if None in values:
        raise LookupError("the value before it is not known")
    given = [classes.inside(each, kind) for each in values]
    return whole + _handed_on(found, given, [classes.called(each, kind) for each in given])


def _on_whole(
    classes: RecordedClasses, kind: RecordedType, operation: Operation, *, turns: bool
) -> list[Operation]:
    action, _, *rest = operation
    if action == "set":
        return [["set", [], classes.turned(rest[0], kind)]]
    if action == "append":
        return [["append", [], [classes.turned(each, kind.item(0)) for each in rest[0]]]]
    return [] if turns else [operation]  # of renamed fields it is not told which were given


def _on_part(
    classes: RecordedClasses, kind: RecordedType, values: Values, operations: Sequence[Operation]
) -> list[Operation]:
    """Operations on what is at one step, or further inside, with the values there turned."""
    step = operations[0][1][0]
    before, after = values
    of = _type(classes, kind, after if before is None else before, step)
    deeper = [[action, path[1:], *rest] for action, path, *rest in operations]
    inside = [each for each in deeper if each[0] != "delete" or each[1]]
    children = _child(before, step, kind), _child(after, step, kind)
    made = turned_operations(classes, of, children, inside)
    made += [each for each in deeper if each[0] == "delete" and not each[1]]
    return [[action, [step, *path], *rest] for action, path, *rest in made]


def _handed_on(
    operations: list[Operation], given: list[dict[str, Any]], made: list[dict[str, Any]]
) -> list[Operation]:
    """Operations on a value, where a function makes `made` of `given`, before and after them."""
    old, new = made
    changed = {name: None for name in new if name not in old or not same_json(old[name], new[name])}
    found: list[Operation] = []
    names: dict[str, list[str]] = {}
    owners: dict[str, str] = {}  # of fields that hold the same, one hands it on
    for action, path, *rest in operations:
        field, *deeper = path
        if field not in given[0] and field not in given[1]:  # no field, but a private attribute
            found.append([action, path, *rest])
            continue
        if field not in names:
            names[field] = _names(field, given, made)
        if not names[field] and action != "fields" and not changed:
            raise LookupError(f"it is not clear what has become of the field `{field}`")
        own = [name for name in names[field] if owners.setdefault(name, field) == field]
        found += [[action, [name, *deeper], *rest] for name in own]
    return found + [["set", [name], new[name]] for name in changed if name not in owners]


def _names(field: str, given: list[dict[str, Any]], made: list[dict[str, Any]]) -> list[str]:
    """The fields that hold, before and after, what `field` of what was given holds."""
    (before, after), (old, new) = (each.get(field) for each in given), made
    found = [
        name
        for name in new
        if name in old and same_json(new[name], after) and same_json(old[name], before)
    ]
    if field in found:  # others that there were before have operations of their own
        found = [name for name in found if name == field or name not in given[1]]
    if not same_json(before, after):
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


def _copied(form: Any, kind: RecordedType) -> Any:
    """A copy of what a step of a path may change: not of the values inside."""
    if not isinstance(form, dict):
        return [[*pair] for pair in form] if kind.is_mapping else [*form]
    made = {**form}
    for name in _HOMES & made.keys():
        inner = made[name]
        if isinstance(inner, dict):
            made[name] = {**inner}
        elif isinstance(inner, list):
            is_pairs = made.get("$") in _MAPPINGS
            made[name] = [[*pair] for pair in inner] if is_pairs else [*inner]
    return made


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
