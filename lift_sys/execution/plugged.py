"""Whether what a caller gives is a store, a file, a name, a mapping: said before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lift_sys.errors import UsageError


def refuse_no_store(value: Any) -> None:
    """Refuse what keeps no runs.

    Raises:
        UsageError: It is no store.
    """
    _refuse("store", value, ("begin_run", "resume_run"), 'SqliteStore("runs.db")')


def refuse_no_cache(value: Any) -> None:
    """Refuse what keeps no results of nodes, as a run would go on without them; None is no cache.

    Raises:
        UsageError: It is no cache.
    """
    if value is not None:
        _refuse("cache", value, ("get", "put"), 'SqliteCache("cache.db")')


def refuse_no_name(value: Any) -> None:
    """Refuse what names no kept run: it would be another run each time.

    Raises:
        UsageError: It is no text, or an empty one.
    """
    if not isinstance(value, str) or not value:
        raise UsageError(f"execution_id={value!r}: the name of a kept run is a text, not empty.")


def refuse_no_file(path: Any, instead: str) -> None:
    """Refuse what SQLite's own users write for no file, and a URL: either would be a file's name.

    Args:
        path: Where it is to be kept. It is not shown: a URL may have a password.
        instead: What keeps it without a file.

    Raises:
        UsageError: It is no file.
    """
    if str(path) == ":memory:":
        raise UsageError(f"':memory:' would be a file of that name. Without a file: {instead}.")
    if "://" in str(path):
        raise UsageError("A URL is no file. Runs in PostgreSQL: PostgresStore(...).")


def refuse_no_mapping(what: str, value: Any, example: str) -> None:
    """Refuse what has no names, or others than texts; None is an empty one.

    Args:
        what: The parameter.
        value: What was given. It is not shown: it may hold a secret.
        example: Of what it takes.

    Raises:
        UsageError: It is no mapping, or one of its names is no text.
    """
    if value is None:
        return
    if not isinstance(value, Mapping):
        found = f"a {type(value).__name__}"
    elif odd := [type(name).__name__ for name in value if not isinstance(name, str)]:
        found = f"one from {odd[0]}"
    else:
        return
    raise UsageError(f"{what}= takes a mapping from texts, such as {example}, not {found}.")


def _refuse(what: str, value: Any, methods: tuple[str, ...], example: str) -> None:
    if isinstance(value, type):
        raise UsageError(f"{what}= is the class {value.__name__}; make one: {value.__name__}(...).")
    if not all(callable(getattr(value, name, None)) for name in methods):
        # Not the value itself: a URL may have a password.
        raise UsageError(
            f"{what}= takes a {what}, such as {example}, not a {type(value).__name__}."
        )
