"""`--secret PATH=ENV_NAME`: secrets of a kept run, which are never written, given again."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import click

from lift_sys.errors import UsageError

secret_option = click.option(
    "--secret",
    "secrets",
    multiple=True,
    metavar="PATH=ENV_NAME",
    help="The environment variable with the value of a secret: `token` of the initial state, "
    "`0.1:token` of what step 0.1 has written, `0:Call.key` of a node. Repeatable.",
)


def secret_names(texts: Iterable[str]) -> dict[str, str]:
    """The names of the variables with the values of secrets, by the secrets' paths.

    Raises:
        UsageError: A text is no `PATH=ENV_NAME`, or there is no such variable.
    """
    return dict(_secret(text) for text in texts)


def secret_values(names: Mapping[str, str]) -> dict[str, str]:
    """The secrets by their paths, from the names of their variables."""
    return {path: os.environ[name] for path, name in names.items()}


def _secret(text: str) -> tuple[str, str]:
    path, equals, name = text.partition("=")
    if not equals or not path:
        # Not the text itself: somebody may have written the secret there.
        raise UsageError("--secret takes PATH=ENV_NAME, e.g. api_key=MY_API_KEY")
    if name not in os.environ:
        raise UsageError(f"--secret {path}: there is no environment variable of the name given.")
    return path, name
