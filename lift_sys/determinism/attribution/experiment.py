"""Runs of one target under chosen settings: counted, compared with the first, never repeated.

Before editing: answers of models pass from each run to the next, so that a request that was answered
once is never asked again, however a later run comes to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from lift_sys.determinism.attribution.observation import Observation
from lift_sys.determinism.attribution.processes import Runner
from lift_sys.determinism.attribution.settings import SOURCES, Setting, Source
from lift_sys.errors import AttributionError, CanonicalError, LoadError

_A_TICK = 1.05  # seconds


class NoRunsLeftError(AttributionError):
    """All runs that were allowed are made."""


class Experiment:
    """The runs of one attribution.

    Attributes:
        runs: How many were made.
        baseline: The run with everything held.
        answers: What models have answered.
        seen: All observations, in the order of the runs.
    """

    def __init__(
        self, runner: Runner, *, most: int, on_run: Callable[[int, int], None] | None = None
    ) -> None:
        self._on_run = on_run
        self._runner = runner
        self._most = most
        self.runs = 0
        self.answers: dict[str, Any] = {}
        self.seen: list[Observation] = []
        self.baseline = self._first()
        self._began = time.monotonic()

    @property
    def left(self) -> int:
        """How many runs may still be made."""
        return max(0, self._most - self.runs)

    def _first(self) -> Observation:
        """The run with everything held.

        The first one may bring libraries that are to be patched before they are used, and the next
        record answers of models; what is compared with later runs does neither.
        """
        first, libraries = self._run(Setting())
        if libraries:
            self.answers.clear()
            first, _ = self._run(Setting())
        if self.answers:
            first, _ = self._run(Setting())
        self.seen = [first]
        return first

    def observe(self, setting: Setting) -> Observation:
        """Run once; raises `NoRunsLeftError`."""
        return self._run(setting)[0]

    def _run(self, setting: Setting) -> tuple[Observation, bool]:
        if not self.left:
            raise NoRunsLeftError(f"all {self._most} runs are made")
        self.runs += 1
        answer = self._runner.run(setting, self.answers)
        if self._on_run is not None:
            self._on_run(self.runs, self._most)
        failed = answer.get("failed")
        if failed == "load":
            raise LoadError(answer["text"])
        if failed == "unfit" and answer.get("canonical"):
            path, type_name, reason = answer["canonical"]
            raise CanonicalError(path=path, type_name=type_name, reason=reason)
        if failed == "broken":
            raise AttributionError(f"A run of the target could not be observed: {answer['text']}")
        if failed:
            raise AttributionError(answer["text"])
        observed = Observation.from_json(answer)
        self.answers.update(observed.answers)
        self.seen.append(observed)
        return observed, bool(answer.get("libraries"))

    @property
    def threads(self) -> list[str]:
        """The lines that started threads, as text, of all runs so far."""
        places = [place for observed in self.seen for place in observed.threads]
        return list(dict.fromkeys(f"{place.call} at {place.site}" for place in places))

    def asked_again(self) -> bool | None:
        """Ask the models anew: whether a request that was answered before got another answer.

        None if none was made again. What the process draws is moved, in case the model draws it.
        """
        self.runs += 1
        anew = self._runner.run(moved(["rng", "entropy"], 1), {}).get("answers", {})
        common = [key for key in anew if key in self.answers]
        return any(anew[key] != self.answers[key] for key in common) if common else None

    def prepare(self, settings: Iterable[Setting]) -> None:
        """Start the processes that runs with these settings need, all at the same time."""
        self._runner.prepare(list(settings))

    def diverging(self, setting: Setting) -> Observation | None:
        """Run once; the observation if it differs from the baseline, else None."""
        observed = self.observe(setting)
        return observed if observed.differs(self.baseline) else None

    def moves_by_itself(self) -> str | None:
        """What differs with everything held, once a second has passed; None if nothing does.

        C code reads a clock without being seen, most often by the second. That is then no longer
        the one of the baseline, which all runs so far may have shared, or not.
        """
        time.sleep(max(0.0, self._began + _A_TICK - time.monotonic()))
        observed = self.diverging(Setting())
        return None if observed is None else self.baseline.first_difference(observed)

    def is_asked(self, source: Source) -> bool:
        """Whether any run so far asked this source, as far as one can see it asked."""
        if source in ("hash_seed", "address", "env"):
            return True  # C code reads these without being seen
        if source == "schedule":
            return any(observed.rivals for observed in self.seen)
        return any(
            observed.calls.get(source) or source in observed.unplaced for observed in self.seen
        )


def moved(sources: Iterable[Source], level: int) -> Setting:
    """The setting that moves these sources to a level and holds the others."""
    wanted = set(sources)
    return Setting(levels={source: level for source in SOURCES if source in wanted})
