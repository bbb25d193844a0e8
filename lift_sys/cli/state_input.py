"""From `--state` and `--set` to a validated state of the graph's own model.

Validation is strict JSON: a date may be text, as JSON has no dates, but "3" is no number; and a
field that the model does not know is an error, where pydantic would drop it without a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from lift_sys.cli.state_files import Document, read_document
from lift_sys.cli.yaml_core import Place
from lift_sys.core.likeness import did_you_mean
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError


state_option = click.option(
    "--state", "source", metavar="FILE|JSON", help="JSON text, a JSON or YAML file, or - for stdin."
)
set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Set one field, dots for nested ones; JSON, or else text. Repeatable.",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One `--set a.b=1`: where, the value as JSON where it is JSON, and the text as it was given."""

    place: Place
    value: Any
    text: str


def parse_setting(argument: str) -> Setting:
    """Read `field=value`, with dots into nested fields and numbers into lists.

    Raises:
        UsageError: There is no `=`, or nothing before it.
    """
    path, equals, text = argument.partition("=")
    parts = path.strip().split(".")
    if not equals or not all(parts):
        raise UsageError(f"--set {argument!r} is not field=value, e.g. topic=tea or limits.size=3")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    return Setting(tuple(int(part) if part.isdecimal() else part for part in parts), value, text)


def build_state(
    model: type[BaseModel], *, source: str | None = None, settings: Sequence[str] = ()
) -> BaseModel:
    """Read, overlay and validate the state that a run begins with.

    Args:
        model: The graph's state type.
        source: As `--state` has it, see `read_document`; None for the model's defaults.
        settings: As `--set` has them; later ones win.

    Raises:
        UsageError: Anything in it can't be used; each problem names its field, and its line where
            it came from a file.
    """
    document = Document({}, "") if source is None else read_document(source)
    if not isinstance(document.data, dict):
        kind = type(document.data).__name__
        raise UsageError(f"{document.name}: the state has to be an object of fields, not a {kind}.")
    parsed = [parse_setting(setting) for setting in settings]
    return _validated(model, document, parsed)


def _validated(model: type[BaseModel], document: Document, settings: list[Setting]) -> BaseModel:
    from pydantic import ValidationError

    data = _overlay(document.data, settings)
    try:
        state = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        as_text = _texts_instead(error, settings)
        if as_text != settings:
            return _validated(model, document, as_text)
        problems = [*_plain_problems(error), *_unused(data, model)]
        raise UsageError(_problems(model, document, settings, problems)) from error
    unknown = list(_unknown_keys(data, state, ()))
    if unknown:
        raise UsageError(_problems(model, document, settings, unknown))
    return state


def _overlay(data: dict[str, Any], settings: Sequence[Setting]) -> dict[str, Any]:
    data = deepcopy(data)
    for setting in settings:
        target: Any = data
        for depth, part in enumerate(setting.place):
            last = depth == len(setting.place) - 1
            shown = ".".join(map(str, setting.place[: depth + 1]))
            if isinstance(target, list):
                if not isinstance(part, int) or part >= len(target):
                    raise UsageError(f"--set {shown}: the list there has {len(target)} items.")
            elif isinstance(target, dict):
                part = str(part)
            else:
                raise UsageError(f"--set {shown}: there are no fields inside a plain value.")
            if last:
                target[part] = setting.value
            elif isinstance(target, dict):
                target = target.setdefault(part, {})
            else:
                target = target[part]
    return data


def _texts_instead(error: ValidationError, settings: list[Setting]) -> list[Setting]:
    """`settings` with text where a number or the like was given and the field wants text."""
    wanted = {
        tuple(map(str, problem["loc"]))
        for problem in error.errors(include_url=False, include_context=False)
        if problem["type"] == "string_type"
    }
    return [
        Setting(setting.place, setting.text, setting.text)
        if tuple(map(str, setting.place)) in wanted and setting.value != setting.text
        else setting
        for setting in settings
    ]


def _plain_problems(error: ValidationError) -> list[tuple[Place, str]]:
    return [
        (problem["loc"], "is missing" if problem["type"] == "missing" else problem["msg"])
        for problem in error.errors(include_url=False, include_context=False)
    ]


def _unused(data: Mapping[str, Any], model: type[BaseModel]) -> Iterator[tuple[Place, str]]:
    """Keys that no field takes: a slip there is why another one is missing."""
    home = _fields_by_key(model)
    if model.model_config.get("extra") in ("allow", "forbid"):  # then pydantic has its say
        return
    for key in data:
        if key not in home:
            hint = did_you_mean(key, home)
            yield (key,), f"{model.__name__} has no such field.{hint}"


def _unknown_keys(data: Any, value: Any, place: Place) -> list[tuple[Place, str]]:
    """Places in `data` that `value`, which was made of it, has no field for."""
    from pydantic import BaseModel

    found: list[tuple[Place, str]] = []
    if isinstance(value, BaseModel) and isinstance(data, Mapping):
        home = _fields_by_key(type(value))
        for key, item in data.items():
            if key in home:
                found += _unknown_keys(item, getattr(value, home[key], None), (*place, key))
            elif type(value).model_config.get("extra") != "allow":
                hint = did_you_mean(key, home)
                found.append(((*place, key), f"{type(value).__name__} has no such field.{hint}"))
    elif isinstance(value, Mapping) and isinstance(data, Mapping):
        by_text = {str(key): item for key, item in value.items()}
        for key, item in data.items():
            found += _unknown_keys(item, by_text.get(str(key)), (*place, key))
    elif isinstance(value, (list, tuple)) and isinstance(data, list):
        for index, (item, made) in enumerate(zip(data, value, strict=False)):
            found += _unknown_keys(item, made, (*place, index))
    return found


def _fields_by_key(model: type[BaseModel]) -> dict[str, str]:
    """Each key that fills a field of `model`, names and aliases, to the field's name."""
    from pydantic import AliasChoices, AliasPath

    home: dict[str, str] = {}
    for name, field in model.model_fields.items():
        home[name] = name
        alias = field.validation_alias or field.alias
        for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
            first = choice.path[0] if isinstance(choice, AliasPath) else choice
            if isinstance(first, str):
                home[first] = name
    return home


def _problems(
    model: type[BaseModel],
    document: Document,
    settings: Sequence[Setting],
    problems: Sequence[tuple[Place, str]],
) -> str:
    lines = []
    for place, message in problems:
        path = ".".join(map(str, place)) or "the whole"
        given = any(setting.place[: len(place)] == place for setting in settings)
        where = "--set" if given else document.where(place)
        missing = message == "is missing" and len(place) == 1
        hint = f" (give it with --set {path}=... or in --state)" if missing else ""
        lines.append("\n  - " + (f"{where}: " if where else "") + f"`{path}`: {message}{hint}")
    return f"This is no state for {model.__name__}:{''.join(lines)}"
