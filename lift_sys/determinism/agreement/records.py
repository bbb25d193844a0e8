"""One call of a log, and how a row of any table becomes one.

Everything that is compared is text: strings by their characters, other values by their JSON with
sorted keys. So the run 0 of a JSON file and the run "0" of a CSV file are the same run. No value, a
JSON null, a NaN and an empty cell of a CSV file are all "missing".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from lift_sys.core.likeness import closest
from lift_sys.errors import MissingColumnError, RunLogError, UsageError

#: The group of all records where no column says another.
ONE_GROUP = "all"

_TRUE, _FALSE = frozenset({"true", "yes", "1", "1.0"}), frozenset({"false", "no", "0", "0.0"})
# A message lists the names of columns: so many of them, and so far into nested objects.
_MOST_COLUMNS, _DEEPEST_NAME = 200, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call of a model.

    Attributes:
        question: What was asked; calls with equal question and group are repeats of each other.
        run: Which repeat it is. Runs are in order of this label, numbers by their value.
        output: The raw text that came, or None if none did: a failed or missing call.
        answer: What was parsed from it, or None.
        answer_status: "ok" if the answer was parsed, "none" if there was none, "ambiguous" if there
            were several; other words count as not parsed. None: "ok" if there is an answer.
        gold: The right answer, if it is known.
        correct: Whether the answer is right; None leaves it to `gold`.
        group: What is reported apart: a model, an experiment.
        cached: Whether a cache answered, so that the call is no repeat.
        place: Where it was read, for messages: "runs.jsonl:12".
    """

    question: str
    run: str
    output: str | None
    answer: str | None = None
    answer_status: str | None = None
    gold: str | None = None
    correct: bool | None = None
    group: str = ONE_GROUP
    cached: bool = False
    place: str = "a record"

    @property
    def status(self) -> str:
        """The status of its answer, derived where none was given; "none" without an answer."""
        status = "ok" if self.answer_status is None else self.answer_status
        return "none" if status == "ok" and self.answer is None else status

    @property
    def parsed(self) -> str | None:
        """The answer, if it counts as parsed."""
        return self.answer if self.status == "ok" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column holds what; the meanings are those of `Record`.

    A name is that of a column, or else a dotted path into nested objects and lists:
    `response.choices.0.message.content`. None: there is no such column.
    """

    question: str
    run: str
    output: str
    answer: str | None = None
    answer_status: str | None = None
    gold: str | None = None
    correct: str | None = None
    group: str | None = None
    cached: str | None = None

    def __post_init__(self) -> None:
        if self.gold is not None and self.correct is not None:
            raise UsageError(
                "Name a column for `gold` (right answers) or for `correct` (verdicts), not both."
            )
        if self.answer_status is not None and self.answer is None:
            raise UsageError("A column for `answer_status` needs one for `answer` beside it.")


def to_records(
    rows: Iterable[Mapping[str, Any]], columns: Columns, *, source: str = "row "
) -> list[Record]:
    """Take calls out of mappings.

    Args:
        rows: One mapping a call, such as a decoded line of JSON.
        columns: Which keys hold what.
        source: How messages call a row, before its number from 1.

    Raises:
        MissingColumnError: No row has a column that `columns` names; it lists those there are.
        RunLogError: A row has no question, run or group, or a value can't be read; or no rows.
    """
    return records_at(((f"{source}{n}", row) for n, row in enumerate(rows, 1)), columns)


def records_at(
    rows: Iterable[tuple[str, Mapping[str, Any]]], columns: Columns, *, source: str = "The log"
) -> list[Record]:
    """As `to_records`, for rows of which each comes with its place."""
    wanted = [value for each in fields(columns) if (value := getattr(columns, each.name))]
    unseen = dict.fromkeys(wanted)
    known: dict[str, None] = {}
    records = []
    # A column that no row has explains the errors it causes, so the first of these waits for it.
    first_error: RunLogError | None = None
    for place, row in rows:
        for name in [name for name in unseen if _look_up(row, name)[0]]:
            del unseen[name]
        if unseen and len(known) < _MOST_COLUMNS:
            known.update(dict.fromkeys(_names(row)))
        if first_error is None:
            try:
                records.append(_record(row, columns, place))
            except RunLogError as error:
                first_error = error
    if not records and first_error is None:
        raise RunLogError(place=source, reason="it holds no calls")
    for name in unseen:
        raise MissingColumnError(column=name, columns=list(known), meant=closest(name, known))
    if first_error is not None:
        raise first_error
    _check_statuses(records)
    return records


def text_of(value: Any) -> str | None:
    """`value` as it is compared, see the module's text; None if it is missing."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _record(row: Mapping[str, Any], columns: Columns, place: str) -> Record:
    def value(name: str | None) -> Any:
        return None if name is None else _look_up(row, name)[1]

    def label(name: str) -> str:
        text = text_of(value(name))
        if text is None:
            raise RunLogError(place=place, reason=f"there is no value in column {name!r}")
        return text

    def truth(name: str | None) -> bool:
        text = (text_of(value(name)) or "false").strip().lower()
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        raise RunLogError(place=place, reason=f"{text!r} in column {name!r} is no true or false")

    answer = text_of(value(columns.answer))
    status = text_of(value(columns.answer_status))
    if status is not None:
        status = status.strip().lower()
    elif columns.answer is not None:
        status = "none" if answer is None else "ok"
    return Record(
        question=label(columns.question),
        run=label(columns.run),
        output=text_of(value(columns.output)),
        answer=answer,
        answer_status=status,
        gold=text_of(value(columns.gold)),
        correct=truth(columns.correct) if columns.correct is not None else None,
        group=label(columns.group) if columns.group is not None else ONE_GROUP,
        cached=columns.cached is not None and truth(columns.cached),
        place=place,
    )


def _check_statuses(records: list[Record]) -> None:
    """A column with other words than ours would make every answer count as missing."""
    statuses = {record.answer_status for record in records if record.answer is not None}
    if statuses and not statuses & {"ok", "none", "ambiguous", None}:
        words = ", ".join(sorted(map(repr, statuses)))
        raise RunLogError(
            place=records[0].place,
            reason=f"the status of an answer is 'ok', 'none' or 'ambiguous', but here it is {words}",
        )


def _look_up(row: Mapping[str, Any], name: str) -> tuple[bool, Any]:
    """Whether `row` has the column, and its value."""
    if name in row:
        return True, row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return False, None
    return True, value


def _names(row: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Names of the columns of `row`, those of nested objects as dotted paths."""
    for key, value in row.items():
        if isinstance(value, Mapping) and value and before.count(".") < _DEEPEST_NAME:
            yield from _names(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"
