"""Strategies of forks, and the functions that they and forks are given, in typed JSON."""

from __future__ import annotations

import dataclasses
from types import FunctionType
from typing import Any

from lift_sys.core.strategies import (
    AllSuccess,
    BestEffort,
    FirstSuccess,
    Majority,
    MergeStrategy,
    Race,
)
from lift_sys.durability.codec.codec import Codec
from lift_sys.durability.codec.names import name_of
from lift_sys.durability.codec.walk import Encoding, Refused, written
from lift_sys.durability.facts import Json

_STRATEGIES: dict[str, Any] = {
    kind.__name__: kind for kind in (AllSuccess, BestEffort, FirstSuccess, Majority, Race)
}


def encode_strategy(codec: Codec, strategy: Any, path: str) -> Json:
    """Write a strategy with what is not at its default; a `MergeStrategy` by its value."""
    if isinstance(strategy, MergeStrategy):
        return strategy.value
    form: dict[str, Json] = {"$": type(strategy).__name__}
    for field in dataclasses.fields(strategy):
        value = getattr(strategy, field.name)
        if value != field.default:
            place = f"{path}.{field.name}"
            if callable(value):
                form[field.name] = encode_function(codec, value, place)
            else:
                form[field.name] = codec.encode(value, path=place)
    return form


def decode_strategy(codec: Codec, data: Any, path: str) -> Any:
    """Read what `encode_strategy` wrote."""
    if isinstance(data, str):
        return MergeStrategy(data)
    options: dict[str, Any] = {}
    for name, form in data.items():
        if isinstance(form, dict) and form.get("$") == "function":
            options[name] = decode_function(codec, form, f"{path}.{name}")
        elif name != "$":
            options[name] = codec.decode(form, path=f"{path}.{name}")
    return _STRATEGIES[data["$"]](**options)


def encode_function(codec: Codec, function: Any, path: str) -> Json:
    """Write a function by its name, if that is known to the graph."""

    def encode(function: Any, walk: Encoding) -> Json:
        if not isinstance(function, FunctionType) or not codec.names.knows(function):
            raise Refused(function, "give a function of a module, not a lambda or a local function")
        return {"$": "function", "v": name_of(function)}

    return written(encode, function, path, Encoding())


def decode_function(codec: Codec, data: Any, path: str) -> Any:
    """Find a function that `encode_function` has named.

    Raises:
        ValueError: There is none of that name.
    """
    function = codec.names.find(data["v"])
    if not isinstance(function, FunctionType):
        raise ValueError(f"{path}: {data['v']!r} is no function")
    return function
