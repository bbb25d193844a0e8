"""One recorded call, and its line in the file.

Before editing: a request's digest is never stored. It follows from the request, so that a person
can mend a prompt in the file, and so that two of them can never disagree.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["OWN_WORDS", "Entry", "Outcome", "digest_of", "without_ids"]

Outcome: TypeAlias = Literal["answer", "error", "cancelled"]
"""How a call ended; `cancelled` is one that somebody stopped waiting for."""

#: What a provider draws anew for each answer, though the answer is the same.
_FLEETING = frozenset({
    "id", "created", "created_at", "timestamp", "provider_response_id", "system_fingerprint",
    "tool_call_id", "call_id",
})  # fmt: skip
_TASK = re.compile(r"\d+(\.\d+)*")
#: What holds a model's own words as data.
OWN_WORDS = frozenset({"args", "input", "arguments"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A call that was recorded.

    Attributes:
        address: The step that asked, as in events; `@name` where `at(name)` was said.
        node: Its node, where known; for readers, no part of the key.
        run: Number of the run in the recording, from 0.
        task: Which task of the step asked, by the order in which they are made; empty for the
            step's own, and where only one has asked this.
        occurrence: How often the same task had asked the same before, in this run.
        client: Through what it was asked: "dspy", "pydantic_ai" or "http".
        request: The canonical request, JSON-like.
        outcome: How it ended.
        answer: What came, JSON-like, in the form of the client; of an error, its description.
        seconds: How long it took, by the clock of the event loop.
    """

    address: str
    node: str = ""
    run: int = 0
    task: str = ""
    occurrence: int = 0
    client: str
    request: Any
    outcome: Outcome = "answer"
    answer: Any = None
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the object of its line; what has its usual value is left out."""
        line: dict[str, Any] = {"address": self.address}
        if self.node:
            line["node"] = self.node
        if self.run:
            line["run"] = self.run
        if self.task:
            line["task"] = self.task
        if self.occurrence:
            line["occurrence"] = self.occurrence
        line |= {"client": self.client, "request": self.request}
        if self.outcome == "cancelled":
            line["cancelled"] = True
        else:
            line[self.outcome] = self.answer
        return line | {"seconds": self.seconds}

    @property
    def is_failure(self) -> bool:
        """Whether it is worth asking again: an error, or an HTTP response that tells of one."""
        if self.client == "http" and self.outcome == "answer" and isinstance(self.answer, dict):
            status = self.answer.get("status")
            return isinstance(status, int) and status >= 400
        return self.outcome != "answer"

    @classmethod
    def from_json(cls, line: Any) -> Entry:
        """Read the object of a line.

        Raises:
            ValueError: It is none; the message is a clause.
        """
        if not isinstance(line, Mapping):
            raise ValueError("the line is no JSON object")
        for name, kind in (("address", str), ("client", str), ("request", dict)):
            if not isinstance(line.get(name), kind):
                raise ValueError(f"it has no {name!r}, or one that is no {kind.__name__}")
        for name in ("run", "occurrence"):
            number = line.get(name, 0)
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise ValueError(f"its {name!r} is no whole number from 0 on")
        task = line.get("task")
        if task is not None and not (isinstance(task, str) and _TASK.fullmatch(task)):
            raise ValueError("its 'task' is no number such as '2' or '2.1'")
        outcomes: list[Outcome] = ["answer", "error", "cancelled"]
        found = [outcome for outcome in outcomes if outcome in line]
        if len(found) != 1:
            raise ValueError("it needs one of 'answer', 'error' and 'cancelled'")
        seconds = line.get("seconds", 0.0)
        if not isinstance(seconds, (int, float)) or not seconds >= 0:
            raise ValueError("its 'seconds' are no number from 0 on")
        return cls(
            address=line["address"],
            node=str(line.get("node", "")),
            run=line.get("run", 0),
            task=task or "",
            occurrence=line.get("occurrence", 0),
            client=line["client"],
            request=line["request"],
            outcome=found[0],
            answer=None if found[0] == "cancelled" else line[found[0]],
            seconds=float(seconds),
        )


def digest_of(client: str, request: Any) -> str:
    """Return a digest of a request: SHA-256 of its JSON with sorted keys."""
    text = json.dumps([client, request], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def without_ids(value: Any) -> Any:
    """Return an answer without what differs in two answers that say the same: ids and times.

    What a model has filled in itself, such as the arguments of a tool, stays as it is.
    """
    if isinstance(value, dict):
        return {
            key: item if key in OWN_WORDS else without_ids(item)
            for key, item in value.items()
            if key not in _FLEETING
        }
    return [without_ids(item) for item in value] if isinstance(value, list) else value
