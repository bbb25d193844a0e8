"""How far repeated calls of a model agree: figures with published definitions, from any log of runs.

A log has one call a line: which question, which run, what came. `read_records` reads a file,
`to_records` takes mappings that are in memory already, and `agreement` gives the report, a group
(model, experiment, prompt) at a time. What can't be compared is stated and never averaged away: a
missing output agrees with nothing, an answer from a cache is no repeat, and questions with
unequal numbers of runs have no agreement over N runs.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.determinism.agreement.accuracy import AccuracyFigures as AccuracyFigures
    from lift_sys.determinism.agreement.answers import AnswerFigures as AnswerFigures
    from lift_sys.determinism.agreement.group import GroupAgreement as GroupAgreement
    from lift_sys.determinism.agreement.outputs import OutputFigures as OutputFigures
    from lift_sys.determinism.agreement.question import QuestionAgreement as QuestionAgreement
    from lift_sys.determinism.agreement.reading import read_records as read_records
    from lift_sys.determinism.agreement.records import Columns as Columns
    from lift_sys.determinism.agreement.records import Record as Record
    from lift_sys.determinism.agreement.records import to_records as to_records
    from lift_sys.determinism.agreement.report import AgreementReport as AgreementReport
    from lift_sys.determinism.agreement.report import agreement as agreement

__all__ = [
    "AccuracyFigures",
    "AgreementReport",
    "AnswerFigures",
    "Columns",
    "GroupAgreement",
    "OutputFigures",
    "QuestionAgreement",
    "Record",
    "agreement",
    "read_records",
    "to_records",
]

__getattr__, __dir__ = attach(
    __name__,
    {
        "accuracy": ["AccuracyFigures"],
        "answers": ["AnswerFigures"],
        "group": ["GroupAgreement"],
        "outputs": ["OutputFigures"],
        "question": ["QuestionAgreement"],
        "reading": ["read_records"],
        "records": ["Columns", "Record", "to_records"],
        "report": ["AgreementReport", "agreement"],
    },
)
