"""What a run's facts tell, step by step, without its code: for people and programs that look at it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from lift_sys.core.address import declared_order, places
from lift_sys.durability.facts import Fact, Json, RunRecord
from lift_sys.durability.past import moot_steps
from lift_sys.errors import JournalError

#: `failed`: for good, as the error of its fork or of the run tells; `interrupted`: an attempt was
#: under way when the run or its process ended, or is under way now; `cancelled`: it was not needed any
#: more; `waiting`: for an answer.
StepStatus: TypeAlias = Literal["finished", "failed", "interrupted", "cancelled", "waiting"]

# A step as errors name it (`errors.at_step`), with what its line says: from there where the sentence
# begins with it. One line may name several.
_NAMED = re.compile(r"(?m)(?=((?:Step|^.*?\bstep) ([\d./>~]+) \(.*))")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step.

    Attributes:
        address: Where it stands.
        depth: How many forks and runs inside are around it.
        node: The node's name.
        status: How it stands.
        error: Why it failed, a line; None for other steps.
        attempt: Which attempt finished, or is under way.
        started_at: When that began.
        elapsed: Seconds that it ran.
        tokens: Tokens that it spent.
        cost: US dollars that it spent; None where no price is known.
        successor: What it returned: a node's name, `End`, `Stop`, `Fork` or `Suspend`.
        writes: What it wrote to the state, in typed JSON.
        edits: What somebody changed in the state before it.
        joined: Indices of the branches that succeeded, if it forked and was joined.
        failed: Why other branches did not, by index.
        question: What it asks: `key`, `reason` and `schema`, in typed JSON.
        answered: Whether that was answered, or came too late.
    """

    address: str
    depth: int
    node: str
    status: StepStatus
    error: str | None
    attempt: int
    started_at: datetime
    elapsed: float
    tokens: int
    cost: float | None
    successor: str | None
    writes: list[Json]
    edits: list[Json]
    joined: list[int] | None
    failed: dict[str, Json]
    question: dict[str, Json] | None
    answered: bool


def overview(record: RunRecord, facts: Sequence[Fact]) -> list[StepView]:
    """The steps of a run, each after those that come before it.

    Raises:
        JournalError: A fact is none that was ever written.
    """
    by_address: dict[str, dict[str, Fact]] = {}
    for fact in facts:
        by_address.setdefault(fact.address, {})[fact.kind] = fact
    why_moot = moot_steps(facts)
    is_over = record.status == "finished"
    errors = _errors(record, facts)
    found = []
    for address in sorted(by_address, key=declared_order):
        is_moot = is_over or bool(why_moot(address))
        try:
            view = _view(address, by_address[address], errors.get(address), is_moot=is_moot)
            found.append(view)
        except (TypeError, ValueError, AttributeError, LookupError) as error:
            raise JournalError(
                execution_id=record.execution_id,
                address=address,
                reason="it is not what was written, so somebody has edited it",
            ) from error
    return found


def _errors(record: RunRecord, facts: Sequence[Fact]) -> dict[str, str]:
    """Why steps failed, by address: they leave no facts, but errors of forks and the run name them."""
    texts = [record.error or ""]
    for fact in facts:
        failed = fact.body.get("failed")
        if fact.kind == "join" and isinstance(failed, dict):
            reasons = [reason for reason in failed.values() if isinstance(reason, list)]
            texts += [": ".join(map(str, reason)) for reason in reasons]
    found: dict[str, str] = {}
    for text in texts:
        for line, address in _NAMED.findall(text):
            found.setdefault(address, line.strip(" -"))
    return found


def _view(address: str, here: dict[str, Fact], error: str | None, *, is_moot: bool) -> StepView:
    step = here.get("step")
    fact = step or here.get("started") or next(iter(here.values()))
    body: dict[str, Any] = dict(fact.body)
    form = body.get("successor") or {}
    question = None
    if "asks" in body:
        question = {name: form.get(name) for name in ("key", "reason", "schema", "until")}
    status: StepStatus = "finished"
    if step is None:
        status = "failed" if error else "cancelled" if is_moot else "interrupted"
    elif question is not None and "answer" not in here and not is_moot:
        status = "waiting"
    join = cast("dict[str, Any]", here["join"].body) if "join" in here else {}
    edit = cast("dict[str, Any]", here["edit"].body) if "edit" in here else {}
    return StepView(
        address=address,
        depth=sum(sign != "/" for sign, _ in places(address)),
        node=fact.node,
        status=status,
        error=error if status == "failed" else None,
        attempt=fact.attempt,
        started_at=fact.started_at,
        elapsed=fact.elapsed,
        tokens=fact.tokens,
        cost=fact.cost,
        successor=_successor_name(form),
        writes=_operations(body),
        edits=_operations(edit),
        joined=join.get("succeeded"),
        failed=dict(join.get("failed", {})),
        question=question,
        answered="answer" in here,
    )


def _operations(body: dict[str, Any]) -> list[Json]:
    for _, path, *_ in body.get("writes", []):
        if not all(isinstance(step, str) or len(step) == 1 for step in path):
            raise ValueError("no path")
    return list(body.get("writes", []))


def _successor_name(form: Any) -> str | None:
    tag = form.get("$") if isinstance(form, dict) else None
    if tag == "node":
        tag = form.get("v")
    return None if tag is None else str(tag).rpartition(":")[2].rpartition(".")[2]
