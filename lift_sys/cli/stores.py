"""Where the command line keeps runs: what `--store` says, or LIFT_STORE, or the project's own file."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import click

from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.durability.stores.base import DatabaseStore

FOLDER = ".lift"
FILE = "runs.db"
# `postgresql:/...` and `host=... password=...`: meant as a server, but no URL.
_NEARLY_URL = re.compile(r"(?i)(postgres(ql)?:|[a-z][a-z0-9+]+:/|.*\b(host|password|dbname)\s*=)")
# What marks the folder of a project.
_MARKS = (FOLDER, "pyproject.toml", ".git")

store_option = click.option(
    "--store",
    "place",
    metavar="FILE|URL",
    help="A file, or postgresql://...; else LIFT_STORE, else .lift/runs.db in the project.",
)


def place_of(place: str | None) -> str:
    """Where runs are: the option, the environment, or the project's file."""
    return place or os.environ.get("LIFT_STORE") or str(project_folder() / FOLDER / FILE)


def project_folder() -> Path:
    """The folder of the project around the current folder; that itself where there is none."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if folder != Path.home() and any((folder / mark).exists() for mark in _MARKS):
            return folder
    return here


def open_store(place: str | None, *, new: bool = False) -> DatabaseStore:
    """The store at `place`.

    Args:
        place: As `--store` has it.
        new: Whether it may be made; else it has to be there.

    Raises:
        UsageError: There is none, and nobody is to make it.
        StoreError: It can't be made.
    """
    found = place_of(place)
    if found.startswith(("postgresql://", "postgres://")):
        from lift_sys.durability import PostgresStore

        return PostgresStore(found)
    # Nothing of it is shown: there may be a password in it.
    if "://" in found:
        kind = found.partition(":")[0]
        raise UsageError(f"--store takes a file or postgresql://..., not {kind}://...")
    if _NEARLY_URL.match(found):
        raise UsageError(
            "--store takes a file or postgresql://..., and what it was given is neither."
        )
    from lift_sys.durability import SqliteStore

    path = Path(found)
    if new and path.parent.name == FOLDER:
        _make_folder(path.parent)
    if not new and not path.exists():
        raise UsageError(
            f"There is no store {str(path)!r}. `lift run --store` makes one; `--store FILE` or "
            f"LIFT_STORE names another."
        )
    return SqliteStore(path)


@contextmanager
def opened_store(place: str | None, *, new: bool = False) -> Iterator[DatabaseStore]:
    """As `open_store`, and closes it."""
    store = open_store(place, new=new)
    try:
        yield store
    finally:
        asyncio.run(store.close())


def store_words(place: str | None) -> list[str]:
    """The option that names the store again, without the password that a URL may hold.

    A file of LIFT_STORE is named, too: another shell has not that variable.
    """
    if place:
        return ["--store", without_password(place) if "://" in place else place]
    known = os.environ.get("LIFT_STORE")
    return ["--store", known] if known and "://" not in known else []


def command_text(words: Sequence[str], place: str | None) -> str:
    """A command for a shell; below it what that has to know besides, if `words` can't say it."""
    note = "(LIFT_STORE has to be set as it is here; its URL, which may hold a password, is not shown.)"
    is_known = place or store_words(place) or not os.environ.get("LIFT_STORE")
    return shlex.join(words) + ("" if is_known else f"\n  {note}")


def without_password(url: str) -> str:
    """A URL that can be shown: libpq finds its password in PGPASSWORD or `~/.pgpass`, too."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "URL"
    user, at, host = parts.netloc.rpartition("@")
    if "@" in user or "@" in url.partition(parts.netloc)[2]:  # it can't be told where it ends
        return "URL"
    settings = [
        each
        for each in parts.query.split("&")
        if "password" not in unquote(each.partition("=")[0]).lower()
    ]
    netloc = user.partition(":")[0] + at + host
    query = "&".join(settings)
    made = f"{parts.scheme}://{netloc}{parts.path}"
    return f"{made}?{query}" if query else made


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{str(folder)!r} can't be made ({error.strerror}); name a file: --store FILE."
        ) from error
