"""Answers of a model as another run of it might have given them: other values in the same form.

An answer that no longer parses would say nothing about the target, so marks between fields stay, JSON
stays JSON, and a field of a model is varied only where the model goes on to be valid.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import Any, get_args

# How DSPy's chat adapter sets off fields, and XML-like tags.
_MARKS = re.compile(r"(\[\[ ## .*? ## \]\]|</?\w+>)")
_ENDINGS = ("indeed", "perhaps", "moreover")


def varied(answer: Any, level: int) -> Any:
    """`answer` as another run of the model might have given it; itself at level 0.

    Text loses its last word, or gets its words in another order, or another word at its end; numbers
    move, truth values turn around, parts of JSON and fields of a model are varied where the model
    goes on to be valid.
    """
    if level == 0:
        return answer
    if isinstance(answer, bool):
        return not answer
    if isinstance(answer, (int, float)):
        return answer + level
    if isinstance(answer, str):
        return _varied_text(answer, level)
    if isinstance(answer, list):
        return [varied(item, level) for item in answer]
    if isinstance(answer, dict):
        return {key: varied(value, level) for key, value in answer.items()}
    if hasattr(answer, "model_fields_set"):
        return _varied_model(answer, level)
    return answer


def _varied_text(text: str, level: int) -> str:
    if text[:1] in ("{", "["):
        try:
            return json.dumps(varied(json.loads(text), level), ensure_ascii=False)
        except ValueError:
            pass  # it only looks like JSON, as the marks of DSPy do
    pieces = _MARKS.split(text)
    if len(pieces) == 1:
        return _varied_words(text, level)
    return "".join(
        piece if number % 2 or not piece.strip() else _varied_inside(piece, level)
        for number, piece in enumerate(pieces)
    )


def _varied_inside(piece: str, level: int) -> str:
    inner = piece.strip()
    return piece.replace(inner, _varied_text(inner, level), 1)


def _varied_words(text: str, level: int) -> str:
    try:
        return str(float(text) + level if "." in text else int(text) + level)
    except ValueError:
        pass
    if text.lower() in ("true", "false", "yes", "no"):
        other = {"true": "false", "false": "true", "yes": "no", "no": "yes"}[text.lower()]
        return other.capitalize() if text.istitle() else other
    words = text.split()
    if level == 1 and len(words) > 1:
        return " ".join(words[:-1])
    if level == 2 and len(words) > 1 and words[::-1] != words:
        return " ".join(words[::-1])
    return f"{text} {_ENDINGS[level - 1]}".strip()


def _varied_model(model: Any, level: int) -> Any:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        kind = field.annotation
        choices: list[Any] = list(type(value)) if isinstance(value, Enum) else []
        choices = choices or [choice for choice in get_args(kind) if type(choice) is type(value)]
        others = [choice for choice in choices if choice != value]
        changed = others[level % len(others)] if others else varied(value, level)
        try:
            candidate = type(model).model_validate({**dict(model), name: changed})
        except ValueError:
            continue  # this field has to stay as it is
        model = candidate
    return model
