"""Seeing writes that nobody declared: what steps can reach is compared after each of them.

A place that a step has changed was written by it, and counts as read by every step of every task
that can reach it. Before editing: the tasks that can reach a place must not be too few, or a proof
is wrong; too many only cost schedules.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from lift_sys.determinism.exploration.fingerprints import Picture, TooLarge
from lift_sys.determinism.exploration.footprint import WATCHED
from lift_sys.determinism.exploration.guards import Guard
from lift_sys.determinism.exploration.libraries import is_library
from lift_sys.determinism.exploration.mentions import Place
from lift_sys.determinism.exploration.programs import Subject
from lift_sys.determinism.exploration.reach import Reach
from lift_sys.graph.graph import Graph

_NOT_YET = object()


class SharedWatch:
    """The watch of one run.

    Args:
        reached: Places that its code can reach, the same in every run.
        classes: What classes of the state reach, as runs before have found.
    """

    def __init__(self, reached: Reach, classes: dict[type, Reach]) -> None:
        self.caveats: set[str] = set()
        self._picture = Picture()
        self._places: dict[tuple[int, str], tuple[Place, str]] = {}
        self._last: dict[tuple[int, str], object] = {}
        self._guards: dict[tuple[int, str], Guard | None] = {}
        self._all: Guard | None = None  # of all that have one; None is to be made anew
        self._unguarded: list[tuple[int, str]] = []
        self._owners: dict[str, set[str]] = {}
        self._makers: dict[str, str] = {}
        self._written: set[str] = set()
        self._reached, self._classes = reached, classes
        self._deps_seen: dict[int, Any] = {}

    @property
    def opaque(self) -> set[str]:
        """Types of what can't be looked into."""
        return self._picture.opaque

    @property
    def names(self) -> list[str]:
        """What is watched."""
        return [place.name for place, _ in self._places.values()]

    def meet(self, coro: Any, process: str, maker: str) -> None:
        """A task begins: note what it can reach, and so can whoever made it."""
        self._makers[process] = maker
        if not maker:
            self._own(self._reached, process)
            return
        code = getattr(coro, "cr_code", None)
        function = function_of(coro)
        module = "" if function is None else function.__module__ or ""
        if module.startswith("lift_sys."):
            self._meet_engine(coro, process)
            return
        reach = Reach()
        for name, value in arguments_of(coro):
            if not (code is not None and name in code.co_freevars):
                reach.add_thing(value, f"{process}:{name}")
        if function is not None and not is_library(module):
            reach.follow(function)
        self._own(reach, process)

    def hand_over(self, value: Any, giver: str) -> list[str]:
        """A value leaves the task that made it: watch it, and say by what names."""
        if type(value).__module__.startswith("lift_sys."):
            value = getattr(value, "output", None)  # a result holds a copy of the state
        reach = Reach()
        reach.add_thing(value, f"what {giver} handed over")
        self._own(reach, giver)
        return [self._places[key][1] for key in reach.places]

    def _meet_engine(self, coro: Any, process: str) -> None:
        """Of the engine's own tasks only nodes and services are the user's.

        The rest is state, of which each branch has a copy.
        """
        given = dict(arguments_of(coro))
        reach = Reach()
        for node in [given.get("node"), *(given.get("nodes") or ())]:
            if node is not None:
                reach.add_thing(node, f"node {process}")
        graph = given.get("self")
        if isinstance(graph, Graph):
            reach.follow(graph.start, *(spec.node for spec in graph.structure.nodes.values()))
        holder = given.get("walk") or given.get("holder")
        context = getattr(holder, "ctx", None) or given.get("ctx")
        for deps in (given.get("deps"), getattr(context, "deps", None)):
            if deps is not None:
                self._note_deps(deps)
                reach.add_thing(deps, "ctx.deps")
        for carried in (given.get("state"), getattr(context, "state", None)):
            for cls in reach.add_carried(carried, "the state"):
                reach.include(self._reach_of(cls))
        self._own(reach, process)

    def _reach_of(self, cls: type) -> Reach:
        """What the code of a class of the state reaches: as before, while nothing has changed."""
        known = self._classes.get(cls)
        if known is None:
            known = self._classes[cls] = Reach().follow(cls, by="the state")
        return known

    def _note_deps(self, deps: Any) -> None:
        """Say what of the services can't be watched."""
        if id(deps) in self._deps_seen:
            return
        self._deps_seen[id(deps)] = deps
        picture = Picture()
        try:
            picture.of(deps)
        except TooLarge:
            self.caveats.add("`ctx.deps` is too large to be watched")
        for kind in sorted(picture.opaque):
            self.caveats.add(f"`ctx.deps` holds a {kind}, which can't be watched")

    def _own(self, reach: Reach, process: str) -> None:
        line = [process]
        while self._makers.get(line[-1]):
            line.append(self._makers[line[-1]])
        self.caveats |= reach.caveats
        if not reach.foreign <= self._picture.mentioned:
            self._picture.mentioned |= reach.foreign
            self._guards.clear()
            self._all = None
        for key, place in reach.places.items():
            known = self._places.get(key)
            if known is None:
                resource = f"{WATCHED}{place.name}#{len(self._places)}"
                self._last[key] = self._look_at(key, place)
                known = self._places[key] = (place, resource)
                self._all = None
            # Module state belongs to whoever names it; what was handed over, to the giver as well.
            self._owners.setdefault(known[1], set()).update(line)

    def _look_at(self, key: tuple[int, str], place: Place) -> object:
        try:
            value = place.read()
            now = self._picture.of(value)
            guard = self._picture.guard
            if place.guarded is not None:
                guard = Guard()
                place.guarded(guard)
            elif guard is not None:
                guard.add_read(place.read, value)
            self._guards[key] = guard
            return now
        except TooLarge:
            self.caveats.add(f"{place.name} is too large to be watched")
        except Exception as error:
            self.caveats.add(f"{place.name} can't be watched ({type(error).__name__})")
        return _NOT_YET

    def look(self) -> list[str]:
        """Names of what has changed since the last look."""
        changed: list[str] = []
        last, of = self._last, self._look_at
        looked_at = self._unguarded if self._guard_of_all().holds() else list(self._places)
        for key in looked_at:
            place, resource = self._places[key]
            before = last[key]
            if before is _NOT_YET:
                continue
            guard = self._guards.get(key)
            if guard is not None and guard.holds():
                continue
            now = of(key, place)
            if guard is not None or self._guards.get(key) is not None:
                self._all = None
            if now != before:
                last[key] = now
                changed.append(resource)
                self._classes.clear()
                # What came to be there can be reached by whoever reaches the place.
                reach = Reach()
                reach.follow(place.read(), by=place.name)
                for owner in sorted(self._owners[resource]):
                    self._own(reach, owner)
        self._written.update(changed)
        return changed

    def _guard_of_all(self) -> Guard:
        """One guard for all places that have one."""
        if self._all is None:
            self._all, self._unguarded = Guard(), []
            for key in self._places:
                guard = self._guards.get(key)
                if guard is None:
                    self._unguarded.append(key)
                else:
                    self._all.add(guard)
        return self._all

    def owners(self) -> dict[str, frozenset[str] | None]:
        """For what was written, the processes that can reach it by themselves."""
        return {resource: frozenset(self._owners[resource]) for resource in self._written}


def watch_for(subject: Subject) -> Callable[[], SharedWatch]:
    """What makes the watch of each run of `subject`."""
    reached = Reach()
    for node in subject.nodes:
        name = getattr(node, "__name__", type(node).__name__)
        module = getattr(node, "__module__", "")
        root = module.partition(".")[0]
        if is_library(module) and root != "lift_sys" and root not in sys.stdlib_module_names:
            reached.caveats.add(
                f"{name} is of the installed package {root!r}, whose state is "
                f"not watched (what is installed in editable mode is)"
            )
        reached.add_thing(node, name)
    classes: dict[type, Reach] = {}
    return lambda: SharedWatch(reached, classes)


def function_of(coro: Any) -> FunctionType | None:
    """The function that a coroutine is a call of; asyncio keeps no reference, its frame does."""
    code = getattr(coro, "cr_code", None)
    for each in gc.get_referents(coro):
        if isinstance(each, FunctionType) and each.__code__ is code:
            return each
    return None


def arguments_of(coro: Any) -> Iterator[tuple[str, Any]]:
    """What a coroutine that has not begun was called with."""
    frame = getattr(coro, "cr_frame", None)
    if frame is not None:
        yield from list(frame.f_locals.items())
