"""What sessions that record to one file at the same time keep beside it, and how they take turns.

Before editing: each session appends to a journal of its own, one write for each call, so that a
crash costs at most a line, and holds a lock on it as long as it lives: a journal without a lock is
what a crash has left. Journals are made, and files read and replaced, while the folder is locked,
which needs no file of its own that somebody could commit.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from lift_sys.llm.cassette import file
from lift_sys.llm.cassette.entry import Entry
from lift_sys.llm.cassette.mask import new_salt

__all__ = ["Journal", "journal_path", "leftovers", "locked", "salt_beside"]


def journal_path(path: Path, number: int = 1) -> Path:
    """Where a session that records to `path` keeps its lines until it ends."""
    which = f".{number}" if number > 1 else ""
    return path.with_name(f"{path.name}{which}.recording")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait until no other session reads or replaces `path`, and keep it so inside of the block.

    On Windows, and where a file system knows no locks, nothing is waited for.
    """
    folder = path.resolve().parent
    if os.name == "nt" or not folder.is_dir():
        yield
        return
    opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            _lock(opened, wait=True)
        yield
    finally:
        os.close(opened)


def leftovers(path: Path) -> dict[Path, list[Entry]]:
    """Return what sessions that did not end have recorded for `path`; it has to be locked.

    Raises:
        CassetteFileError: One of the journals can't be read.
    """
    return {each: file.read(each, cut_off=True) for each in _journals(path) if not _is_held(each)}


def salt_beside(path: Path) -> str | None:
    """Return the salt of `path`, or of a session that is recording to it; it has to be locked."""
    return next(filter(None, map(file.salt_of, (path, *_journals(path)))), None)


def _journals(path: Path) -> list[Path]:
    named = re.compile(re.escape(path.name) + r"(\.\d+)?\.recording")
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    return [each for each in beside if named.fullmatch(each.name)]


class Journal:
    """The lines of a session that is recording to `path`.

    Args:
        path: The file.
        salt: That of the session, if it has one.

    Attributes:
        salt: That of the session; without one, the salt of whoever was here first.
    """

    def __init__(self, path: Path, salt: str | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            self.salt = salt or salt_beside(path) or new_salt()
            for number in count(1):
                self.path = journal_path(path, number)
                with suppress(FileExistsError):
                    self._file = self.path.open("xb", buffering=0)
                    break
            with suppress(OSError):
                _lock(self._file.fileno(), wait=False)
            self._file.write(file.header_line(self.salt))

    def append(self, entry: Entry) -> None:
        """Add a line; it is with the operating system when this returns."""
        self._file.write(file.line_of(entry.to_json()))

    def close(self) -> None:
        """End it; what it holds stays until somebody has saved it."""
        self._file.close()

    def discard(self) -> None:
        """End it: it holds no call."""
        self.path.unlink(missing_ok=True)
        self._file.close()


def _is_held(path: Path) -> bool:
    try:
        with path.open("rb") as opened:
            _lock(opened.fileno(), wait=False)
    except BlockingIOError:
        return True
    except OSError:  # it is gone, or can't be locked
        return not path.exists()
    return False


def _lock(opened: int, *, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: two sessions are not kept apart there
        return
    fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
