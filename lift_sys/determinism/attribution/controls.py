"""The hand on all switches inside one process: patched functions ask here what to answer.

Before editing: what a held source says may depend on nothing but the program's own path. So the
clock counts its readings per task, and entropy is a stream per task: were they shared, another
schedule would change them, and the clock's culprit would be blamed on the schedule, too.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextvars import ContextVar
from random import Random

from lift_sys.determinism.attribution.frames import Frames, Place
from lift_sys.determinism.attribution.settings import Setting, Source
from lift_sys.determinism.attribution.surroundings import Moved

# Where the current task stands: the path of task numbers below the main one, such as ".0.2".
task_label: ContextVar[str] = ContextVar("task_label", default="")
# How often this task, and those before it that started it, have read the clock.
readings: ContextVar[int] = ContextVar("readings", default=0)


class Controls:
    """Settings, and the log of who asked for what, in one process.

    Attributes:
        setting: What holds now; None answers everything for real.
        frames: Whose a frame is.
        calls: For each source, the places that asked, by their key; in order of first asking.
        surroundings: What each level of the environment says.
        variables: Environment variables that lines of the user's read.
        threads: Lines of the user's that started a thread, by their key.
        unplaced: Sources that were asked for without a line of the user's on the stack.
    """

    def __init__(self, frames: Frames) -> None:
        self.frames = frames
        self.setting: Setting | None = None
        self.calls: dict[Source, dict[str, Place]] = {}
        self.threads: dict[str, Place] = {}
        self.unplaced: set[Source] = set()
        self.variables: set[str] = set()
        self.surroundings: list[Moved] = []
        self._counts: dict[tuple[str, str], int] = defaultdict(int)

    def begin(self, setting: Setting) -> None:
        """From now on `setting` holds."""
        self.setting = setting
        self.calls = defaultdict(dict)
        self.threads = {}
        self.unplaced = set()
        self.variables = set()
        self._counts.clear()

    @property
    def active(self) -> bool:
        """Whether a run is going on in this process."""
        return self.setting is not None

    def asked(self, source: Source, call: str) -> int:
        """Log who asks, and return the level that holds for them.

        Args:
            source: What is asked for.
            call: Name of the patched function, such as `time.time`.
        """
        assert self.setting is not None
        place = self.frames.caller(call)
        if place is None:
            self.unplaced.add(source)
        else:
            self.calls[source].setdefault(place.key, place)
        level = self.setting.level(source)
        only = self.setting.only.get(source)
        if only is None or (place is not None and place.key in only):
            return level
        return 0

    def starts_thread(self, call: str) -> None:
        """Note who starts a thread, which nothing here holds."""
        place = self.frames.caller(call)
        if place is not None:
            self.threads.setdefault(place.key, place)

    def reads_variable(self, name: str) -> None:
        """Note a variable, if it is the user's own line that reads it, maybe by `os.getenv`."""
        place = self.frames.caller("directly")
        if place is not None and (place.call == "directly" or place.call.startswith("os.")):
            self.variables.add(name)

    def next_count(self, what: str) -> int:
        """How often this task has asked for `what` before."""
        key = (what, task_label.get())
        self._counts[key] += 1
        return self._counts[key] - 1

    def stream(self, what: str, level: int) -> Random:
        """A generator for this one request: a function of level, task and number of the request."""
        return Random(f"{what}:{level}:{task_label.get()}:{self.next_count(what)}")

    def random_bytes(self, size: int, level: int) -> bytes:
        """What the operating system would draw."""
        count = self.next_count("entropy")
        seed = f"entropy:{level}:{task_label.get()}:{count}".encode()
        return hashlib.shake_256(seed).digest(size)

    def tick(self) -> int:
        """How many times this task has read the clock, this one included."""
        count = readings.get() + 1
        readings.set(count)
        return count

    def advance(self, ticks: int) -> None:
        """Let time pass for this task without a reading."""
        readings.set(readings.get() + ticks)


def fraction(text: str) -> float:
    """A number from 0 to below 1, drawn by `text`: of no generator, as these may be replaced."""
    digest = hashlib.blake2b(text.encode(), digest_size=6).digest()
    return int.from_bytes(digest) / (1 << 48)
