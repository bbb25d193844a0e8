"""From a file to records: JSON lines (also packed by gzip or xz), CSV, Parquet.

Bytes are decoded line by line, so that each mistake has its file and line. Nothing in a file is
ever run; Parquet needs pyarrow, which is imported only for such a file.
"""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from lift_sys.determinism.agreement.records import Columns, Record, records_at
from lift_sys.errors import RunLogError

# A row, and its place for messages.
_Row = tuple[str, dict[str, Any]]
# A line with its number, from 1.
_Line = tuple[int, str]

_UNPACK: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}


def read_records(
    source: str | os.PathLike[str] | IO[bytes], columns: Columns, *, name: str = ""
) -> list[Record]:
    """Read a log of runs.

    Args:
        source: A file whose suffix says its format: .jsonl, .ndjson or .csv (each also with .gz or
            .xz behind it), or .parquet. Text is UTF-8. A CSV file has a header line, its cells
            are separated by commas, semicolons or tabs, and empty ones are missing values. Or an
            open stream of bytes: JSON lines if it begins with a brace, else CSV.
        columns: Which column holds what.
        name: What errors call the source; the file's path by default.

    Raises:
        RunLogError: The file can't be read, its suffix is unknown, it is empty, or a line of it is
            broken; the message names the line.
        MissingColumnError: The file has no such column; it lists those there are.
    """
    if isinstance(source, (str, os.PathLike)):
        file = Path(source)
        name = name or str(file)
        rows = _rows_of_file(file, name)
    else:
        name = name or str(getattr(source, "name", "the stream"))
        rows = _rows_of_stream(source, name)
    try:
        return records_at(rows, columns, source=name)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise RunLogError(place=name, reason=f"it can't be read: {what}") from error


def _rows_of_file(file: Path, name: str) -> Iterator[_Row]:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes[-1] if suffixes and suffixes[-1] in _UNPACK else ""
    form = suffixes[-2 if packed else -1] if len(suffixes) > bool(packed) else ""
    reader = {".jsonl": _json_lines, ".ndjson": _json_lines, ".csv": _csv_rows}.get(form)
    if form == ".parquet" and not packed:
        return _parquet_rows(file, name)
    if reader is not None:
        return reader(_lines(file, packed, name), name)
    raise RunLogError(
        place=name,
        reason=f"its suffix {''.join(suffixes[-2:]) or '(none)'} is none of .jsonl, .ndjson and "
        f".csv (also with .gz or .xz), and .parquet",
    )


def _rows_of_stream(stream: IO[bytes], name: str) -> Iterator[_Row]:
    lines = _decoded(stream, name)
    first = list(islice(lines, 1))
    is_json = bool(first) and first[0][1].lstrip().startswith("{")
    every = chain(first, lines)
    return _json_lines(every, name) if is_json else _csv_rows(every, name)


def _lines(file: Path, packed: str, name: str) -> Iterator[_Line]:
    stream: IO[bytes] = _UNPACK[packed](file, "rb") if packed else file.open("rb")
    with stream:
        yield from _decoded(stream, name)


def _decoded(stream: Iterable[bytes], name: str) -> Iterator[_Line]:
    """Numbered lines with their ends."""
    for number, raw in enumerate(stream, 1):
        try:
            # The mark that some editors put before the first line is no part of it.
            yield number, raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise RunLogError(
                place=f"{name}:{number}", reason=f"this is no UTF-8 text ({error.reason})"
            ) from error


def _json_lines(lines: Iterable[_Line], name: str) -> Iterator[_Row]:
    for number, line in lines:
        if not line.strip():
            continue
        place = f"{name}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            what = getattr(error, "msg", "") or str(error)
            column = f", column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            raise RunLogError(
                place=place, reason=f"this is no valid JSON ({what}{column})"
            ) from error
        if not isinstance(row, dict):
            raise RunLogError(
                place=place,
                reason=f"a line has to be a JSON object, not a {type(row).__name__}",
            )
        yield place, row


def _csv_rows(lines: Iterable[_Line], name: str) -> Iterator[_Row]:
    # The limit is the interpreter's; outputs of models pass its 128 kB.
    before = csv.field_size_limit(sys.maxsize)
    try:
        rows = list(_split([line for _, line in lines], name))
    finally:
        csv.field_size_limit(before)
    if not rows:
        return
    (place, header), *others = rows
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise RunLogError(place=place, reason=f"the header has the column {twice[0]!r} twice")
    for place, cells in others:
        if len(cells) != len(header):
            raise RunLogError(
                place=place,
                reason=f"there are {len(cells)} cells, but the header has {len(header)} columns",
            )
        yield place, {name: cell or None for name, cell in zip(header, cells, strict=True)}


def _split(lines: list[str], name: str) -> Iterator[tuple[str, list[str]]]:
    """Rows of cells; the place is the line on which a row ends."""
    header = next(filter(str.strip, lines), "")
    reader = csv.reader(lines, delimiter=_delimiter(header), strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise RunLogError(
                place=f"{name}:{reader.line_num}", reason=f"this is no valid CSV ({error})"
            ) from error
        if cells:
            yield f"{name}:{reader.line_num}", cells


def _delimiter(header: str) -> str:
    """What separates the names of `header`: a comma, unless only semicolons or tabs do."""
    for each in ",;\t":
        if len(next(csv.reader([header], delimiter=each), [])) > 1:
            return each
    return ","


def _parquet_rows(file: Path, name: str) -> Iterator[_Row]:
    try:
        # By name, as type checkers find no types in it, or no pyarrow at all.
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise RunLogError(
            place=name, reason="Parquet files are read by pyarrow: pip install pyarrow"
        ) from error
    number = 0
    try:
        with parquet.ParquetFile(file) as opened:
            for batch in opened.iter_batches():
                for row in batch.to_pylist():
                    number += 1
                    yield f"{name}, row {number}", row
    except pyarrow.ArrowException as error:
        what = str(error).partition("\n")[0]
        raise RunLogError(place=name, reason=f"it can't be read as Parquet ({what})") from error
