"""The tape: whether the recording or the model answers a call, what is kept, and when it is saved.

Before editing: one tape may be used by several event loops and threads at the same time, so what
calls share is changed under one lock, and nothing is awaited while it is held. A call that is
recorded is in the journal before its answer is returned; the file itself is replaced at the end, by
what it holds then and what was recorded, as other sessions may have saved to it meanwhile.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lift_sys.errors import CassetteMissError
from lift_sys.llm.cassette import file, location
from lift_sys.llm.cassette.current import count_unsent, is_asking
from lift_sys.llm.cassette.differences import explain
from lift_sys.llm.cassette.entry import Entry, digest_of
from lift_sys.llm.cassette.journal import Journal, leftovers, locked, salt_beside
from lift_sys.llm.cassette.mask import Mask, new_salt
from lift_sys.llm.cassette.perturb import Perturbation
from lift_sys.llm.cassette.recording import Key, Recording, Slot, in_order, merged
from lift_sys.llm.cassette.scrub import Scrubber
from lift_sys.llm.cassette.session import Asked, CassetteStatistics
from lift_sys.llm.cassette.source import Mode, Source
from lift_sys.llm.cassette.tasks import current_task_path

__all__ = ["Mode", "Tape"]

"""What is done with a call: `replay` only plays what was recorded, `record` makes every call anew,
and `auto` plays what was recorded, unless it had failed, and makes and adds the rest."""


class Tape:
    """Recorded calls, and what the calls of this session make of them.

    Args:
        path: The file, or None.
        mode: See `Mode`.
        live: Steps that ask the model in any mode, as `location.selects` takes them.
        perturb: How answers are changed as they are played.
        scrubber: What takes secrets out.
        pace: How long a replayed answer takes, as a share of the time that the recorded one took.
        optional: A file that is missing in mode `replay` is an error only when a model is asked.
        advice: What errors say to do.
        entries: What is recorded already, besides what the file holds.
        salt: That of the masks in `entries`.

    Raises:
        CassetteFileError: The file is missing in mode `replay` and not optional, or can't be used.
    """

    def __init__(
        self,
        path: Path | None,
        mode: Mode,
        *,
        live: Sequence[str],
        perturb: Perturbation | None,
        scrubber: Scrubber,
        pace: float,
        optional: bool = False,
        advice: str = "",
        entries: Iterable[Entry] = (),
        salt: str | None = None,
    ) -> None:
        self.path = path
        self.mode: Mode = mode
        self.live = live
        self.perturb = perturb
        self.scrubber = scrubber
        self.pace = pace
        self.advice = advice
        self._source = Source(path, self.name, advice, mode)
        self._optional = optional
        self._lock = threading.RLock()
        self._runs: dict[object, int] = {}
        self._used: dict[tuple[object, str, str], set[Slot]] = {}
        self._counts: Counter[str] = Counter()
        self._first_miss = ""
        self._hits: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._journal: Journal | None = None
        #: Of a new file it is settled with others who record to it: when there is a journal.
        self.salt = salt or (new_salt() if path is None else None)
        self._loaded, self._left = self._load()
        if self.salt is not None:
            scrubber.mask = Mask(self.salt)
        self._unsaved = bool(self._left) and mode != "replay"
        #: What the file is known to hold.
        self._saved = self._loaded
        self._new = Recording()
        # What may be played: what was there, and what has been recorded since.
        self._known = Recording([*self._loaded, *self._left, *entries] if mode != "record" else ())

    def __deepcopy__(self, memo: Any) -> Tape:
        return self  # a copy of a model that plays from it plays from it, too

    # --- calls ----------------------------------------------------------------------------------

    def ask(self, client: str, request: Any) -> Asked | None:
        """Say how a call is answered; None if it is a part of one that is being recorded.

        Args:
            client: Name of the client.
            request: What it asks, JSON-like, without what belongs to the connection.

        Raises:
            CassetteMissError: The recording has no answer, and the model may not be asked.
        """
        if is_asking(self):
            return None
        place = location.locate()
        with self._lock:
            if self.salt is None:
                self._open_journal()
        request = self.scrubber.scrub_asked(client, request)
        digest = digest_of(client, request)
        with self._lock:
            run = self._runs.setdefault(place.run, len(self._runs))
            used = self._used.setdefault((place.run, place.address, digest), set())
            key = self._key(run, place.address, digest, used)
            is_live = location.selects(self.live, place.address, place.node)
            entry = None if is_live else self._find(key)
            if entry is None:
                if self.mode == "replay" and not is_live:
                    self._source.demand()
                    asked = len(used) + 1
                    why = explain(self._known, client, request, address=place.address, asked=asked)
                    raise self.miss(place, *why)
                if self.mode != "replay" and self.path is not None and self._journal is None:
                    self._open_journal()
                self._counts["live"] += 1
                self._made[place.address] += 1
            used.add((key.task, key.occurrence))
        return Asked(self, client, request, place, key, entry)

    def _open_journal(self) -> None:
        assert self.path is not None
        self._journal = Journal(self.path, self.salt)
        if self.salt is None:
            self.salt = self._journal.salt
            self.scrubber.mask = Mask(self.salt)

    def _key(self, run: int, address: str, digest: str, used: set[Slot]) -> Key:
        task = current_task_path()
        slot = self._known.slot(address, digest, task, used)
        if slot is None:  # a new one, which other runs may find
            slot = task, next(number for number in count() if (task, number) not in used)
        return Key(run, address, digest, *slot)

    def _find(self, key: Key) -> Entry | None:
        # In mode `auto` that is also what was recorded a moment ago: a later run plays it.
        found = None if self.mode == "record" else self._known.find(key)
        if found is not None and self.mode == "auto" and found.is_failure:
            return None
        return found

    def keep(self, entry: Entry) -> None:
        """Take in a call that was made."""
        if self.mode == "replay":
            return
        entry = self._clean(entry)
        with self._lock:
            self._new.add(entry)
            self._known.add(entry)
            self._counts["recorded"] += 1
            self._unsaved = True
            if self._journal is not None:
                self._journal.append(entry)

    def _clean(self, entry: Entry) -> Entry:
        request = self.scrubber.scrub_asked(entry.client, entry.request)
        if entry.outcome == "error":
            answer = self.scrubber.scrub_request(entry.answer)
        elif entry.client == "http":
            answer = self.scrubber.scrub_response(entry.answer)
        else:
            answer = self.scrubber.scrub(entry.answer)
        return replace(entry, request=request, answer=answer)

    def miss(
        self, place: location.Place, reason: str, differences: Sequence[str] = ()
    ) -> CassetteMissError:
        """Count a call that has no answer, and make its error."""
        count_unsent(answered=False)
        with self._lock:
            self._counts["misses"] += 1
            if not self._first_miss:
                self._first_miss = "; ".join(differences) or reason
        return CassetteMissError(
            path=self.name,
            address=place.address,
            node=place.node,
            reason=reason,
            differences=differences,
            advice=self.advice,
        )

    def count_hit(self, address: str) -> None:
        """A call is answered from the recording, if only by the error that it ended with."""
        count_unsent(answered=True)
        with self._lock:
            self._counts["hits"] += 1
            self._hits[address] += 1

    def count_request(self) -> None:
        """A transport sends a request."""
        with self._lock:
            self._counts["http_requests"] += 1

    # --- the whole ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How errors call it."""
        return "in memory" if self.path is None else str(self.path)

    @property
    def entries(self) -> list[Entry]:
        """All that is recorded by now and could be played, in the order of the file."""
        with self._lock:
            return in_order(self._known)

    @property
    def statistics(self) -> CassetteStatistics:
        """What it has done so far."""
        with self._lock:
            return CassetteStatistics(
                hits=self._counts["hits"],
                misses=self._counts["misses"],
                first_miss=self._first_miss,
                live=self._counts["live"],
                recorded=self._counts["recorded"],
                http_requests=self._counts["http_requests"],
                hits_by_address=MappingProxyType(dict(self._hits)),
                live_by_address=MappingProxyType(dict(self._made)),
            )

    def save(self, *, complete: bool) -> None:
        """Add what was recorded to the file, if anything was since.

        Args:
            complete: Whether, in mode `record`, all was recorded anew, so that the rest of what
                the file held is dropped.
        """
        with self._lock:
            if self.path is None or not self._unsaved:
                if self._journal is not None:
                    self._journal.discard()
                    self._journal = None
                return
            with locked(self.path):
                self._merge(self.path, complete=complete)
            self._unsaved = False

    def _merge(self, path: Path, *, complete: bool) -> None:
        if self._journal is not None:
            # From here on it is as a crash leaves it; if something fails, so it stays.
            self._journal.close()
            self._journal = None
        anew = self.mode == "record"
        drops = anew and complete
        journals = leftovers(path)
        left = (each for each in _all(journals) if not (drops and each in self._left))
        # Once more, by what has turned out to be secret since.
        self.scrubber.learn_environment()
        ours = Recording(map(self._clean, [*left, *self._new]))
        saved = merged(
            self._saved,
            Recording(self._source.entries()),
            ours.plain(ours if anew else Recording([*self._known, *ours])),
            drop=self._loaded if drops else Recording(),
            ours_first=anew,
        )
        self._saved = saved.plain().without_repeats()
        file.write(path, in_order(self._saved), file.salt_of(path) or self.scrubber.mask.salt)
        for each in journals:
            each.unlink(missing_ok=True)

    def _load(self) -> tuple[Recording, list[Entry]]:
        """What the file holds, and what sessions that did not end have left beside it."""
        if self.path is None:
            return Recording(), []
        with locked(self.path):
            if not self._optional:
                self._source.demand()
            self.salt = salt_beside(self.path)
            return Recording(self._source.entries()), _all(leftovers(self.path))


def _all(found: dict[Path, list[Entry]]) -> list[Entry]:
    return [entry for entries in found.values() for entry in entries]
