"""Dynamic partial-order reduction: one run for each order of clashing steps, and no more.

Source sets after P. Abdulla, S. Aronis, B. Jonsson, K. Sagonas, "Optimal dynamic partial order
reduction", POPL 2014, algorithm 1 (source-DPOR). Without sleep sets its end is a proof; with them
(the paper's own form) it is quicker, but in our differential tests one program of 712 lost an
outcome for a reason that was not found, so that form only hunts. Before editing: run
`pytest -m slow tests/determinism/test_exploration_exhaustive.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from lift_sys.determinism.exploration.entries import Entry, Pruned
from lift_sys.determinism.exploration.races import Order, clash_of
from lift_sys.determinism.exploration.trace import Event, Trace


class Diverged(Exception):
    """The same choices led to different options: something is not under control."""


class _Node:
    """The state before one event: who could run, who has to be tried, who was."""

    __slots__ = ("asleep", "chosen", "done", "options", "todo")

    def __init__(self, options: tuple[str, ...], chosen: str, asleep: dict[str, Event]) -> None:
        self.options = options
        self.chosen = chosen
        self.todo = {chosen}
        self.done: dict[str, Event] = {}
        self.asleep = asleep


class DporSearch:
    """Says which run is next, until all that can matter were made.

    Args:
        sleep: Use sleep sets: fewer runs, and no proof.

    Attributes:
        finished: Whether nothing is left to try.
    """

    def __init__(self, *, sleep: bool = False) -> None:
        self.finished = False
        self._sleep = sleep
        self._nodes: list[_Node] = []
        self._prefix: list[str] = []
        self._asleep: dict[str, Event] = {}
        self._trace = Trace(space="ready")
        self._seen = 0

    def begin(self, trace: Trace) -> None:
        """The next run starts."""
        self._trace = trace
        self._seen = len(self._prefix)
        if self._sleep and self._prefix:
            self._asleep = self._sleepers(self._nodes[-1])

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """Follow the run that is next; where it branches off for good, take the first option.

        Raises:
            Diverged: The process that is to run can't.
            Pruned: All that could run is asleep.
        """
        step = len(self._trace.events)
        if step < len(self._prefix):
            wanted = self._prefix[step]
            for index, option in enumerate(options):
                if option.process == wanted:
                    return index
            raise Diverged(wanted)
        if not self._sleep:
            return 0
        for event in self._trace.events[max(self._seen - 1, 0) :]:
            self._asleep = _still_asleep(self._asleep, event)
        self._seen = step + 1
        for index, option in enumerate(options):
            if option.process not in self._asleep:
                return index
        raise Pruned

    def learn(self, trace: Trace) -> None:
        """Take in the run that was made by `choose`, and find the next one.

        Raises:
            Diverged: It did not follow the choices.
        """
        events = trace.events
        known = len(self._prefix)
        for place in range(known):
            if events[place].process != self._prefix[place]:
                raise Diverged(self._prefix[place])
        order = Order(events)
        nodes = self._nodes = self._nodes[:known]
        asleep: dict[str, Event] = {}
        if known:
            asleep = _still_asleep(self._sleepers(nodes[-1]), events[known - 1])
            nodes[-1].done[nodes[-1].chosen] = events[known - 1]
        for event in events[known:]:
            node = _Node(event.options, event.process, asleep)
            node.done[event.process] = event
            nodes.append(node)
            asleep = _still_asleep(asleep, event)
        first_new = max(known - 1, 0)
        for race in order.races:
            if race.later < first_new:
                continue
            node = nodes[race.earlier]
            if len(node.options) < 2:
                continue
            initials = order.initials(order.reversing(race))
            if not node.todo.isdisjoint(initials):
                continue
            can = [process for process in initials if process in node.options]
            if not can:
                node.todo.update(node.options)
                continue
            wanted = events[race.later].process
            node.todo.add(wanted if wanted in can else can[0])
        self._next()

    def _sleepers(self, node: _Node) -> dict[str, Event]:
        return {**node.asleep, **node.done} if self._sleep else {}

    def _next(self) -> None:
        while self._nodes:
            node = self._nodes[-1]
            left = node.todo - node.done.keys() - node.asleep.keys()
            if left:
                node.chosen = min(left, key=node.options.index)
                self._prefix = [each.chosen for each in self._nodes]
                return
            self._nodes.pop()
        self.finished = True


def _still_asleep(asleep: dict[str, Event], event: Event) -> dict[str, Event]:
    """Those of `asleep` that `event` neither is nor clashes with."""
    return {
        process: seen
        for process, seen in asleep.items()
        if process != event.process and not clash_of(seen, event)
    }
