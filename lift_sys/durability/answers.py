"""Answers to what a suspended run asks: each is checked before anything goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lift_sys.core.successors import Question, Suspend
from lift_sys.durability.codec import Codec, decode_successor
from lift_sys.durability.facts import Fact, RunRecord, chain
from lift_sys.errors import AnswerError, JournalError


def open_questions(
    codec: Codec, record: RunRecord, facts: Sequence[Fact]
) -> Iterator[tuple[Fact, Question]]:
    """What the run waits for, with the facts of the steps that ask, in the order of asking."""
    answered = {fact.address for fact in facts if fact.kind == "answer"}
    joined = tuple(f"{fact.address}." for fact in facts if fact.kind == "join")
    for fact in facts:
        if fact.kind != "step" or "asks" not in fact.body or fact.address in answered:
            continue
        if fact.address.startswith(joined):  # the strategy was decided without it
            continue
        try:
            asked = decode_successor(codec, fact.body["successor"], path=fact.node)
        except (ValueError, LookupError, TypeError) as error:
            raise JournalError(
                execution_id=record.execution_id, address=fact.address, reason=str(error)
            ) from error
        assert isinstance(asked, Suspend)
        yield (
            fact,
            Question(
                key=asked.key,
                reason=asked.reason,
                address=fact.address,
                node=fact.node,
                schema=asked.schema,
                until=asked.until,
            ),
        )


def answered(
    codec: Codec,
    record: RunRecord,
    facts: Sequence[Fact],
    answers: Mapping[str, Any],
    *,
    now: datetime,
) -> list[Fact]:
    """The facts that `answers` make.

    Args:
        codec: Of the run's graph.
        record: The run.
        facts: What has finished in it.
        answers: By the key of the question, or by the address of the step that asks.
        now: The time, in UTC.

    Raises:
        AnswerError: One is to no question, to several, or of the wrong type.
    """
    if not answers:
        return []
    questions = list(open_questions(codec, record, facts))
    return [_answer(codec, questions, key, value, now) for key, value in answers.items()]


def _answer(
    codec: Codec, questions: Sequence[tuple[Fact, Question]], key: str, value: Any, now: datetime
) -> Fact:
    meant = [each for each in questions if key in (each[1].key, each[1].address)]
    if not meant:
        asked = ", ".join(repr(question.key) for _, question in questions) or "nothing"
        raise AnswerError(key=key, reason=f"nobody asks for it; the run waits for {asked}.")
    if len(meant) > 1:
        places = ", ".join(repr(question.address) for _, question in meant)
        raise AnswerError(
            key=key, reason=f"several steps ask for it; answer by their addresses: {places}."
        )
    ((fact, question),) = meant
    if question.until is not None and now >= question.until:
        raise AnswerError(
            key=key, reason=f"it comes too late; it was asked for until {question.until}."
        )
    try:
        value = TypeAdapter(question.schema).validate_python(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'the value'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise AnswerError(key=key, reason=f"it is not what was asked for: {problems}.") from error
    body = {"value": codec.encode(value, question.schema, path="answer")}
    return Fact(
        kind="answer",
        address=fact.address,
        node=fact.node,
        input=fact.digest,
        digest=chain(fact.digest, body),
        body=body,
        started_at=now,
    )
