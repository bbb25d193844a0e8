"""Recorded calls in memory: found by place, request and occurrence, and put together for a file.

Before editing: a recording of several runs is played by number, run k of the replay from run k of
the recording (beginning anew after the last), and what no run k recorded is what run 0 did. So a
run that repeats run 0 costs no line, and no answer depends on which of two runs is faster.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from lift_sys.llm.cassette.entry import Entry, digest_of, without_ids
from lift_sys.llm.cassette.location import place_order

__all__ = ["Key", "Recording", "in_order"]

Key: TypeAlias = tuple[int, str, str, int]
"""Run, address, digest of the request, occurrence."""


class Recording:
    """Entries by key. Not safe for threads by itself.

    Args:
        entries: What was recorded; of two with the same key the later counts.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[Key, Entry] = {}
        self._runs_with: dict[tuple[str, str, int], list[int]] = {}
        self._runs = 1
        for entry in entries:
            self.add(entry)

    def add(self, entry: Entry) -> None:
        """Add a call, in place of an earlier one with its key."""
        digest = digest_of(entry.client, entry.request)
        key = (entry.run, entry.address, digest, entry.occurrence)
        if key not in self._entries:
            place = (entry.address, digest, entry.occurrence)
            self._runs_with.setdefault(place, []).append(entry.run)
            self._runs_with[place].sort()
            self._runs = max(self._runs, entry.run + 1)
        self._entries[key] = entry

    def find(self, key: Key) -> Entry | None:
        """Return what a replay gives for `key`, whose run is the number of the replayed one."""
        run, address, digest, occurrence = key
        runs = self._runs_with.get((address, digest, occurrence))
        if not runs:
            return None
        wanted = run % self._runs
        found = wanted if wanted in runs else runs[0]
        return self._entries[found, address, digest, occurrence]

    def occurrences(self, address: str, digest: str) -> int:
        """How often a step asked one thing in a run."""
        count = 0
        while (address, digest, count) in self._runs_with:
            count += 1
        return count

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)

    def updated(self, new: Recording, *, keep: bool) -> Recording:
        """Return `new` with this one's entry for each call that was answered alike.

        Ids and times differ in every answer; a line that differs in them only is no news.

        Args:
            new: What was recorded since.
            keep: Whether entries of this one that `new` has no other for stay.
        """
        result = Recording(self if keep else ())
        for key, entry in new._entries.items():
            old = self._entries.get(key)
            result.add(old if old is not None and _say_the_same(old, entry) else entry)
        return result

    def without_repeats(self) -> Recording:
        """Return this recording without what later runs recorded just as run 0 did."""
        result = Recording()
        for key, entry in self._entries.items():
            first = self._entries.get((0, *key[1:]))
            if first is None or first is entry or not _say_the_same(first, entry):
                result.add(entry)
        return result


def _say_the_same(one: Entry, other: Entry) -> bool:
    return one.outcome == other.outcome and without_ids(one.answer) == without_ids(other.answer)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries as they stand in a file: by step, by run, and the shorter of two requests first.

    A conversation only grows, so its requests come in the order in which they were made, though
    nothing depends on time.
    """

    def place(entry: Entry) -> tuple[object, ...]:
        digest = digest_of(entry.client, entry.request)
        size = len(json.dumps(entry.request))
        return place_order(entry.address), entry.run, size, digest, entry.occurrence

    return sorted(entries, key=place)
