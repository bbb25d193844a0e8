"""Merges of a rule that is not ours, tried in a process forked for it, where what it asks is held.

So each trial begins with what the rule keeps as it is here and now, and leaves nothing behind: asked
again, the same proof comes out. Before editing: what is seen here (`Trial.signs`) is what a rule could
have a hidden state by, not yet that it has one; that takes two trials with unequal results.
"""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.frames import Frames
from lift_sys.determinism.attribution.patches import install
from lift_sys.determinism.attribution.running import call_in_child
from lift_sys.determinism.attribution.settings import Setting, Source
from lift_sys.determinism.attribution.worker import fork, silence
from lift_sys.determinism.exploration.fingerprints import Picture
from lift_sys.determinism.exploration.kinds import is_fixed
from lift_sys.determinism.exploration.mentions import Place
from lift_sys.determinism.exploration.outside_world import noticed
from lift_sys.determinism.exploration.reach import Reach
from lift_sys.errors import AttributionError

ResultT = TypeVar("ResultT")

_ASKS: dict[Source, str] = {
    "rng": "it draws random numbers",
    "clock": "it reads the clock",
    "entropy": "it draws from the operating system",
    "address": "it asks for addresses",
}
_MOVED: tuple[Source, ...] = ("rng", "clock", "entropy")
_CACHE = type(lru_cache(len))
_LINK = "_lru_list_elem"


@dataclass(frozen=True, slots=True)
class Trial(Generic[ResultT]):
    """What a trial came to.

    Attributes:
        value: What was returned.
        signs: Why it may come to something else another time, a clause each.
    """

    value: ResultT
    signs: tuple[str, ...]


def is_ours(rule: Any) -> bool:
    """Whether a strategy or reducer has no code of the user's in it."""
    own, *parts = _parts_of(rule, None)
    return type(own).__module__.startswith("lift_sys.") and not any(map(callable, parts))


def is_watchable_here() -> bool:
    """Whether trials can be made on this platform."""
    return hasattr(os, "fork")


def tried(rule: Any, base: Any, work: Callable[[], ResultT], *, level: int = 0) -> Trial[ResultT]:
    """Do `work`, which calls `rule`, in a fork of this process.

    Args:
        rule: The rule whose code is watched.
        base: The state before the fork, whose fields may have reducers of their own.
        work: What to do; what it returns is pickled.
        level: Of random numbers, clock and entropy: 0 is held, 1 to 3 are moved.

    Raises:
        AttributionError: The process was ended by the rule.
    """
    read, write = os.pipe()
    child = fork(lambda: _answer(write, rule, base, work, level))
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise AttributionError(
            "The merge ended the process that it was tried in: it calls os._exit, or crashed the "
            "interpreter. Take that out of the rule."
        )
    # It comes from our own child, through a pipe that nobody else can write to.
    answer = pickle.loads(data)
    if isinstance(answer, BaseException):
        raise answer
    assert isinstance(answer, Trial)
    return answer


def _answer(pipe: int, rule: Any, base: Any, work: Callable[[], ResultT], level: int) -> None:
    answer: Any
    try:
        answer = _watched(rule, base, work, level)
    except BaseException as error:
        answer = error
    with os.fdopen(pipe, "wb") as file:
        file.write(pickle.dumps(answer))


def _watched(rule: Any, base: Any, work: Callable[[], ResultT], level: int) -> Trial[ResultT]:
    silence()
    controls = Controls(Frames())
    replaced = install(controls)
    parts = list(_parts_of(rule, base))
    for part in parts:
        if isinstance(part, FunctionType):
            replaced.apply_to_function(part)
    does: set[str] = set()

    def watched() -> tuple[ResultT, list[str]]:
        watch = _Watch(parts)
        with noticed(does):
            value = work()
        return value, list(watch.signs())

    setting = Setting(levels=dict.fromkeys(_MOVED, level) if level else {})
    value, signs = call_in_child(controls, replaced, setting, watched)
    return Trial(value, (*signs, *_asked(controls), *sorted(does)))


def _parts_of(rule: Any, base: Any) -> Iterator[Any]:
    """The rule, what it is made of, and the reducers of the state's own fields."""
    yield rule
    names = {*getattr(rule, "__dict__", ()), *getattr(rule, "__slots__", ())}
    yield from (getattr(rule, name, None) for name in sorted(names))
    if isinstance(base, BaseModel):
        for field in type(base).model_fields.values():
            yield from field.metadata


class _Watch:
    """Pictures of all that the rule can reach, to be compared after the merges."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._reach = reach = Reach()
        for part in parts:
            reach.add_thing(part, "the rule")
        self._picture = Picture(noting=False)
        # A cache gives what its function would; whether that is always the same is seen by itself.
        # But what it has given may be changed by whoever got it.
        found = reach.places.values()
        self._places = [each for each in found if type(each.holder) is not _CACHE]
        self._caches = [each for each in found if type(each.holder) is _CACHE]
        self._before = [self._look(place) for place in self._places]

    def _look(self, place: Place) -> object:
        with suppress(Exception):
            return self._picture.of(place.read())
        return f"{place.name} can't be looked into"

    def signs(self) -> Iterator[str]:
        """What has changed, and what can't be seen."""
        now = [self._look(place) for place in self._places]
        changed = [
            f"`{place.name}`"
            for place, old, new in zip(self._places, self._before, now, strict=True)
            if old != new
        ]
        if changed:
            yield f"it has a state of its own ({', '.join(dict.fromkeys(changed))})"
        for place in self._caches:
            if not all(map(is_fixed, _results_in(place))):
                yield f"{place.name} keeps what can be changed"
        yield from sorted(self._reach.caveats)
        for kind in sorted(self._picture.opaque):
            yield f"it can reach a {kind}, which can't be looked into"


def _results_in(cache: Place) -> Iterator[Any]:
    """What an `lru_cache` keeps: in a dict by arguments; if it has a limit, in links of that dict."""
    kept, own = cache.holder, vars(cache.holder)
    limited = kept.cache_parameters()["maxsize"] is not None
    for part in gc.get_referents(kept):
        if type(part) is dict and part is not own:
            is_its_own = not limited or all(type(each).__name__ == _LINK for each in part.values())
            yield from [part] if not is_its_own else () if limited else part.values()
        elif part is not own and type(part) is not object:  # its mark
            yield part


def _asked(controls: Controls) -> Iterator[str]:
    for source, said in _ASKS.items():
        # Logging reads the clock for its own records.
        places = [p for p in controls.calls[source].values() if not p.call.startswith("logging.")]
        if places:
            yield f"{said} ({', '.join(f'{place.call} at {place.site}' for place in places)})"
