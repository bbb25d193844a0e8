"""Where models' answers come from in a check: from the models, or from a cassette."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.llm.cassette import Cassette


_ADVICE = (
    "Here recorded answers are only replayed: record them in Python, by a run `with "
    "Cassette(path).use()`, or in pytest, with the fixture `cassette`."
)


class Answers:
    """Enter it around all repeats, and what `around` makes around each.

    Args:
        cassette: Plays for all of them; None asks the models.

    Attributes:
        hits: Calls that the cassette has answered since it was entered.
        live: Calls that went to a model through it.
        misses: Calls that it had no answer to, and that were not made.
        first_miss: What the cassette's first one says differs from the recording.
    """

    def __init__(self, cassette: Cassette | None) -> None:
        self._cassette = cassette
        self._stack = ExitStack()
        self._before = (0, 0, 0)
        self.hits = self.live = self.misses = 0
        self.first_miss = ""

    def __enter__(self) -> Answers:
        if self._cassette is not None:
            self._before = self._counts(self._cassette)
            self._stack.enter_context(self._cassette.use())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if self._cassette is not None:
            counts = zip(self._counts(self._cassette), self._before, strict=True)
            self.hits, self.live, self.misses = (now - before for now, before in counts)
            if self.misses:
                self.first_miss = self._cassette.statistics.first_miss

    @property
    def is_idle(self) -> bool:
        """Whether there is a cassette, and no call has come to it."""
        return self._cassette is not None and not (self.hits or self.live or self.misses)

    @property
    def around(self) -> Callable[[], AbstractContextManager[Any]] | None:
        """What makes a context for each repeat: it is a run of the cassette's."""
        if self._cassette is None:
            return None
        from lift_sys.llm.cassette import new_run

        return new_run

    @staticmethod
    def _counts(cassette: Cassette) -> tuple[int, int, int]:
        counts = cassette.statistics
        return counts.hits, counts.live, counts.misses


def answers_for(cassette: Any) -> Answers:
    """Where answers come from, given `cassette=`: None, a `Cassette`, or the path of a recording.

    Raises:
        UsageError: It is nothing of that.
        CassetteFileError: There is no such file, or it is no cassette of this version.
    """
    if cassette is None:
        return Answers(None)
    from lift_sys.llm.cassette import Cassette

    if isinstance(cassette, (str, PathLike)):
        cassette = Cassette(cassette, "replay", advice=_ADVICE)
    if not isinstance(cassette, Cassette):
        raise UsageError(
            f"`cassette=` is {cassette!r}: give a `lift_sys.llm.cassette.Cassette`, or the path of a "
            f"recorded one."
        )
    return Answers(cassette)
