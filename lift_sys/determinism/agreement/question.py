"""What the repeats of one question show.

Outputs are put into classes of equal strings. A missing output agrees with nothing, so it is a
class of its own: every figure that is made of classes then counts it as a disagreement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from lift_sys.determinism.agreement.records import Record

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAgreement:
    """The repeats of one question, without those that a cache answered.

    Attributes:
        question: Its label.
        records: The calls, in order of their runs.
        classes: Sizes of the classes of equal outputs, largest first; their sum is the number of
            runs.
        agreeing_first: How many runs from the first one on have the first one's output; 0 if that
            is missing.
        first_divergence: Position, in characters from 0, of the first character that not all
            outputs share; None if no two differ. Missing outputs are left out.
        cached: Calls that a cache answered, which are not among the records.
    """

    question: str
    records: tuple[Record, ...]
    classes: tuple[int, ...]
    agreeing_first: int
    first_divergence: int | None
    cached: int

    @property
    def runs(self) -> int:
        """How many repeats there are, N."""
        return len(self.records)

    @property
    def missing(self) -> int:
        """How many runs have no output."""
        return sum(record.output is None for record in self.records)

    @property
    def agrees(self) -> bool:
        """Whether all outputs are there and the same string; also true of no run."""
        return self.agreeing_first == self.runs


def question_agreement(question: str, records: Iterable[Record]) -> QuestionAgreement:
    """Compare the calls of one question, in whatever order they come."""
    met = list(records)
    fresh = sorted((each for each in met if not each.cached), key=lambda each: in_order(each.run))
    texts = [each.output for each in fresh]
    counts = Counter(text for text in texts if text is not None)
    missing = texts.count(None)
    first = sum(1 for _ in takewhile(lambda text: text is not None and text == texts[0], texts))
    return QuestionAgreement(
        question=question,
        records=tuple(fresh),
        classes=tuple(sorted(counts.values(), reverse=True)) + (1,) * missing,
        agreeing_first=first,
        first_divergence=_first_difference(list(counts)),
        cached=len(met) - len(fresh),
    )


def _first_difference(texts: Sequence[str]) -> int | None:
    """Position of the first character that not all of the distinct `texts` share."""
    if len(texts) < 2:
        return None
    # What the first and the last in alphabetical order share is shared by all between them.
    least, most = min(texts), max(texts)
    pairs = zip(least, most, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), len(least))


def in_order(label: str) -> tuple[object, ...]:
    """Sort key of labels: numbers by value before others; in these digits count as numbers."""
    if _NUMBER.fullmatch(label):
        return (0, float(label), label)
    # Lengths first, as int() refuses very long runs of digits.
    parts = [
        (len(part.lstrip("0")), part.lstrip("0")) if place % 2 else (0, part)
        for place, part in enumerate(_DIGITS.split(label))
    ]
    return (1, parts, label)
