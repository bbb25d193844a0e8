"""What a reader of the figures has to know about the log they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lift_sys.determinism.agreement.answers import unparsed_calls
from lift_sys.determinism.agreement.question import QuestionAgreement
from lift_sys.execution.log import counted


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
    labels = {tuple(record.run for record in each.records) for each in questions}
    if least == most and len(labels) > 1:
        yield (
            "Questions have different labels of runs: the first of each counts as run 1, and so on."
        )
