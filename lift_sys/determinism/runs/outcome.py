"""What one run came to, as a value that can vote: final state, output, or how it failed.

A failure is an outcome like any other: a function that always raises the same error is
deterministic. What two failures are compared by is type, text and place, never a time or a memory
address, which are in many texts.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from lift_sys.core.address import declared_order, located
from lift_sys.errors import CanonicalError, NodeError, ParallelExecutionError, UncopyableStateError

_MEMORY_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_PREFIX = "state."


class Failure(BaseModel):
    """How a run or a step failed.

    Attributes:
        type: Name of the exception's class; of the node's own exception where a node raised.
        text: Its message, and what a group holds, with memory addresses blanked.
        address: The step that raised it, as `address:node`; empty if it is not known.
    """

    model_config = ConfigDict(frozen=True)

    type: str
    text: str
    address: str = ""

    def __str__(self) -> str:
        where = f" at {self.address}" if self.address else ""
        return f"{self.type}{where}: {self.text}" if self.text else f"{self.type}{where}"


class Outcome(BaseModel):
    """What one run came to; the state that the majority of the repeats votes on.

    Attributes:
        state: The final state; None if the run failed.
        output: Data of the `End`, or what a function returned beside its state.
        successor: What a single node returned, as text.
        metadata, provenance: What the run's context ended with beside its state.
        error: How it failed.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    state: Any = None
    output: Any = None
    successor: str = ""
    metadata: Any = None
    provenance: Any = None
    error: Failure | None = None


class Ran(NamedTuple):
    """What a target gives back for one run that did not fail."""

    state: Any
    output: Any = None
    successor: str = ""
    metadata: Any = None
    provenance: Any = None


def failure_of(error: BaseException) -> Failure:
    """What is compared of an exception: where a node raised, its own exception and its address."""
    if isinstance(error, NodeError):
        inner = failure_of(error.error)
        place = inner.address or located(error.address, error.node)
        return Failure(type=inner.type, text=inner.text, address=place)
    if isinstance(error, ParallelExecutionError):
        failed = [result for result in error.partial_results if result.is_failure]
        failed.sort(key=lambda result: declared_order(result.address))
        lines = [f"{result.label}: {failure_of(result.error)}" for result in failed]
        return Failure(type=type(error).__name__, text="\n".join([error.message, *lines]))
    address = getattr(error, "address", "")
    node = getattr(error, "node", "")
    lines = [str(error)]  # without notes: frameworks put ids of the run into them
    if isinstance(error, BaseExceptionGroup):
        lines += [str(failure_of(each)) for each in error.exceptions]
    return Failure(
        type=type(error).__name__,
        text=_MEMORY_ADDRESS.sub("0x...", "\n".join(lines)),
        address=located(address, node) if isinstance(address, str) and address else "",
    )


def in_the_callers_words(error: CanonicalError | UncopyableStateError) -> Exception:
    """The same error with the path as the caller of a check knows it, not as an `Outcome` has it."""
    path = error.path.removeprefix(_PREFIX)
    return type(error)(path=path, type_name=error.type_name, reason=error.reason)
