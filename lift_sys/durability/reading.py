"""Reading what was recorded: whatever is wrong with it is one kind of error, which says where."""

from __future__ import annotations

from types import TracebackType
from typing import Final

from lift_sys.errors import JournalError, SecretError

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
