"""What pydantic knows about the fields of a model class, in the form that validation needs.

Pydantic's own validator of a class does all at once; a node's end wants the fields without the
validators of the whole model, a join wants these without the fields. So the class's core schema is
taken apart. Before editing: `frozen` is taken out too, as a frozen state is replaced, not assigned
to, and its new values have to be checked all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast

from pydantic import BaseModel
from pydantic_core import SchemaValidator

from lift_sys.state.leaves import per_key

FieldChecker: TypeAlias = Callable[[dict[str, Any], str, Any], Any]

#: Core schemas that make an object even of strict input: a model of a dict, an address of a text.
_MAKERS = frozenset({"model", "url", "multi-host-url", "definition-ref"})

_STRING_LIMITS = ("str_max_length", "str_min_length")


@per_key
def plain_types(cls: type[BaseModel]) -> dict[str, type]:
    """Fields that take any value of one builtin type, and the type."""
    if "__get_pydantic_core_schema__" in {name for base in _own_bases(cls) for name in vars(base)}:
        return {}
    config = cls.model_config
    limited: set[type] = set()
    if any(config.get(limit) is not None for limit in _STRING_LIMITS):
        limited.add(str)
    if config.get("allow_inf_nan") is False:
        limited.add(float)
    found: dict[str, type] = {}
    for name, field in cls.__pydantic_fields__.items():
        if field.annotation in {str, int, float, bool} - limited and not any(
            not _says_nothing(item) for item in field.metadata
        ):
            found[name] = cast("type", field.annotation)
    decorators = cls.__pydantic_decorators__
    for group in (decorators.field_validators, decorators.validators):
        for decorator in group.values():
            for name in decorator.info.fields:
                if name == "*":
                    return {}
                found.pop(name, None)
    return found


def _own_bases(cls: type[BaseModel]) -> list[type]:
    """The user's classes among those that `cls` is made of."""
    return [base for base in cls.__mro__ if base.__module__.partition(".")[0] != "pydantic"]


def _says_nothing(item: Any) -> bool:
    """Whether pydantic makes nothing of a piece of metadata: a text, a reducer."""
    return isinstance(item, str) or type(item).__module__.startswith("lift_sys.")


@per_key
def field_checker(cls: type[BaseModel]) -> FieldChecker:
    """What checks one field of `cls`, strictly; `frozen` and the model's validators are left out.

    It is called with the values of all fields by name (for validators that look at others), the
    name of a field and its value, and returns what pydantic makes of the value.

    Raises:
        ValidationError: By what is returned; the value is not what its field declares.
    """
    schema, definitions = _schema_of(cls)
    while schema["type"] != "model" and _is_around(schema):
        schema = schema["schema"]
    config, inner = schema.get("config"), schema.get("schema")
    if schema["type"] != "model" or inner is None:  # a class with a core schema of its own making
        return lambda values, name, value: value
    if schema.get("root_model"):
        root = SchemaValidator(_with_definitions(inner, definitions), config)
        return lambda values, name, value: root.validate_python(value, strict=True)
    while inner["type"] != "model-fields" and _is_around(inner):
        inner = inner["schema"]
    fields = {
        name: {key: value for key, value in field.items() if key != "frozen"}
        for name, field in inner["fields"].items()
    }
    checker = SchemaValidator(_with_definitions({**inner, "fields": fields}, definitions), config)

    def check(values: dict[str, Any], name: str, value: Any) -> Any:
        # On a copy, as what is returned is put in there.
        result: Any = checker.validate_assignment({**values}, name, value, strict=True)
        made, extra, _ = result
        return made[name] if name in made else extra[name]

    return check


@per_key
def making_fields(cls: type[BaseModel]) -> frozenset[str]:
    """The fields of which pydantic takes another form too, and makes the declared one of it."""
    schema, _ = _schema_of(cls)
    while schema["type"] != "model-fields":
        if schema.get("root_model"):
            return frozenset({"root"} if _makes(schema["schema"]) else ())
        if "schema" not in schema:
            return frozenset()
        schema = schema["schema"]
    return frozenset(name for name, field in schema["fields"].items() if _makes(field["schema"]))


def _makes(schema: Any) -> bool:
    if isinstance(schema, dict):
        return schema.get("type") in _MAKERS or any(map(_makes, schema.values()))
    return isinstance(schema, (list, tuple)) and any(map(_makes, schema))


def _with_definitions(schema: dict[str, Any], definitions: list[Any]) -> Any:
    if not definitions:
        return schema
    return {"type": "definitions", "schema": schema, "definitions": definitions}


@per_key
def model_checker(cls: type[BaseModel]) -> SchemaValidator | None:
    """What runs the validators of the whole model and takes any value for a field, or None."""
    if not _has_model_validators(cls):
        return None
    schema, _ = _schema_of(cls)
    # A prebuilt validator, which pydantic would take for the model, can't check an assignment.
    return SchemaValidator(cast("Any", _functions_only(schema)), _use_prebuilt=False)


def _has_model_validators(cls: type[BaseModel]) -> bool:
    decorators = cls.__pydantic_decorators__
    return bool(decorators.model_validators or decorators.root_validators)


def _schema_of(cls: type[BaseModel]) -> tuple[dict[str, Any], list[Any]]:
    """The core schema of a class, and the definitions that it refers to."""
    if not cls.__pydantic_complete__:
        cls.model_rebuild()
    schema: Any = cls.__pydantic_core_schema__
    definitions: list[Any] = []
    if schema["type"] == "definitions":
        definitions, schema = schema["definitions"], schema["schema"]
    if schema["type"] == "definition-ref":
        by_ref = {definition["ref"]: definition for definition in definitions}
        schema = {**by_ref[schema["schema_ref"]]}
        schema.pop("ref")
    return schema, definitions


def _is_around(schema: dict[str, Any]) -> bool:
    """Whether it is a function around another schema."""
    return schema["type"].startswith("function-") and "schema" in schema


def _functions_only(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` of a model with the functions around it, but with fields that take anything."""
    if schema["type"] == "model":
        inner = {"type": "any"} if schema.get("root_model") else _functions_only(schema["schema"])
        config = {key: value for key, value in schema.get("config", {}).items() if key != "frozen"}
        return {**schema, "schema": inner, "frozen": False, "config": config}
    if schema["type"] == "model-fields":
        anything = {"type": "model-field", "schema": {"type": "any"}}
        return {"type": "model-fields", "fields": dict.fromkeys(schema["fields"], anything)} | {
            key: schema[key] for key in ("extra_behavior", "model_name") if key in schema
        }
    if _is_around(schema):
        return {**schema, "schema": _functions_only(schema["schema"])}
    return schema
