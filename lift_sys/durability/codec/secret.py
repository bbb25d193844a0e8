"""Secrets: never written, given again when they are read."""

from __future__ import annotations

from typing import Any

from pydantic import Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError

#: How an annotation-less place names the kind of its secret.
SECRET_TAGS: dict[str, type] = {
    "Secret": Secret,
    "SecretBytes": SecretBytes,
    "SecretStr": SecretStr,
}

_BASE: Any = SecretStr.__mro__[-3]  # pydantic's own base, which has no public name


def is_secret_type(kind: Any) -> bool:
    """Whether values of `kind` are secrets of pydantic."""
    return isinstance(kind, type) and issubclass(kind, _BASE)


def secret_of(annotation: Any, given: Any) -> Any:
    """The secret that `annotation` asks for, of what a person gave: a secret or what is inside.

    Raises:
        ValueError: It is of another type; the value is not in the message.
    """
    if annotation is Secret:  # it stands where no annotation says what is inside
        return given if isinstance(given, Secret) else Secret(given)
    try:
        return TypeAdapter(annotation).validate_python(given)
    except ValidationError as error:
        reasons = "; ".join(
            details["msg"] for details in error.errors(include_input=False, include_url=False)
        )
        raise ValueError(reasons) from None
