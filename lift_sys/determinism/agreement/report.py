"""From records to the report: grouped, checked, compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lift_sys.determinism.agreement.group import GroupAgreement, group_agreement
from lift_sys.determinism.agreement.question import question_agreement
from lift_sys.determinism.agreement.records import Record
from lift_sys.errors import RunLogError


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementReport:
    """How far repeated calls agree.

    Attributes:
        groups: Each group by its name, in order of first appearance; the group of a log without
            groups is called "all".
    """

    groups: Mapping[str, GroupAgreement]

    def to_json(self) -> dict[str, Any]:
        """`{"groups": {name: figures}}`, see `GroupAgreement.to_json`."""
        return {"groups": {name: group.to_json() for name, group in self.groups.items()}}


def agreement(records: Iterable[Record]) -> AgreementReport:
    """Compare repeated calls.

    The order of the records does not matter: runs are in order of their labels.

    Args:
        records: The calls; `read_records` and `to_records` make them.

    Raises:
        RunLogError: There are none; a question has the same run twice; or its right answer is not
            known, or not the same, in all its runs.
    """
    met: dict[str, dict[str, dict[str, Record]]] = {}
    for record in records:
        runs = met.setdefault(record.group, {}).setdefault(record.question, {})
        if record.run in runs:
            raise RunLogError(
                place=record.place,
                reason=f"question {record.question!r} has the run {record.run!r} already, at "
                f"{runs[record.run].place}. If a run is known by a further column, name it as the "
                f"group",
            )
        runs[record.run] = record
    if not met:
        raise RunLogError(place="The log", reason="it holds no calls")
    groups = {}
    for name, questions in met.items():
        by_question = {question: list(runs.values()) for question, runs in questions.items()}
        _check_gold(by_question)
        groups[name] = group_agreement(
            name, [question_agreement(question, runs) for question, runs in by_question.items()]
        )
    return AgreementReport(groups=groups)


def _check_gold(by_question: Mapping[str, list[Record]]) -> None:
    """A question has one right answer; without it no figure of accuracy would be one."""
    if not any(record.gold is not None for runs in by_question.values() for record in runs):
        return
    for question, runs in by_question.items():
        first = runs[0]
        for record in runs:
            if record.gold is None and record.correct is None:
                raise RunLogError(
                    place=record.place,
                    reason=f"question {question!r} has no right answer here, but other calls have "
                    f"one",
                )
            if record.gold != first.gold:
                raise RunLogError(
                    place=record.place,
                    reason=f"the right answer to question {question!r} is {record.gold!r} here, but "
                    f"{first.gold!r} at {first.place}",
                )
