"""The file: a header line, then one line of JSON for each call.

Before editing: it is replaced in one move, sorted, so that recording again changes only the lines
whose answers changed. Until a session ends its lines are in a journal (`journal.py`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lift_sys.errors import CassetteFileError
from lift_sys.llm.cassette.entry import Entry, digest_of
from lift_sys.llm.cassette.mask import is_salt

__all__ = ["FORMAT", "VERSION", "header_line", "is_cassette", "line_of", "read", "salt_of", "write"]

FORMAT = "lift_sys.cassette"
VERSION = 2  # 1 had no salt, and requests that differed in secrets only were one


def read(path: Path, *, cut_off: bool = False) -> list[Entry]:
    """Read all entries of a file, in its order.

    Args:
        path: The file.
        cut_off: Whether it is a journal: its last line may be incomplete, as a crash leaves it,
            and is then dropped, and a later line may repeat the key of an earlier one.

    Raises:
        CassetteFileError: There is no such file, it is of another format or version, or a line is
            broken or repeats the key of an earlier one; the error has the line's number.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise CassetteFileError(path=str(path), reason="there is no such file") from None
    except OSError as error:
        raise CassetteFileError(path=str(path), reason=str(error)) from error
    if cut_off:
        lines[-1] = b""
        if not any(lines):
            return []
    _check_header(path, lines[0])
    entries = []
    seen: dict[tuple[Any, ...], int] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        try:
            entry = Entry.from_json(_parse(line))
        except ValueError as error:
            last = " (the last line: was it cut off?)" if number == len(lines) else ""
            raise CassetteFileError(path=str(path), line=number, reason=f"{error}{last}") from error
        digest = digest_of(entry.client, entry.request)
        key = (entry.run, entry.address, digest, entry.task, entry.occurrence)
        if key in seen and not cut_off:
            raise CassetteFileError(
                path=str(path),
                line=number,
                reason=f"it repeats run, address, request and occurrence of line {seen[key]}",
            )
        seen[key] = number
        entries.append(entry)
    return entries


def _check_header(path: Path, line: bytes) -> None:
    try:
        header = _parse(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        expected = json.dumps({"format": FORMAT, "version": VERSION})
        reason = f"its first line should be {expected}, so it is no cassette"
        raise CassetteFileError(path=str(path), line=1, reason=reason)
    if header.get("version") != VERSION:
        version = header.get("version")
        reason = f"it is of version {version!r}, and this lift_sys reads version {VERSION}"
        raise CassetteFileError(path=str(path), line=1, reason=reason)
    if not is_salt(header.get("salt")):
        reason = "its first line has no 'salt' of 32 hexadecimal digits"
        raise CassetteFileError(path=str(path), line=1, reason=reason)


def salt_of(path: Path) -> str | None:
    """Return the salt in the first line of a file; None if it is no cassette of this version."""
    try:
        with path.open("rb") as file:
            line = file.readline()
        _check_header(path, line)
    except (OSError, CassetteFileError):
        return None
    return str(_parse(line)["salt"])


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 text (at byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg} at character {error.pos})") from error
    except RecursionError as error:
        raise ValueError("its JSON is nested too deeply") from error


def is_cassette(path: Path) -> bool:
    """Whether a file begins as a cassette does, of whatever version; a missing one does not."""
    try:
        with path.open("rb") as file:
            header = _parse(file.readline())
    except (OSError, ValueError):
        return False
    return isinstance(header, dict) and header.get("format") == FORMAT


def write(path: Path, entries: Iterable[Entry], salt: str) -> None:
    """Replace the file by one with these entries, in one move."""
    target = path.resolve()  # a link stays a link
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(header_line(salt))
            file.writelines(line_of(entry.to_json()) for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def header_line(salt: str) -> bytes:
    """The first line; the salt is that of the masks in the others."""
    return line_of({"format": FORMAT, "version": VERSION, "salt": salt})


def line_of(value: Any) -> bytes:
    """The line of a JSON-like value, with its end."""
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return json.dumps(value).encode("ascii") + b"\n"
