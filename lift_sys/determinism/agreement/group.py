"""The figures of one group, and which of them there are.

Over N runs only questions with equally many runs compare, and one run is no repeat. So a ragged
group has what fewer runs can tell (k up to the least number of runs), and a group with a
question of fewer than two runs has no agreement at all: its figures are None, never an average.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lift_sys.determinism.agreement.accuracy import AccuracyFigures, accuracy_figures
from lift_sys.determinism.agreement.answers import AnswerFigures, answer_figures, unparsed_calls
from lift_sys.determinism.agreement.notes import notes_on
from lift_sys.determinism.agreement.outputs import (
    OutputFigures,
    expected_agreement,
    output_figures,
    pairwise_agreement,
    prefix_agreement,
)
from lift_sys.determinism.agreement.question import QuestionAgreement, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAgreement:
    """How far the calls of one group agree. Calls that a cache answered are in `cached` only.

    Attributes:
        name: The group.
        questions: Its questions, in order of their labels.
        run_counts: Number of runs to how many questions have as many.
        missing_outputs: Calls without an output; each agrees with nothing.
        cached: Calls that a cache answered.
        unparsed: Calls without a parsed answer, by status; None if no answers were parsed.
        prefix: TARr@k of the first k runs, k from 1; empty unless all questions have two runs.
        expected: TARr@k of k runs at random, as `prefix`.
        pairwise: Share of pairs of runs with equal outputs; None unless all questions have two runs.
        outputs: Figures over all N runs; None if N is unequal or below two.
        answers: The same of parsed answers; None also if none were parsed.
        accuracy: None if N is unequal or zero, or if it is not known which answers are right.
        notes: What to know before the figures are used, a sentence each.
    """

    name: str
    questions: tuple[QuestionAgreement, ...]
    run_counts: Mapping[int, int]
    missing_outputs: int
    cached: int
    unparsed: Mapping[str, int] | None
    prefix: tuple[float, ...]
    expected: tuple[float, ...]
    pairwise: float | None
    outputs: OutputFigures | None
    answers: AnswerFigures | None
    accuracy: AccuracyFigures | None
    notes: tuple[str, ...]

    @property
    def runs(self) -> int | None:
        """Runs of each question, N; None if they are unequal."""
        return None if self.ragged else next(iter(self.run_counts))

    @property
    def ragged(self) -> bool:
        """Whether questions have unequal numbers of runs."""
        return len(self.run_counts) > 1

    @property
    def calls(self) -> int:
        """Calls that were compared."""
        return sum(runs * questions for runs, questions in self.run_counts.items())

    def least_stable(self, most: int) -> list[QuestionAgreement]:
        """The questions whose outputs differ, those with the smallest modal share first."""
        differing = [each for each in self.questions if len(each.classes) > 1]
        return sorted(differing, key=lambda each: each.classes[0] / each.runs)[:most]

    def to_json(self) -> dict[str, Any]:
        """The figures as JSON-like data; keys whose figure there is not hold None."""
        outputs, answers, accuracy = self.outputs, self.answers, self.accuracy
        return {
            "n_questions": len(self.questions),
            "n_runs": self.runs,
            "ragged": self.ragged,
            "run_counts": {str(runs): count for runs, count in self.run_counts.items()},
            "n_calls": self.calls,
            "missing_outputs": self.missing_outputs,
            "cached_calls": self.cached,
            "TACr": outputs and outputs.agreeing,
            "TARr": outputs and outputs.share,
            "TARr_wilson95": outputs and list(outputs.interval),
            "TARr_at_k_prefix": list(self.prefix) or None,
            "TARr_at_k_expected": list(self.expected) or None,
            "TACa_strict": answers and answers.strict_count,
            "TARa_strict": answers and answers.strict,
            "TARa_strict_wilson95": answers and list(answers.interval),
            "TACa_published_rule": answers and answers.published_count,
            "TARa_published_rule": answers and answers.published,
            "unparsed_calls": self.unparsed and dict(self.unparsed),
            "unique_outputs_mean": outputs and outputs.unique_mean,
            "unique_outputs_median": outputs and outputs.unique_median,
            "unique_outputs_max": outputs and outputs.unique_max,
            "unique_outputs_histogram": outputs and list(outputs.unique_histogram),
            "modal_share_mean": outputs and outputs.modal_share_mean,
            "modal_share_min": outputs and outputs.modal_share_min,
            "pairwise_agreement_mean": self.pairwise,
            "entropy_bits_mean": outputs and outputs.entropy_bits_mean,
            "first_divergence_min": outputs and outputs.first_divergence_min,
            "first_divergence_median": outputs and outputs.first_divergence_median,
            "correct_count_per_run": accuracy and list(accuracy.per_run),
            "accuracy_min": accuracy and accuracy.minimum,
            "accuracy_median": accuracy and accuracy.median,
            "accuracy_max": accuracy and accuracy.maximum,
            "best_possible_count": accuracy and accuracy.best_count,
            "best_possible_accuracy": accuracy and accuracy.best,
            "worst_possible_count": accuracy and accuracy.worst_count,
            "worst_possible_accuracy": accuracy and accuracy.worst,
            "best_worst_spread": accuracy and accuracy.spread,
            "majority_vote_accuracy": accuracy and accuracy.majority,
            "notes": list(self.notes),
        }


def group_agreement(name: str, questions: Sequence[QuestionAgreement]) -> GroupAgreement:
    """Compare the questions of one group, at least one, in whatever order they come."""
    questions = sorted(questions, key=lambda each: in_order(each.question))
    records = [record for each in questions for record in each.records]
    run_counts = dict(sorted(Counter(each.runs for each in questions).items()))
    least, most = min(run_counts), max(run_counts)
    is_even, is_repeated = least == most, least >= 2
    has_answers = any(
        record.answer is not None or record.answer_status is not None for record in records
    )
    is_judged = any(record.correct is not None or record.gold is not None for record in records)
    return GroupAgreement(
        name=name,
        questions=tuple(questions),
        run_counts=run_counts,
        missing_outputs=sum(record.output is None for record in records),
        cached=sum(each.cached for each in questions),
        unparsed=unparsed_calls(records) if has_answers else None,
        prefix=prefix_agreement(questions, least) if is_repeated else (),
        expected=expected_agreement(questions, least) if is_repeated else (),
        pairwise=pairwise_agreement(questions) if is_repeated else None,
        outputs=output_figures(questions, most) if is_even and is_repeated else None,
        answers=answer_figures(questions) if is_even and is_repeated and has_answers else None,
        accuracy=(
            accuracy_figures(questions, most, parsed=has_answers)
            if is_even and most and is_judged
            else None
        ),
        notes=tuple(notes_on(questions, run_counts, has_answers=has_answers)),
    )
