"""`Cassette`: what a user makes, and puts in front of models, nodes and HTTP clients.

Before editing: nothing here is global. What is in use stands in context variables, and the models
and settings that `use` and `wrap` make are copies or overrides, in the frameworks' own ways.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from os import PathLike
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from lift_sys.core.node import node_name
from lift_sys.errors import UsageError
from lift_sys.llm.cassette import location
from lift_sys.llm.cassette.current import using
from lift_sys.llm.cassette.entry import Entry
from lift_sys.llm.cassette.perturb import Change, Perturbation
from lift_sys.llm.cassette.scrub import Scrubber
from lift_sys.llm.cassette.session import CassetteStatistics
from lift_sys.llm.cassette.tape import Mode, Tape
from lift_sys.llm.cassette.tasks import numbering

if TYPE_CHECKING:
    from pydantic_ai.agent import AbstractAgent

    from lift_sys.llm.cassette.transport import Transport

__all__ = ["Cassette"]

AnyT = TypeVar("AnyT")


class Cassette:
    """Recorded model calls, by step, request and occurrence.

    With `use()` it plays for all `SignatureNode`s and `AgentNode`s that run inside, for DSPy's
    current language model, and for Pydantic AI agents that it is given; `wrap` and `transport` put
    it in front of one model or HTTP client anywhere::

        with Cassette("tests/cassettes/review.jsonl").use():
            result = await graph.run(state=Review(text="lovely"))

    The same request of two steps is two calls, each with its own answer, in whatever order they are
    made. So are several of one step: a task of it finds its own, in the order in which it asks, and
    parallel tasks are told apart by the order in which the step makes them (see `at`). A recording
    of several runs plays run after run, and begins anew after the last.

    Args:
        path: The file; None keeps the recording in memory only.
        mode: See `Mode`.
        live: Steps that ask the model in any mode: nodes or their classes, names of nodes,
            addresses, or names given by `at`. With `auto` their answers are recorded anew.
        perturb: How recorded answers are changed as they are played: a `Perturbation`, or a
            function of a text and a `random.Random` that returns the new text.
        scrub: Further patterns of secrets; what they match is kept out of the file, but for a mask
            that tells it from other matches.
        pace: How long a replayed answer takes, as a share of the time that the recorded one took:
            0 is at once, 1 as long.
        optional: A file that is missing in mode `replay` is an error only when a model is asked.
        advice: What its errors say to do, for tools where nobody chooses a `mode`.

    Attributes:
        path: The file, or None.
        mode: The mode.

    Raises:
        CassetteFileError: The file is missing in mode `replay` and not `optional`, broken, of another version, or no
            cassette at all.
        UsageError: An argument can't be used.
    """

    def __init__(
        self,
        path: str | PathLike[str] | None,
        mode: Mode = "auto",
        *,
        live: Sequence[Any] | str = (),
        perturb: Perturbation | Change | None = None,
        scrub: Iterable[str | Pattern[str]] = (),
        pace: float = 0.0,
        optional: bool = False,
        advice: str = "",
    ) -> None:
        self._set_up(
            path,
            mode,
            live=live,
            perturb=perturb,
            scrub=scrub,
            pace=pace,
            optional=optional,
            advice=advice,
        )

    def _set_up(
        self,
        path: str | PathLike[str] | None,
        mode: Mode,
        *,
        live: Sequence[Any] | str = (),
        perturb: Perturbation | Change | None = None,
        scrub: Iterable[str | Pattern[str]] = (),
        pace: float = 0.0,
        optional: bool = False,
        advice: str = "",
        entries: Iterable[Entry] = (),
        salt: str | None = None,
    ) -> None:
        if mode not in get_args(Mode):
            modes = ", ".join(map(repr, get_args(Mode)))
            raise UsageError(f"A cassette has no mode {mode!r}. The modes are {modes}.")
        if not pace >= 0:
            raise UsageError(f"`pace` is {pace!r}; give a number from 0 on.")
        self.path = None if path is None else Path(path)
        self.mode: Mode = mode
        self._users = 0
        self._lock = threading.Lock()
        self._tape = Tape(
            self.path,
            mode,
            live=[_name_of(each) for each in ((live,) if isinstance(live, str) else live)],
            perturb=_perturbation(perturb),
            scrubber=Scrubber((scrub,) if isinstance(scrub, str) else scrub),
            pace=pace,
            optional=optional,
            advice=advice,
            entries=entries,
            salt=salt,
        )

    @classmethod
    def memory(cls, mode: Mode = "auto", **options: Any) -> Cassette:
        """Make a cassette without a file; `options` are those of `Cassette`.

        By default it records what it is asked first, and answers every later run from that.
        """
        return cls(None, mode, **options)

    def replaying(self, **options: Any) -> Cassette:
        """Make another cassette, in memory, that only plays what this one holds by now.

        Args:
            **options: Those of `Cassette`, such as `perturb` or `live`.
        """
        other = Cassette.__new__(Cassette)
        other._set_up(None, "replay", entries=self.entries, salt=self._tape.salt, **options)
        return other

    @contextmanager
    def use(self, *agents: AbstractAgent[Any, Any]) -> Iterator[Cassette]:
        """Play for what runs inside, in this task and those that it starts; save at the end.

        Nodes of lift_sys are covered whatever model they ask, and so is the language model that
        DSPy's settings hold now. A Pydantic AI agent that other code runs has to be named here.

        What was recorded is saved after an exception, too; then what the file held of calls that
        were not made again stays in it.
        """
        from lift_sys.llm.cassette.wrapping import scopes

        with ExitStack() as stack:
            stack.enter_context(location.session())
            stack.enter_context(using(self))
            stack.enter_context(numbering())
            for scope in scopes(self._tape, agents):
                stack.enter_context(scope)
            with self._lock:
                self._users += 1
            complete = False
            try:
                yield self
                complete = True
            finally:
                with self._lock:
                    self._users -= 1
                    if not self._users:
                        self._tape.save(complete=complete)

    def wrap(self, model: AnyT) -> AnyT:
        """Return `model` with this cassette in front of it; the original stays as it is.

        Args:
            model: A `dspy.LM` (or other `BaseLM`), or a Pydantic AI model or its name.

        Raises:
            UsageError: It is nothing of that.
        """
        from lift_sys.llm.cassette.wrapping import wrap

        wrapped: AnyT = wrap(self._tape, model)
        return wrapped

    def capability(self) -> Any:
        """Make a capability that puts this cassette in front of a Pydantic AI agent's models.

        For `Agent(capabilities=[...])` or `agent.run(..., capabilities=[...])`.
        """
        from lift_sys.llm.cassette.pydantic_ai_model import Playing

        return Playing(self._tape)

    def transport(self, inner: Any = None) -> Transport:
        """Make a transport for clients of httpx or httpx2, sync or async.

        OpenAI's client, and any that is built on them, takes it by its `http_client`:
        `OpenAI(http_client=httpx.Client(transport=cassette.transport()))`.

        Args:
            inner: The transport that sends what is not recorded; by default the package's own.
        """
        from lift_sys.llm.cassette.transport import Transport

        return Transport(self._tape, inner)

    def save(self) -> None:
        """Write the file now, in one move; of a recording in memory, nothing.

        Needed only where no `use()` ends. Until then what was recorded stands beside the file, in
        `<name>.recording`, where the next cassette of this path finds it.
        """
        self._tape.save(complete=False)

    @property
    def entries(self) -> list[Entry]:
        """All that is recorded by now and could be played, in the order of the file."""
        return self._tape.entries

    @property
    def hits(self) -> int:
        """How many calls the recording has answered."""
        return self.statistics.hits

    @property
    def only_replays(self) -> bool:
        """Whether no call goes to a model, whoever makes it."""
        return self.mode == "replay" and not self._tape.live

    @property
    def statistics(self) -> CassetteStatistics:
        """What it has done since it was made."""
        return self._tape.statistics

    def __deepcopy__(self, memo: Any) -> Cassette:
        return self

    def __repr__(self) -> str:
        return f"Cassette({self._tape.name!r}, {self.mode!r}: {self.statistics})"


def _perturbation(perturb: Any) -> Perturbation | None:
    if perturb is None or isinstance(perturb, Perturbation):
        return perturb
    if callable(perturb):
        return Perturbation(change=perturb)
    raise UsageError(
        f"`perturb` is {perturb!r}; give a `Perturbation`, or a function of an answer's text and a "
        f"`random.Random` that returns the new text."
    )


def _name_of(live: Any) -> str:
    if isinstance(live, str):
        return live
    return live.__name__ if isinstance(live, type) else node_name(live)
