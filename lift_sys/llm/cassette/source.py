"""The file that a tape reads: what it holds now, and how it is said that it can't be used."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from lift_sys.errors import CassetteFileError
from lift_sys.llm.cassette import file
from lift_sys.llm.cassette.entry import Entry

Mode: TypeAlias = Literal["auto", "record", "replay"]


class Source:
    """A tape's file, if it has one.

    Args:
        path: The file; None is none.
        name: How errors call it.
        advice: What errors say to do.
        mode: What the tape does with it.
    """

    def __init__(self, path: Path | None, name: str, advice: str, mode: Mode) -> None:
        self._advice = advice
        self._path = path
        self._name = name
        self._mode = mode

    def entries(self) -> list[Entry]:
        """What it holds now.

        Raises:
            CassetteFileError: It can't be used.
        """
        if self._path is None or not self._path.exists():
            return []
        try:
            return file.read(self._path)
        except CassetteFileError as error:
            # To record anew is what mends a broken cassette; anything else stays what it is.
            if self._mode != "record" or not file.is_cassette(self._path):
                raise self._refusal(error.reason, error.line) from error.__cause__
            return []

    def demand(self) -> None:
        """Refuse to replay from a file that is not there.

        Raises:
            CassetteFileError: It is missing.
        """
        if self._mode == "replay" and self._path is not None and not self._path.exists():
            raise self._refusal("there is no such file")

    def _refusal(self, reason: str, line: int = 0) -> CassetteFileError:
        return CassetteFileError(path=self._name, line=line, reason=reason, advice=self._advice)
