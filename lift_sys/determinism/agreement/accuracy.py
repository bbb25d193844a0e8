"""Accuracy from run to run, where it is known which answers are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from statistics import median

from lift_sys.determinism.agreement.question import QuestionAgreement
from lift_sys.determinism.agreement.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyFigures:
    """How accuracy varies over Q questions of N runs each. A call without an answer is not right.

    Attributes:
        per_run: Right answers in the first, second, ... N-th run of the questions.
        minimum, median, maximum: Accuracy of a run, over the N runs.
        best_count: Questions that are right in at least one run. (Atil and others, arXiv 2408.04667,
            call `best_count / Q` the best possible accuracy, and so on.)
        best: `best_count / Q`.
        worst_count: Questions that are right in every run.
        worst: `worst_count / Q`.
        spread: `best - worst`.
        majority: Accuracy of the commonest answer of each question (self-consistency: Wang and
            others, arXiv 2203.11171). Calls without an answer don't vote; of answers that tie,
            each counts in part, so that no order of runs matters.
    """

    per_run: tuple[int, ...]
    minimum: float
    median: float
    maximum: float
    best_count: int
    best: float
    worst_count: int
    worst: float
    spread: float
    majority: float


def accuracy_figures(
    questions: Sequence[QuestionAgreement], runs: int, *, parsed: bool
) -> AccuracyFigures:
    """The figures of questions with `runs` runs each, one or more.

    Args:
        questions: At least one.
        runs: N.
        parsed: Whether answers were parsed; if not, the outputs are the answers.
    """
    total = len(questions)
    right = [[is_right(record, parsed=parsed) for record in each.records] for each in questions]
    per_run = tuple(sum(verdicts[run] for verdicts in right) for run in range(runs))
    best, worst = sum(map(any, right)), sum(map(all, right))
    majority = sum(
        (_majority(each.records, parsed=parsed) for each in questions), start=Fraction(0)
    )
    return AccuracyFigures(
        per_run=per_run,
        minimum=min(per_run) / total,
        median=float(Fraction(median(per_run)) / total),
        maximum=max(per_run) / total,
        best_count=best,
        best=best / total,
        worst_count=worst,
        worst=worst / total,
        spread=(best - worst) / total,
        majority=float(majority / total),
    )


def is_right(record: Record, *, parsed: bool) -> bool:
    """Whether a call gave the right answer: there is one, and it is marked so or equals the gold."""
    answer = _answer(record, parsed)
    if answer is None:
        return False
    return record.correct if record.correct is not None else answer == record.gold


def _majority(records: Sequence[Record], *, parsed: bool) -> Fraction:
    """Whether the commonest answer is right; the mean over those that tie, and 0 without any."""
    votes = Counter(_answer(record, parsed) for record in records)
    del votes[None]
    most = max(votes.values(), default=0)
    winners = [record for record in records if votes[_answer(record, parsed)] == most > 0]
    if not winners:
        return Fraction(0)
    return Fraction(sum(is_right(record, parsed=parsed) for record in winners), len(winners))


def _answer(record: Record, parsed: bool) -> str | None:
    return record.parsed if parsed else record.output
