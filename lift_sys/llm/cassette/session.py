"""One call to a model as a cassette sees it: answered from the recording, or made and recorded.

Before editing: a call's place is settled when it is asked, in the same turn, so that identical
requests of a task keep their numbers whatever the order in which they are answered.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lift_sys.errors import CassetteFileError, CassetteMissError, UsageError
from lift_sys.llm.cassette import failures
from lift_sys.llm.cassette.current import asking
from lift_sys.llm.cassette.entry import Entry, Outcome
from lift_sys.llm.cassette.location import Place
from lift_sys.llm.cassette.recording import Key

if TYPE_CHECKING:
    from lift_sys.llm.cassette.tape import Tape

__all__ = ["Asked", "CassetteStatistics", "Form", "play", "play_now"]

ResultT = TypeVar("ResultT")

# What somebody stopped waiting for is waited for a little longer than then, so that whoever
# stopped it can do so again; a replay that takes another course ends with an error.
_PATIENCE = 1.0  # seconds, in addition to twice the time it took


@dataclass(frozen=True, slots=True, kw_only=True)
class CassetteStatistics:
    """What a cassette has done since it was made.

    Attributes:
        hits: Calls that the recording answered. They are no evidence of how stable a model is.
        misses: Calls that it had no answer to, so that `CassetteMissError` was raised.
        first_miss: What the first of them says differs from the recording; empty if there is none.
        live: Calls that went to the model.
        recorded: Calls among `live` whose outcome was kept.
        http_requests: Requests that its transports sent.
        hits_by_address: `hits` of each step.
        live_by_address: `live` of each step.
    """

    hits: int
    misses: int
    first_miss: str
    live: int
    recorded: int
    http_requests: int
    hits_by_address: Mapping[str, int]
    live_by_address: Mapping[str, int]

    @property
    def http_requests_avoided(self) -> int:
        """Requests that were not sent because the recording answered, at least."""
        return self.hits

    def __str__(self) -> str:
        calls = "1 call" if self.hits == 1 else f"{self.hits} calls"
        text = f"{calls} replayed, {self.live} made ({self.recorded} recorded)"
        return f"{text}, {self.misses} missing" if self.misses else text


@dataclass(frozen=True, slots=True)
class Form(Generic[ResultT]):
    """How a client's results look in the file.

    Attributes:
        client: Name of the client.
        dump: Makes the JSON-like answer of a result.
        load: Makes the result of an answer.
    """

    client: str
    dump: Callable[[ResultT], Any]
    load: Callable[[Any], ResultT]


class Asked:
    """A call that was asked of a cassette.

    Attributes:
        entry: What the recording has for it; None if the model has to be asked.
    """

    __slots__ = ("_client", "_key", "_place", "_request", "_started", "_tape", "_time", "entry")

    def __init__(
        self,
        tape: Tape,
        client: str,
        request: Any,
        place: Place,
        key: Key,
        entry: Entry | None,
    ) -> None:
        self.entry = entry
        self._tape = tape
        self._client = client
        self._request = request
        self._place = place
        self._key = key
        self._time = _clock()
        self._started = self._time()

    async def replay(self) -> Any:
        """Return the recorded answer, or raise the recorded error."""
        entry = self._recorded()
        self._tape.count_hit(entry.address)
        if entry.outcome == "cancelled":
            await asyncio.sleep(_PATIENCE + 2 * entry.seconds)
            raise self._never_answered(entry)
        # At least one turn of the loop, as any call takes, so that others can go on meanwhile.
        await asyncio.sleep(entry.seconds * self._tape.pace)
        return self._give(entry)

    def replay_now(self) -> Any:
        """The same in code that blocks."""
        entry = self._recorded()
        self._tape.count_hit(entry.address)
        if entry.outcome == "cancelled":
            raise self._never_answered(entry)
        if self._tape.pace:
            time.sleep(entry.seconds * self._tape.pace)
        return self._give(entry)

    def read(self, load: Callable[[Any], ResultT], answer: Any) -> ResultT:
        """Return what `load` makes of a recorded answer.

        Raises:
            CassetteFileError: It is no answer of this client.
        """
        try:
            return load(answer)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            step = self._place.address or "no step"
            raise CassetteFileError(
                path=self._tape.name,
                reason=f"an answer of {step} is none of {self._client} ({error!r})",
                advice=self._tape.advice,
            ) from error

    @contextmanager
    def recording(self, *, sends: bool = True) -> Iterator[Callable[[Any], None]]:
        """Record what happens inside: the answer that is given to what it yields, or the error.

        Args:
            sends: Whether all that is sent inside is a part of this call.
        """
        answers: list[Any] = []
        try:
            with asking(self._tape) if sends else nullcontext():
                yield answers.append
        except asyncio.CancelledError:
            self.keep("cancelled")
            raise
        except UsageError:
            raise  # the model was never asked: nothing to be replayed
        except Exception as error:
            self.keep("error", failures.describe(error))
            raise
        if answers:
            self.keep("answer", answers[0])

    def keep(self, outcome: Outcome, answer: Any = None) -> None:
        """Record how it ended, now."""
        self._tape.keep(
            Entry(
                address=self._key.address,
                node=self._place.node,
                run=self._key.run,
                task=self._key.task,
                occurrence=self._key.occurrence,
                client=self._client,
                request=self._request,
                outcome=outcome,
                answer=answer,
                seconds=round(self._time() - self._started, 3),
            )
        )

    def _recorded(self) -> Entry:
        assert self.entry is not None
        return self.entry

    def _give(self, entry: Entry) -> Any:
        if entry.outcome == "error":
            raise failures.rebuild(entry.answer)
        perturb = self._tape.perturb
        if perturb is not None and perturb.concerns(entry):
            return perturb.apply(entry, digest=self._key.digest)
        return entry.answer

    def _never_answered(self, entry: Entry) -> CassetteMissError:
        return self._tape.miss(
            self._place,
            f"When it was recorded, somebody stopped waiting for the answer after "
            f"{entry.seconds:g} s, so there is none; now nobody did.",
        )


def _clock() -> Callable[[], float]:
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        return time.monotonic


async def play(
    tape: Tape,
    form: Form[ResultT],
    request: Any,
    live: Callable[[], Awaitable[ResultT]],
) -> ResultT:
    """Answer `request` from the recording, or by `live`, which is recorded.

    Raises:
        CassetteMissError: There is no answer, and the model may not be asked.
    """
    asked = tape.ask(form.client, request)
    if asked is None:
        return await live()
    if asked.entry is not None:
        return asked.read(form.load, await asked.replay())
    with asked.recording() as keep:
        result = await live()
        keep(form.dump(result))
    return result


def play_now(tape: Tape, form: Form[ResultT], request: Any, live: Callable[[], ResultT]) -> ResultT:
    """The same in code that blocks."""
    asked = tape.ask(form.client, request)
    if asked is None:
        return live()
    if asked.entry is not None:
        return asked.read(form.load, asked.replay_now())
    with asked.recording() as keep:
        result = live()
        keep(form.dump(result))
    return result
