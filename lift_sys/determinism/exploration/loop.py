"""An event loop on virtual time whose every choice is made by a strategy.

In the space `completions` it is a plain event loop: the queue is first in, first out, and only
which sleep (or job, or answer) ends next, and whether before the next round, is chosen; whatever
happens can happen in production. In `ready` any ready task may go on, which covers more than any
loop does; there, quiet callbacks run with the step that caused them (`callbacks.py`). Timers other
than sleeps, such as deadlines, fire when nothing else can but sleeps that are due later. One loop
runs one program once.
"""

from __future__ import annotations

import asyncio
import heapq
import math
from typing import Any

from lift_sys.determinism.exploration.callbacks import is_known, kind_of, task_of
from lift_sys.determinism.exploration.entries import Entry
from lift_sys.determinism.exploration.footprint import (
    ADD,
    ANYTHING,
    RANK,
    RANKS,
    READ,
    WAKE,
    WRITE,
)
from lift_sys.determinism.exploration.interface import ControlledBase
from lift_sys.determinism.exploration.places import line_of
from lift_sys.determinism.exploration.refusals import Refusals
from lift_sys.determinism.exploration.tasks import failed
from lift_sys.determinism.exploration.trace import Event, Kind
from lift_sys.execution.deciders import Decider
from lift_sys.execution.group import Group

_HELD_BACK = "a timer was due before a sleep, and durations are no part of a proof"


class Chooser(ControlledBase):
    """Lets one thing happen at a time; `drive.run_once` is the door."""

    def _enqueue(self, handle: asyncio.Handle, callback: Any, args: tuple[Any, ...]) -> None:
        recording = self.recording
        task = task_of(callback)
        if task is not None:
            recording.mark(task.resource, WAKE)  # whoever cancels it now comes too late for this
            entry = Entry(handle, Kind.STEP, task.label, recording.causes)
            asleep = self._asleep.pop(task.label, None)
            if asleep is not None:
                entry.woken = True
                if asleep in self._pending:
                    # Cancelled in its sleep: it could have gone on before, so this is a clash of
                    # two steps and not the cause of one (races.py would not try the other order).
                    self._pending.remove(asleep)
                    entry.causes = asleep.causes
            self._queue.append(entry)
            return
        kind, counted = kind_of(callback, args)
        process = f"{recording.process}!{recording.ordinal('callback')}"
        entry = Entry(handle, kind, process, recording.causes, counted=counted)
        if kind is Kind.QUIET and self.space == "ready":
            self._quiet.append(entry)
            return
        if kind is Kind.CALLBACK:
            recording.mark("callbacks", WRITE)  # their order is that of their makers
        self._queue.append(entry)

    def advance(self) -> bool:
        """Let one thing happen; False if nothing can."""
        return self._advance_ready() if self.space == "ready" else self._advance_in_turns()

    def _advance_ready(self) -> bool:
        options = [entry for entry in self._queue if entry.kind is Kind.STEP]
        if len(options) < len(self._queue):  # callbacks keep their order: the first one only
            options = []
            callback_seen = False
            for entry in self._queue:
                if entry.kind is Kind.STEP or not callback_seen:
                    options.append(entry)
                callback_seen = callback_seen or entry.kind is not Kind.STEP
        options += self._landing(bool(options))
        if not options:
            return self._fire_deadline()
        entry = options[self._decide(options)]
        if entry.kind < Kind.SLEEP:
            self._queue.remove(entry)
            self._execute(entry)
        else:
            self._land(entry)
        if self._with_options:
            self.recording.event.options = tuple(option.process for option in options)
        return True

    def _landing(self, busy: bool) -> list[Entry]:
        """The completions that may end now; `busy` is whether something else can go on."""
        pending, latest = self._pending, self._next_deadline()
        if self._strict and pending:
            # No step takes time, so time goes on only when nothing else does.
            latest = min(latest, self._now if busy else max(self._now, pending[0].due))
        found = [each for each in pending if each.kind is not Kind.SLEEP or each.due <= latest]
        if len(found) < len(pending) and not self._strict:
            self.trace.caveats.add(_HELD_BACK)
        return found

    def _next_deadline(self) -> float:
        """When the next timer fires: no sleep that is due later ends before it."""
        while self._deadlines and self._deadlines[0][2].cancelled():
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else math.inf

    def _land(self, entry: Entry) -> None:
        """A completion ends; with a sleep, the task that slept goes on in the same event."""
        self._pending.remove(entry)
        if entry.kind is not Kind.SLEEP:
            self._execute(entry)
            return
        recording, before = self.recording, len(self._queue)
        causes, muted, event = recording.causes, recording.muted, recording.event
        recording.causes, recording.muted = entry.causes, True
        recording.event = Event("", 0, Kind.SLEEP, 0)  # no touch of the one before
        entry.handle._run()
        recording.causes, recording.muted, recording.event = causes, muted, event
        step = self._queue.pop() if len(self._queue) > before else entry
        later, self._now = entry.due > self._now, max(self._now, entry.due)
        self._execute(step)
        if later:  # time only goes on, in whatever order sleeps end
            footprint = recording.event.footprint
            footprint["clock"] = footprint.get("clock", 0) | ADD

    def _advance_in_turns(self) -> bool:
        if self._left_in_turn:
            self._left_in_turn -= 1
            entry = self._queue.pop(0)
            if not entry.handle.cancelled():
                self._execute(entry)
            return True
        landing = self._landing(bool(self._queue))
        options = [self._turn, *landing] if self._queue else landing
        if not options:
            return self._fire_deadline()
        entry = options[self._decide(options)]
        if entry.kind is Kind.TURN:
            self._left_in_turn = len(self._queue)
            return True
        self._pending.remove(entry)
        self._now = max(self._now, entry.due)
        if entry.kind is Kind.SLEEP:
            self._queue.append(entry)  # as a plain loop does with a timer that is due
        else:
            self._execute(entry)
        return True

    def _decide(self, options: list[Entry]) -> int:
        if len(options) == 1:
            return 0
        index = self._strategy.choose(options, self._queue)
        self.trace.choices.append((index, len(options)))
        return index

    def _execute(self, entry: Entry) -> None:
        recording = self.recording
        kind = entry.kind
        event = recording.begin(
            f"{entry.process}~" if kind is Kind.SLEEP else entry.process, kind, entry.causes
        )
        if kind is Kind.STEP:
            event.woken = entry.woken
            task = entry.handle._callback.__self__  # type: ignore[attr-defined]
            if self._with_lines:
                event.line = line_of(task)
            event.footprint[task.resource] = READ
            entry.handle._run()
            if asyncio.Task.done(task):
                recording.note(task.resource, WRITE)
                if not failed(task):
                    recording.hand_over(asyncio.Task.result(task), task.resource)
                elif not asyncio.Task.cancelled(task):
                    recording.hand_over(task._exception, task.resource)
        elif kind is Kind.QUIET:
            self._run_quiet(entry)
        elif kind is Kind.CALLBACK:
            handle = entry.handle
            event.causes |= self._last_callback
            self._last_callback = recording.causes
            if not is_known(handle._callback, handle._args):  # type: ignore[attr-defined,arg-type]
                recording.note(ANYTHING, WRITE)
            self._count(entry)
            handle._run()
        else:
            entry.handle._run()
        while self._quiet:
            self._run_quiet(self._quiet.pop(0))
        if kind is not Kind.SLEEP:  # its end runs no code of the user's
            recording.end()

    def _run_quiet(self, entry: Entry) -> None:
        """Run bookkeeping, and let what it wakes be caused by all that it counted."""
        recording = self.recording
        causes, muted = recording.causes, recording.muted
        self._count(entry)
        if entry.counted is not None:
            recording.mark(recording.ends_of(entry.counted), READ)
        recording.muted = True
        entry.handle._run()
        recording.causes, recording.muted = causes, muted
        if isinstance(entry.counted, Group) and entry.counted._closed and entry.counted._running:
            # Its end could not be read, and that cut off others: no quiet matter after all.
            self.trace.caveats.add("a branch could not be joined, and others were cut off for it")

    def _count(self, entry: Entry) -> None:
        """What a callback wakes or starts from now on was caused by all that were counted."""
        counted, recording = entry.counted, self.recording
        if counted is None:
            return
        key = id(counted)
        if key not in self._counted:
            self._counters.append(counted)  # kept, so that no id comes twice
        recording.causes = self._counted[key] = self._counted.get(key, 0) | recording.causes
        if isinstance(counted, Group):
            recording.slot()
            if type(counted.decider) is Decider:  # then results say who was first
                recording.note(RANKS, RANK)

    def _fire_deadline(self) -> bool:
        while self._deadlines:
            when, _, timer, _ = heapq.heappop(self._deadlines)
            if timer.cancelled():
                continue
            if when == math.inf:
                return False
            self._now = max(self._now, when)
            everything = (1 << len(self.trace.events)) - 1
            entry = Entry(timer, Kind.DEADLINE, "deadline", everything)
            if self.space == "ready":
                self._execute(entry)
            else:
                self._queue.append(entry)
            return True
        return False


class ControlledLoop(Refusals, Chooser):  # type: ignore[misc]
    """Runs one program that stays inside of the process."""
