"""Which lines a guilty source gets in by: of those that ask it, the ones that suffice.

Lines are moved in groups that are halved, so that a few runs tell a few guilty ones from many. A set
has no call that could be moved: its reading is put into another order, with the hash seed held.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from lift_sys.determinism.attribution.effects import effect_behind
from lift_sys.determinism.attribution.experiment import Experiment
from lift_sys.determinism.attribution.frames import Place
from lift_sys.determinism.attribution.observation import Observation
from lift_sys.determinism.attribution.schedule import stack_key
from lift_sys.determinism.attribution.search import IN_PROCESS, Hit
from lift_sys.determinism.attribution.settings import Setting, Source

_SET_ORDERS = (1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line that may be guilty.

    Attributes:
        place: What is reported.
        key: What it is moved by.
        is_set: Whether it reads a set, or writes an address: no call that could be moved.
        waits: For a schedule: the await that it comes behind; None if it is the await itself.
    """

    place: Place
    key: str
    is_set: bool = False
    waits: Place | None = None


_NOWHERE = Line(place=Place(file="", line=0), key=":0")


class Locator:
    """Finds the guilty lines of hits.

    Attributes:
        experiment: Makes the runs.
        readings: The run in which readings of sets were logged; None before there was one.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.readings: Observation | None = None

    def lines(self, hit: Hit, source: Source, *, strict: bool = False) -> list[Line]:
        """The lines by which `source` gets in; empty if only libraries ask, or none was found.

        Args:
            hit: What was hit.
            source: One of its sources.
            strict: Believe no line that was not moved by itself, nor any if moving none diverges.
        """
        candidates = self._candidates(hit, source)
        if strict and source in IN_PROCESS:
            if not candidates or self.diverges(hit, source, [_NOWHERE]):
                return []
            return self._narrowed(hit, source, candidates)
        if len(candidates) == 1 and not candidates[0].is_set:
            asked_elsewhere = any(source in run.unplaced for run in self.experiment.seen)
            if not asked_elsewhere:
                return candidates
        return self._narrowed(hit, source, candidates) if candidates else []

    def _candidates(self, hit: Hit, source: Source) -> list[Line]:
        runs = (self.experiment.baseline, hit.observed)
        if source == "schedule":
            return _awaits(runs)
        lines: dict[str, Line] = {}
        for run in runs:
            for place in run.calls.get(source, ()):
                lines.setdefault(place.key, Line(place=place, key=place.key))
        if source in ("hash_seed", "address"):
            for line in self.sets(source):
                lines.setdefault(line.key, line)
        return list(lines.values())

    def sets(self, source: Source, *, certain: bool = False) -> list[Line]:
        """The lines that read a set whose order comes from `source`; or just those that surely do."""
        if self.readings is None:
            if not self.experiment.left:
                return []
            self.readings = self.experiment.observe(Setting(probes=("see_sets",)))
        return [
            Line(place=place, key=place.key, is_set=True)
            for place, by, sure in self.readings.sets
            if by == source and (sure or not certain)
        ]

    def _narrowed(self, hit: Hit, source: Source, group: list[Line]) -> list[Line]:
        if not self.diverges(hit, source, group):
            return []
        return self._halved(hit, source, group)

    def _halved(self, hit: Hit, source: Source, group: list[Line]) -> list[Line]:
        """The guilty lines of a group that is known to diverge."""
        if len(group) == 1:
            return group
        middle = len(group) // 2
        halves = group[:middle], group[middle:]
        guilty = [half for half in halves if self.diverges(hit, source, half)]
        # If neither does by itself, it takes lines of both.
        return (
            [line for half in guilty for line in self._halved(hit, source, half)]
            if guilty
            else group
        )

    def diverges(self, hit: Hit, source: Source, group: Iterable[Line]) -> bool:
        """Whether moving just these lines changes the result, as far as runs are left."""
        calls = tuple(line.key for line in group if not line.is_set)
        sets = tuple(line.key for line in group if line.is_set)
        if not sets:
            levels = dict(hit.setting.levels)
            if source in ("hash_seed", "address"):
                levels.pop(source)  # the process is held, and the answer to these calls moved
            only = {**hit.setting.only, source: calls}
            return self._differs(replace(hit.setting, levels=levels, only=only))
        only = {source: calls} if calls else {}
        return any(
            self._differs(Setting(shuffle_sets=sets, set_order=order, only=only))
            for order in _SET_ORDERS
        )

    def _differs(self, setting: Setting) -> bool:
        return self.experiment.left > 0 and self.experiment.diverging(setting) is not None


def _awaits(runs: Iterable[Observation]) -> list[Line]:
    lines: dict[str, Line] = {}
    for run in runs:
        consumers = [Line(place=place, key="") for place in run.calls.get("schedule", ())]
        for stack in run.rivals:
            key, effect = stack_key(stack), effect_behind(stack)
            if key in lines:
                continue
            if effect is not None:
                waits = None if effect.line == stack[0].line else stack[0]
                lines[key] = Line(place=effect, key=key, waits=waits)
            elif consumers:
                lines[key] = replace(consumers[0], key=key, waits=stack[0])
            else:
                lines[key] = Line(place=stack[0], key=key)
    return list(lines.values())
