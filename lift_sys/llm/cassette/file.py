"""The file: a header line, then one line of JSON for each call.

Before editing: while a session records, its lines are appended to a neighbour of the file
(`.recording`), one write each, so that a crash costs at most a line; the file itself is replaced in
one move at the end, sorted, so that recording again changes only the lines whose answers changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from lift_sys.errors import CassetteFileError
from lift_sys.llm.cassette.entry import Entry, digest_of

__all__ = ["FORMAT", "VERSION", "Journal", "is_cassette", "journal_path", "read", "write"]

FORMAT = "lift_sys.cassette"
VERSION = 1


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
        key = (entry.run, entry.address, digest, entry.occurrence)
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


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Replace the file by one with these entries, in one move."""
    target = path.resolve()  # a link stays a link
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(_header())
            file.writelines(_line(entry.to_json()) for entry in entries)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def journal_path(path: Path) -> Path:
    """Where a session that records to `path` keeps its lines until it ends."""
    return path.with_name(f"{path.name}.recording")


class Journal:
    """The lines of a session that is recording; the file is made with the first of them.

    Raises:
        CassetteFileError: Another session is recording to the same file.
    """

    def __init__(self, path: Path) -> None:
        self.path = journal_path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a+b", buffering=0)
        try:
            _lock(self._file)
        except OSError as error:
            self._file.close()
            reason = "another session is recording to it, which has to end first"
            raise CassetteFileError(path=str(path), reason=reason) from error
        # What a crash has left stays there until all of it is saved, up to its last whole line.
        self._file.seek(0)
        left = self._file.read()
        self._file.truncate(left.rfind(b"\n") + 1)
        if b"\n" not in left:
            self._file.write(_header())

    def append(self, entry: Entry) -> None:
        """Add a line; it is with the operating system when this returns."""
        self._file.write(_line(entry.to_json()))

    def close(self, *, remove: bool) -> None:
        """Close the file; remove it once what it holds has been saved elsewhere."""
        if os.name == "nt":  # which removes no open file
            self._file.close()
        if remove:
            self.path.unlink(missing_ok=True)
        self._file.close()


def _lock(opened: IO[bytes]) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two sessions are not kept apart there
        return
    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _header() -> bytes:
    return _line({"format": FORMAT, "version": VERSION})


def _line(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n"
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        return json.dumps(value).encode("ascii") + b"\n"
