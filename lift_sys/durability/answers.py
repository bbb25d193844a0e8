"""Answers to what a suspended run asks: each is checked before anything goes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from lift_sys.core.successors import Question
from lift_sys.durability.codec import Codec, decode_asked
from lift_sys.durability.facts import Fact, Json, RunRecord, chain, fact_of, same_json
from lift_sys.durability.past import moot_steps
from lift_sys.durability.reading import Reading
from lift_sys.durability.secret_places import secrets_at
from lift_sys.errors import AnswerError, at_step


class Answered(NamedTuple):
    """An answer, to be kept.

    Attributes:
        fact: What is kept.
        secrets: The secrets in it by their places; they are at hand, so nobody is asked again.
    """

    fact: Fact
    secrets: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question, and how it stands.

    Attributes:
        question: What is asked.
        fact: Of the step that asks.
        answer: What was answered, or that nobody did in time; None so far.
        moot: Why nobody waits for it any more; "" if somebody does.
    """

    question: Question
    fact: Fact
    answer: Fact | None
    moot: str

    @property
    def is_open(self) -> bool:
        return self.answer is None and not self.moot


def _questions(codec: Codec, record: RunRecord, facts: Sequence[Fact]) -> Iterator[_Asked]:
    """All that was ever asked in the run, in the order of asking."""
    answers = {fact.address: fact for fact in facts if fact.kind == "answer"}
    why = moot_steps(facts)
    for fact in facts:
        if fact.kind != "step" or "asks" not in fact.body:
            continue
        with Reading(record.execution_id, fact.address):
            asked = decode_asked(codec, fact.body["successor"])
        question = Question(address=fact.address, node=fact.node, **asked)
        yield _Asked(question, fact, answers.get(fact.address), why(fact.address))


def answered(
    codec: Codec,
    record: RunRecord,
    facts: Sequence[Fact],
    answers: Mapping[str, Any],
    *,
    now: datetime,
) -> list[Answered]:
    """What `answers` make; nothing for one that was given before, and is the same.

    Args:
        codec: Of the run's graph.
        record: The run.
        facts: What has finished in it.
        answers: By the key of the question, or by the address of the step that asks.
        now: The time, in UTC.

    Raises:
        AnswerError: One is to no question, to several, to one that has another answer or that
            nobody waits for any more, or of the wrong type; or two are to the same.
    """
    if not answers:
        return []
    questions = list(_questions(codec, record, facts))
    made: list[Answered] = []
    keys: dict[str, str] = {}
    for key, value in answers.items():
        asked = _meant(questions, key)
        other = keys.setdefault(asked.fact.address, key)
        if other != key:
            raise AnswerError(key=key, reason=f"{other!r} is to the same question; give one.")
        answer = _answer(codec, asked, key, value, now)
        if asked.answer is None:
            made.append(answer)
        elif not same_json(asked.answer.body, answer.fact.body):
            place = at_step(answer.fact.address, answer.fact.node)
            raise AnswerError(key=key, reason=f"{place} has another answer already; it stays.")
    return made


def _meant(questions: Sequence[_Asked], key: str) -> _Asked:
    """The question that an answer is to: one that is open, before others of its key."""
    named = [each for each in questions if key in (each.question.key, each.question.address)]
    waiting = [each for each in named if each.is_open]
    if len(waiting) > 1:
        places = ", ".join(repr(each.question.address) for each in waiting)
        raise AnswerError(
            key=key, reason=f"several steps ask for it; answer by their addresses: {places}."
        )
    if not named:
        asked = ", ".join(repr(each.question.key) for each in questions if each.is_open)
        raise AnswerError(
            key=key, reason=f"nobody asks for it; the run waits for {asked or 'nothing'}."
        )
    return waiting[0] if waiting else named[-1]


def _answer(codec: Codec, asked: _Asked, key: str, value: Any, now: datetime) -> Answered:
    question, fact = asked.question, asked.fact
    if asked.answer is None:
        if asked.moot:
            raise AnswerError(key=key, reason=f"nobody waits for it any more: {asked.moot}.")
        is_late = question.until is not None and now >= question.until
    else:
        is_late = "value" not in asked.answer.body
    if is_late:
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
        form = wanted(question.schema)
        raise AnswerError(
            key=key, reason=f"it is not what was asked for, {form}: {problems}."
        ) from error
    hidden: list[tuple[Json, Any]] = []
    body = {"value": codec.encode(value, question.schema, path="answer", secrets=hidden)}
    made = fact_of(
        "answer",
        fact.address,
        fact.node,
        attempt=1,
        input=fact.digest,
        digest=chain(fact.digest, body),
        body=body,
        started_at=now,
    )
    return Answered(made, secrets_at(made, hidden))


def wanted(schema: Any) -> str:
    """The type of an answer, for people: `{granted: boolean, by: string?}`, or its name."""
    name = schema.__name__ if isinstance(schema, type) else str(schema).replace("typing.", "")
    try:
        described = TypeAdapter(schema).json_schema()
    except PydanticUserError:  # JSON can't say it
        return name
    fields = described.get("properties")
    if not fields:
        return name
    required = described.get("required", [])
    listed = ", ".join(
        f"{field}: {form.get('type', 'any')}{'' if field in required else '?'}"
        for field, form in fields.items()
    )
    return f"{{{listed}}}"
