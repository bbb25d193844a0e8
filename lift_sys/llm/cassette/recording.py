"""Recorded calls in memory: found by place, request and occurrence, and put together for a file.

Before editing: a recording of several runs is played by number, run k of the replay from run k of
the recording (beginning anew after the last), and what no run k recorded is what run 0 did. So a
run that repeats run 0 costs no line, and no answer depends on which of two runs is faster.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeAlias

from lift_sys.llm.cassette.entry import Entry, digest_of, without_ids
from lift_sys.llm.cassette.file import line_of
from lift_sys.llm.cassette.location import place_order
from lift_sys.llm.cassette.tasks import distance, task_order

__all__ = ["Key", "Recording", "Slot", "in_order", "merged"]

Slot: TypeAlias = tuple[str, int]
"""Which of the calls of one step for one thing: task, and occurrence in it."""


class Key(NamedTuple):
    """What tells a call from all others."""

    run: int
    address: str
    digest: str
    task: str
    occurrence: int


class Recording:
    """Entries by key. Not safe for threads by itself.

    Args:
        entries: What was recorded; of two with the same key the later counts.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[Key, Entry] = {}
        # For each step and digest: the runs that have each slot.
        self._slots: dict[tuple[str, str], dict[Slot, list[int]]] = {}
        self._runs = 1
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add a call, in place of an earlier one with its key."""
        digest = digest_of(entry.client, entry.request)
        key = Key(entry.run, entry.address, digest, entry.task, entry.occurrence)
        if key not in self._entries:
            slots = self._slots.setdefault((entry.address, digest), {})
            runs = slots.setdefault((entry.task, entry.occurrence), [])
            runs.append(entry.run)
            runs.sort()
            self._runs = max(self._runs, entry.run + 1)
        self._entries[key] = entry

    def slot(self, address: str, digest: str, task: str, used: Collection[Slot]) -> Slot | None:
        """Return which recorded call a task repeats now; None if nothing is left.

        Its own next one; or, if the program has other tasks than when it was recorded, one of a
        task that it made or was made by; or else the first that is left.

        Args:
            address: The step.
            digest: What is asked.
            task: Who asks.
            used: The slots that were repeated in this run.
        """
        slots = self._slots.get((address, digest), {})
        own = task, sum(each == task for each, _ in used)
        if own in slots and own not in used:
            return own
        left = (slot for slot in slots if slot not in used)
        return min(
            left,
            key=lambda slot: (distance(slot[0], task), task_order(slot[0]), slot[1]),
            default=None,
        )

    def find(self, key: Key) -> Entry | None:
        """Return what a replay gives for `key`, whose run is the number of the replayed one."""
        slots = self._slots.get((key.address, key.digest), {})
        runs = slots.get((key.task, key.occurrence))
        if not runs:
            return None
        wanted = key.run % self._runs
        return self._entries[key._replace(run=wanted if wanted in runs else runs[0])]

    def occurrences(self, address: str, digest: str) -> int:
        """How often a step asked one thing in a run."""
        return len(self._slots.get((address, digest), ()))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def plain(self, among: Recording | None = None) -> Recording:
        """Return this recording without the tasks where nothing but one has asked a thing.

        Args:
            among: Where to look for others that have; by default in this recording.
        """
        result = Recording()
        for key, entry in self._entries.items():
            tasks = {task for task, _ in (among or self)._slots[key.address, key.digest]}
            result.add(replace(entry, task="") if len(tasks) == 1 else entry)
        return result

    def without_repeats(self) -> Recording:
        """Return this recording without what later runs recorded just as run 0 did."""
        result = Recording()
        for key, entry in self._entries.items():
            first = self._entries.get(key._replace(run=0))
            if first is None or first is entry or not _say_the_same(first, entry):
                result.add(entry)
        return result


def _say_the_same(one: Entry, other: Entry) -> bool:
    return one.outcome == other.outcome and without_ids(one.answer) == without_ids(other.answer)


def merged(
    base: Recording, theirs: Recording, ours: Recording, *, drop: Recording, ours_first: bool
) -> Recording:
    """Return what a file should hold after two sessions have recorded to it side by side.

    What others have added or changed since this session read the file stays. Of a call that both
    have recorded differently, the answer that is on the file stays, too, unless it is a failure.

    Args:
        base: What this session knows to have been on the file.
        theirs: What is on it now.
        ours: What this session has recorded.
        drop: What this session leaves out, unless others have changed it.
        ours_first: Whether the answers of this session stay instead.
    """
    result = Recording()
    for key, entry in theirs._entries.items():
        known, own = base._entries.get(key), ours._entries.get(key)
        is_news = known is None or line_of(known.to_json()) != line_of(entry.to_json())
        if own is None:
            if is_news or key not in drop._entries:
                result.add(entry)
        # Ids and times differ in every answer; a line that differs in them only is no news.
        elif _say_the_same(entry, own) or (is_news and not ours_first and not entry.is_failure):
            result.add(entry)
        else:
            result.add(own)
    for key, own in ours._entries.items():
        if key not in theirs._entries:
            result.add(own)
    return result


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they stand in a file: by step, by run, and the shorter of two requests first.

    A conversation only grows, so its requests come in the order in which they were made, though
    nothing depends on time.
    """

    def place(entry: Entry) -> tuple[object, ...]:
        digest = digest_of(entry.client, entry.request)
        size = len(json.dumps(entry.request))
        which = task_order(entry.task), entry.occurrence
        return place_order(entry.address), entry.run, size, digest, which

    return sorted(entries, key=place)
