"""Agreement of the answers that were parsed from outputs, under two rules for missing ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lift_sys.determinism.agreement.question import QuestionAgreement
from lift_sys.determinism.agreement.records import Record
from lift_sys.determinism.statistics import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFigures:
    """How far parsed answers agree, over Q questions of N runs each.

    TARa@N is the total agreement rate of parsed answers (Atil and others, arXiv 2408.04667): the
    share of questions whose N answers are equal. What a missing answer counts for is the rule's.

    Attributes:
        strict_count: Questions whose N answers were all parsed and are equal: a missing answer
            agrees with nothing.
        strict: `strict_count / Q`.
        interval: Wilson's 95 % interval of `strict`, as if questions were drawn independently.
        published_count: Questions that agree under the study's own rule: as above, or none of the
            N calls gave an answer. An ambiguous answer still agrees with nothing.
        published: `published_count / Q`.
    """

    strict_count: int
    strict: float
    interval: tuple[float, float]
    published_count: int
    published: float


def answer_figures(questions: Sequence[QuestionAgreement]) -> AnswerFigures:
    """The figures of questions with equally many runs, two or more."""
    strict = sum(agree_strictly(each.records) for each in questions)
    published = strict + sum(
        all(record.status == "none" for record in each.records) for each in questions
    )
    return AnswerFigures(
        strict_count=strict,
        strict=strict / len(questions),
        interval=wilson(strict, len(questions)),
        published_count=published,
        published=published / len(questions),
    )


def agree_strictly(records: Sequence[Record]) -> bool:
    """Whether every call has a parsed answer, and all of them are equal."""
    answers = {record.parsed for record in records}
    return len(answers) == 1 and None not in answers


def unparsed_calls(records: Iterable[Record]) -> dict[str, int]:
    """How many calls have no parsed answer, by status; "ambiguous" and "none" are always there."""
    counts = Counter(record.status for record in records if record.parsed is None)
    return dict(sorted({"ambiguous": 0, "none": 0, **counts}.items()))
