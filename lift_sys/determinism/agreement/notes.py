"""What a reader of the figures has to know about the log they come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from lift_sys.determinism.agreement.answers import unparsed_calls
from lift_sys.determinism.agreement.question import QuestionAgreement
from lift_sys.execution.log import counted

_NUMBER = re.compile(r"[-+]?[0-9]{1,40}(\.[0-9]{1,40})?")


def notes_on(
    questions: Sequence[QuestionAgreement], run_counts: Mapping[int, int], *, has_answers: bool
) -> Iterator[str]:
    """Sentences about one group: its shape first, then calls that are not what they should be."""
    least, most = min(run_counts), max(run_counts)
    if least != most:
        parts = ", ".join(
            f"{counted(runs, 'run')}: {counted(count, 'question')}"
            for runs, count in run_counts.items()
        )
        rest = f"; TARr@k is given up to k = {least}" if least >= 2 else ""
        yield f"Unequal numbers of runs ({parts}), so there is no agreement over N runs{rest}."
    if least < 2:
        few = sum(count for runs, count in run_counts.items() if runs < 2)
        what = "one run or none" if least == 0 else "one run"
        who = "Each question has" if few == len(questions) else f"{counted(few, 'question')} with"
        yield f"{who} {what}: nothing repeats, so agreement is unknown."
    records = [record for each in questions for record in each.records]
    if cached := sum(each.cached for each in questions):
        yield (
            f"{counted(cached, 'call')} answered by a cache, and left out: an answer that was kept "
            f"agrees with itself by construction."
        )
    if missing := sum(record.output is None for record in records):
        yield f"{counted(missing, 'call')} without an output: each agrees with nothing."
    if has_answers and (unparsed := unparsed_calls(records)) and sum(unparsed.values()):
        parts = ", ".join(f"{count} {status}" for status, count in unparsed.items() if count)
        yield (
            f"{counted(sum(unparsed.values()), 'call')} without a parsed answer ({parts}): each "
            f"agrees with nothing, except that the published rule lets N calls with none agree."
        )
        if wrong := sum(record.parsed is None and record.correct is True for record in records):
            yield f"{counted(wrong, 'call')} marked as right without an answer: counted as wrong."
    if not has_answers and any(each.gold is not None and each.correct is None for each in records):
        yield (
            "No answers are given, so whole outputs are compared to the right answers, character by "
            "character. Where outputs say more than the answer, name the column of parsed answers."
        )
    if twins := _same_numbers(each.question for each in questions):
        yield (
            f"Questions {' and '.join(map(repr, twins))} are one number written in two ways, and count "
            f"as two questions: write it in one way if they are one."
        )
    judged = ((record, record.parsed if has_answers else record.output) for record in records)
    if near := sum(
        record.correct is None and record.gold is not None and is_same_number(answer, record.gold)
        for record, answer in judged
    ):
        yield (
            f"{counted(near, 'call')} counted as wrong though answer and right answer are one number "
            f"written in two ways, such as 7 and 7.0: they are compared as texts. A table with gaps "
            f"makes 7.0 of 7."
        )
    labels = {tuple(record.run for record in each.records) for each in questions}
    if least == most and len(labels) > 1:
        yield (
            "Questions have different labels of runs: the first of each counts as run 1, and so on."
        )


def is_same_number(one: str | None, other: str | None) -> bool:
    """Whether two different texts are one number."""
    if one is None or other is None or one == other:
        return False
    value = _number(one)
    return value is not None and value == _number(other)


def _same_numbers(labels: Iterable[str]) -> tuple[str, ...]:
    """The first labels that are one number written in two ways; none if there are none."""
    known: dict[Decimal, str] = {}
    for label in labels:
        value = _number(label)
        if value is not None and known.setdefault(value, label) != label:
            return known[value], label
    return ()


def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None
