"""What a journal holds: one record for each run, and one fact for each thing that is finished in it.

A fact says what a step did, never what the state was, so unchanged state is never written again.
The digests chain the facts of a walk: each is made of the one before and of what the fact says, so
a fact that was edited, or that belongs to another past, is seen.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

from lift_sys.core.context import fresh_seed

#: A value of typed JSON, as `codec` makes it.
Json: TypeAlias = JsonValue

# Made once: `json.dumps` makes an encoder for each call with these options.
_canonical = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False
).encode

_set = object.__setattr__

# A run's epochs begin at a multiple of this, which is drawn; JSON can say all of them.
_EPOCHS: Final = 2**20

#: What stands for the graph's name in the records of saved states, which are no runs.
SAVED = "(saved state)"

#: How a run stands. `running` may also mean that its process has died.
Status: TypeAlias = Literal["running", "suspended", "finished", "failed", "cancelled"]

#: `started`: an attempt is under way; `step`: a node has finished; `join`: a fork was joined;
#: `answer`: a question was answered; `edit`: somebody changed the state before the step.
Kind: TypeAlias = Literal["started", "step", "join", "answer", "edit"]


class Fact(BaseModel):
    """Something that has finished, and is never asked for again.

    Attributes:
        kind: What it is.
        address: The step; for a join the step that forked, for an answer the one that asked.
        node: Name of the node at that address.
        attempt: Which attempt finished, from 1.
        input: Digest of the walk before this fact.
        digest: Digest of the walk after it: `chain(input, body)`.
        body: What it did, in typed JSON: see `journal.py`; of `started` what it has spent so far.
        started_at: When the node's last attempt began, in UTC.
        elapsed: Seconds that the node ran.
        tokens: Tokens that the step spent.
        cost: US dollars that it spent; None where no price is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    address: str
    node: str
    attempt: int = 1
    input: str = ""
    digest: str = ""
    body: dict[str, Json] = {}
    started_at: datetime
    elapsed: float = 0.0
    tokens: int = 0
    cost: float | None = None


def fact_of(
    kind: Kind,
    address: str,
    node: str,
    *,
    attempt: int,
    body: dict[str, Json],
    started_at: datetime,
    input: str = "",
    digest: str = "",
    elapsed: float = 0.0,
    tokens: int = 0,
    cost: float | None = None,
) -> Fact:
    """A fact of values that are right already: its body is what the codec has made."""
    # As `Fact.model_construct` does it, which costs three times as much: it looks up each field.
    values = {
        "kind": kind,
        "address": address,
        "node": node,
        "attempt": attempt,
        "input": input,
        "digest": digest,
        "body": body,
        "started_at": started_at,
        "elapsed": elapsed,
        "tokens": tokens,
        "cost": cost,
    }
    fact = Fact.__new__(Fact)
    _set(fact, "__dict__", values)
    _set(fact, "__pydantic_fields_set__", {*values})
    _set(fact, "__pydantic_extra__", None)
    _set(fact, "__pydantic_private__", None)
    return fact


class RunRecord(BaseModel):
    """A run as a whole.

    Attributes:
        execution_id: Its name.
        graph: The graph's name.
        target: Where the command line found the graph, `module:name` or `file.py:name`, and
            after it its `--deps`; "" if not known.
        status: How it stands.
        epoch: Names who works on it: grows when the run is taken over, and whoever knows another
            one is fenced off.
        user_id: Whose it is.
        seed: Of `ctx.random`.
        input: Digest of what it was started with; the same id with another input is refused.
        start: The start node in typed JSON; None is the graph's own.
        state: The initial state, in typed JSON.
        metadata: The initial metadata, in typed JSON.
        shape: The graph and the state's type as they were, for a readable comparison (`shape.py`).
        parent: The run that this one was rewound from, and `parent_address` where.
        created_at, updated_at: In UTC.
        elapsed: Seconds that it ran, over all its processes.
        error: Why it failed, as text.
        steps, tokens, cost: Sums over its facts, also of attempts that failed; kept by the store.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    execution_id: str
    graph: str
    target: str = ""
    status: Status = "running"
    epoch: int = 0
    user_id: str | None = None
    seed: int = 0
    input: str = ""
    start: Json = None
    state: Json = None
    metadata: Json = None
    shape: dict[str, Json] = {}
    parent: str | None = None
    parent_address: str | None = None
    created_at: datetime
    updated_at: datetime
    elapsed: float = 0.0
    error: str | None = None
    steps: int = 0
    tokens: int = 0
    cost: float | None = None

    @property
    def takeovers(self) -> int:
        """How often the run was taken over, so 0 while who began it works on it."""
        return self.epoch % _EPOCHS


def first_epoch() -> int:
    """That of a new run. Whoever works on an older one of its name, which was deleted, has another."""
    return fresh_seed() % 2**32 * _EPOCHS


def chain(before: str, body: Any) -> str:
    """The digest of a walk after a fact: 32 hex digits of BLAKE2b (RFC 7693)."""
    text = f"{before}\n{_canonical(body)}"
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def same_json(one: Json, other: Json) -> bool:
    """Whether both say the same; Python would say that 1 is True, and 0.0 is -0.0."""
    return one == other and _canonical(one) == _canonical(other)


def input_of(run: RunRecord) -> str:
    """The digest of all that a run begins with, on which that of its first walk is built."""
    return chain("", [run.graph, run.start, run.state, run.metadata, run.user_id, run.seed])
