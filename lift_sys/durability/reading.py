"""Reading what was recorded: whatever is wrong with it is one kind of error, which says where."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from lift_sys.durability.facts import SAVED, Fact, RunRecord, chain, input_of
from lift_sys.errors import JournalError, SecretError, UsageError

_WRONG: Final = (ValueError, LookupError, TypeError, AttributeError)


class Reading:
    """A block in which something of a journal is read.

    What reading wrong data raises leaves it as a `JournalError`. Secrets that were not given, or
    are of another type, are no fault of the data.

    Args:
        execution_id: The run.
        address: The step whose fact is read; "" for the run itself.
        what: What of it, to begin the reason with.
        advice: What to do now, if not what a `JournalError` says by itself.
    """

    __slots__ = ("address", "advice", "execution_id", "what")

    def __init__(
        self, execution_id: str, address: str = "", what: str = "", *, advice: str | None = None
    ) -> None:
        self.execution_id, self.address, self.what = execution_id, address, what
        self.advice = advice

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, _WRONG) or isinstance(error, SecretError | JournalError):
            return
        # Of the others the text alone says little: that of a KeyError is the key.
        text = str(error) if isinstance(error, ValueError) else repr(error)
        raise JournalError(
            execution_id=self.execution_id,
            address=self.address,
            reason=f"{self.what}: {text}" if self.what else text,
            **({} if self.advice is None else {"advice": self.advice}),
        ) from error


def refuse_no_run(record: RunRecord) -> None:
    """Refuse a record that is none of a run, or not what was written.

    Raises:
        UsageError: It is of a saved state.
        JournalError: Somebody has edited it.
    """
    if record.graph == SAVED:
        raise UsageError(
            f"{record.execution_id!r} is a saved state, and no run: `StatePersistence.load_context` "
            f"gives it. A run needs another execution_id."
        )
    if input_of(record) != record.input:
        raise JournalError(
            execution_id=record.execution_id,
            address="",
            reason="what it began with is not what was written, so somebody has edited it",
        )


def refuse_edited(execution_id: str, fact: Fact) -> None:
    """Refuse a fact that is not what was written.

    Raises:
        JournalError: Somebody has edited it.
    """
    if chain(fact.input, fact.body) != fact.digest:
        raise JournalError(
            execution_id=execution_id,
            address=fact.address,
            reason="it is not what was written, so somebody has edited it",
        )
