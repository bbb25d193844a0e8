"""What a node is given: its own state, and where in the run it stands.

A branch's context is its own: state, metadata and provenance are copies. `deps` is shared by
reference on purpose: it is the place for clients, locks and pools.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from lift_sys.core.address import call_address
from lift_sys.core.events import Emitted, Event, Progress, TokenDelta, UsageReported
from lift_sys.core.usage import Usage, UsageLedger

if TYPE_CHECKING:
    from random import Random

    from pydantic import BaseModel

    from lift_sys.core.cache_ports import Cache
    from lift_sys.core.ports import Clock

    # Covariant, so that a node on a base class of the state is a node of the graph, too. That it
    # could then assign a state of the base class is seen when it ends.
    StateT_co = TypeVar("StateT_co", bound=BaseModel, covariant=True)
else:
    StateT_co = TypeVar("StateT_co", covariant=True)


class BranchResult(NamedTuple):
    """What became of one branch, for the node that follows the join (`ctx.branches`).

    Attributes:
        address: Where the branch started.
        node: Name of its first node.
        output: The data of its `End`, or None.
        error: Why it failed, or None. A cancelled branch has `asyncio.CancelledError`.
        elapsed: Seconds from its first node's start to its end.
    """

    address: str
    node: str
    output: Any
    error: BaseException | None
    elapsed: float


class RunScope:
    """What all contexts of one run share: seed, clock, ledger, cache, the way out for events.

    `publish` is None while nobody listens, so that a silent run builds no events.
    """

    __slots__ = ("_started", "_time", "cache", "clock", "ledger", "publish", "seed")

    def __init__(
        self,
        *,
        seed: int,
        clock: Clock | None = None,
        ledger: UsageLedger | None = None,
        publish: Callable[[Event], None] | None = None,
        cache: Cache | None = None,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.ledger = UsageLedger() if ledger is None else ledger
        self.publish = publish
        self.cache = cache
        self._time: Callable[[], float] = time.monotonic
        self._started = self._time()

    def begin(self, clock: Callable[[], float]) -> None:
        """The run starts now, by the event loop's clock."""
        self._time = clock
        self._started = clock()

    def elapsed(self) -> float:
        """Seconds since the run started."""
        return self._time() - self._started

    def now(self) -> datetime:
        """The time by the run's clock: aware, in UTC."""
        return datetime.now(UTC) if self.clock is None else self.clock.now()


def fresh_seed() -> int:
    """Draw a seed for a run that was given none; 63 bits, so that it fits any store's integer."""
    return int.from_bytes(os.urandom(8)) >> 1


def fresh_execution_id() -> str:
    """Draw a uuid4 (RFC 9562, section 5.4), in a third of the time that the `uuid` module takes."""
    bits = bytearray(os.urandom(16))
    bits[6] = bits[6] & 0x0F | 0x40  # version 4
    bits[8] = bits[8] & 0x3F | 0x80  # the RFC's variant
    text = bits.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class RunContext(Generic[StateT_co]):
    """State and surroundings of a node.

    Attributes:
        state: The node's own copy; change it in place or assign a new one of the same type.
        execution_id: The run; a fresh uuid4 unless given.
        user_id: Whose run it is, if anybody's.
        deps: The user's services, shared by reference with every node.
        address: Where this step stands in the run; "" outside a run.
        attempt: Number of this attempt, from 1.
        branches: What the branches before this step returned, in declared order; empty unless
            this node follows a join.
        answer: What was answered, for the node that follows a `Suspend`; None if nobody did in
            time.
    """

    __slots__ = (
        "__weakref__",
        "_calls",
        "_metadata",
        "_node",
        "_provenance",
        "_random",
        "_scope",
        "address",
        "answer",
        "attempt",
        "branches",
        "deps",
        "execution_id",
        "state",
        "user_id",
    )

    def __init__(
        self,
        state: StateT_co,
        *,
        execution_id: str | None = None,
        user_id: str | None = None,
        metadata: dict[str, Any] | None = None,
        provenance: list[dict[str, Any]] | None = None,
        deps: Any = None,
        address: str = "",
        attempt: int = 1,
        branches: Sequence[BranchResult] = (),
        scope: RunScope | None = None,
    ) -> None:
        self.state = state
        self.execution_id = fresh_execution_id() if execution_id is None else execution_id
        self.user_id = user_id
        self._metadata = metadata
        self._provenance = provenance
        self.deps = deps
        self.address = address
        self.attempt = attempt
        self.branches = branches
        self.answer: Any = None
        self._scope = scope
        self._random: Random | None = None
        self._calls: tuple[str, int, int] | None = None
        self._node = ""

    def with_state(
        self,
        state: StateT_co,  # type: ignore[misc]
        address: str,
    ) -> RunContext[StateT_co]:
        """A context at another step of the same run: without metadata, provenance and branches."""
        other: RunContext[StateT_co] = RunContext.__new__(RunContext)
        other.state = state
        other.execution_id = self.execution_id
        other.user_id = self.user_id
        other.deps = self.deps
        other.address = address
        other.attempt = 1
        other.branches = ()
        other.answer = None
        other._metadata = other._provenance = other._random = other._calls = None
        other._node = ""
        other._scope = self._scope or self.scope
        return other

    # Most branches touch neither, so they are made when somebody asks: ten thousand contexts are
    # what a wide fork is made of.
    @property
    def metadata(self) -> dict[str, Any]:
        """Free-form notes, JSON-like; merged like the state."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @metadata.setter
    def metadata(self, value: dict[str, Any]) -> None:
        self._metadata = value

    @property
    def provenance(self) -> list[dict[str, Any]]:
        """One entry for each thing done, oldest first; append with `add_provenance`."""
        if self._provenance is None:
            self._provenance = []
        return self._provenance

    @provenance.setter
    def provenance(self, value: list[dict[str, Any]]) -> None:
        self._provenance = value

    @property
    def scope(self) -> RunScope:
        """What this context shares with the whole run; a private one outside a run."""
        if self._scope is None:
            self._scope = RunScope(seed=fresh_seed())
        return self._scope

    @property
    def random(self) -> Random:
        """A generator seeded by the run's seed and this address: the same in every repeat.

        It starts anew at each step and attempt, so no other step's draws can shift it.
        """
        if self._random is None:
            from random import Random

            # A string seed goes through SHA-512 (random.seed, version 2): equal everywhere.
            self._random = Random(f"{self.scope.seed}:{self.address}")
        return self._random

    def now(self) -> datetime:
        """The time by the run's clock: aware, in UTC. Tests and replays give their own clock."""
        return self.scope.now()

    def add_provenance(self, node_name: str, signature_name: str, **extra: Any) -> None:
        """Append an entry on what `node_name` did with `signature_name`; `extra` is JSON-like."""
        self.provenance.append(self._entry(node_name, signature_name) | extra)

    def _entry(self, node_name: str, signature_name: str) -> dict[str, Any]:
        entry = {"node": node_name, "signature": signature_name, "execution_id": self.execution_id}
        if self.address:
            entry["address"] = self.address
        return entry

    def _next_call(self) -> str:
        """Place of one more group that this step runs by itself: `3~0`, `3~1`; "" outside a run.

        Counted anew in each attempt, so that an attempt that does the same has the same addresses.
        """
        if not self.address:
            return ""
        step = (self.address, self.attempt)
        number = self._calls[2] + 1 if self._calls is not None and self._calls[:2] == step else 0
        self._calls = (*step, number)
        return call_address(self.address, number)

    def emit(self, data: Any) -> None:
        """Send `data` to whoever listens to this run, as an `Emitted` event."""
        self._publish(Emitted, data=data)

    def report_progress(self, done: float, total: float | None = None, message: str = "") -> None:
        """Say how far this step is: `done` of `total`. Coalesced when a listener is slow."""
        self._publish(Progress, done=done, total=total, message=message)

    def emit_tokens(self, text: str) -> None:
        """Pass on a piece of text that a model has just said."""
        self._publish(TokenDelta, text=text)

    def add_usage(self, usage: Usage) -> None:
        """Enter a cost into the run's ledger; it stays there even if this branch is lost."""
        self.scope.ledger.add(self.address, usage)
        self._publish(UsageReported, usage=usage)

    def _publish(self, kind: type[Event], **fields: Any) -> None:
        publish = self.scope.publish
        if publish is not None:
            publish(
                kind(
                    execution_id=self.execution_id,
                    address=self.address,
                    node=self._node,
                    time=self.scope.elapsed(),
                    **fields,
                )
            )

    def __getstate__(self) -> dict[str, Any]:
        # A context crosses process borders inside errors and results; services do not.
        names = ("state", "execution_id", "user_id", "metadata", "provenance", "address", "attempt")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, fields: dict[str, Any]) -> None:
        RunContext.__init__(self, **fields)

    def __repr__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"RunContext({self.state!r}, execution_id={self.execution_id!r}{where})"
