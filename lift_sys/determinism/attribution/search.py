"""Which sources the result moves with: the order of experiments.

After determinism.md, section 4.6: one run with everything held and two repeats of it; everything
moved, three times; then one source at a time, three levels each; last, what is left together, and if
that diverges though none of it alone does, delta debugging for the smallest set that does (ddmin;
Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 28(2), 2002).
Before editing: a source that nobody asked is not run, but goes along in what is moved together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from lift_sys.determinism.attribution.experiment import Experiment, NoRunsLeftError, moved
from lift_sys.determinism.attribution.observation import Observation
from lift_sys.determinism.attribution.settings import LEVELS, Setting, Source

ItemT = TypeVar("ItemT")

_REPEATS = 2
#: What a running process can move comes first: the others need a process for each level.
IN_PROCESS: tuple[Source, ...] = ("schedule", "rng", "clock", "entropy", "env", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Sources that change the result when they are moved.

    Attributes:
        sources: One that suffices, or several that have to move together.
        setting: The levels at which they did.
        observed: The run that differed.
    """

    sources: tuple[Source, ...]
    setting: Setting
    observed: Observation


@dataclass(slots=True, kw_only=True)
class Found:
    """What the search came to.

    Attributes:
        hits: Sources that suffice, each by itself, and at most one interaction.
        residual: Path and values that differed with everything held; None if nothing did.
        innocent: Sources without effect; none if the search was cut off.
        doubtful: Sources that can't be told apart from a guilty one, with the reason.
        notes: What the report has to say about the search.
    """

    hits: list[Hit] = field(default_factory=list)
    residual: str | None = None
    innocent: tuple[Source, ...] = ()
    doubtful: dict[Source, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def search(experiment: Experiment, sources: Sequence[Source]) -> Found:
    """Find the sources that the result moves with."""
    found = Found()
    for _ in range(_REPEATS):
        again = experiment.diverging(Setting())
        if again is not None:
            found.residual = experiment.baseline.first_difference(again)
            return found
    try:
        _look(experiment, sources, found)
    except NoRunsLeftError:
        found.notes.append("the runs that were allowed did not do to clear or blame all sources")
    else:
        cleared = _without(sources, found)
        found.innocent = tuple(source for source in cleared if source not in found.doubtful)
    return found


def _look(experiment: Experiment, sources: Sequence[Source], found: Found) -> None:
    experiment.prepare(moved(sources, level) for level in LEVELS)
    together = _together(experiment, sources)
    if together is None:
        return
    for source in IN_PROCESS:
        if source in sources and experiment.is_asked(source):
            _try_alone(experiment, source, found)
    rest = _without(sources, found)
    if found.hits:
        together = _together(experiment, rest)
    if together is not None:
        _look_into_rest(experiment, rest, together, found)


def _without(sources: Sequence[Source], found: Found) -> list[Source]:
    blamed = {source for hit in found.hits for source in hit.sources}
    return [source for source in sources if source not in blamed]


def _together(experiment: Experiment, sources: Sequence[Source]) -> Hit | None:
    """Move all of these together; what differed at the first level that made a difference."""
    for level in LEVELS if sources else ():
        setting = moved(sources, level)
        observed = experiment.diverging(setting)
        if observed is not None:
            return Hit(sources=tuple(sources), setting=setting, observed=observed)
    return None


def _try_alone(experiment: Experiment, source: Source, found: Found) -> bool:
    hit = _together(experiment, [source])
    if hit is not None:
        found.hits.append(hit)
    return hit is not None


def _look_into_rest(
    experiment: Experiment, rest: Sequence[Source], together: Hit, found: Found
) -> None:
    """The rest diverges together, though nothing of it that a running process can move does."""
    if "address" in rest:
        experiment.prepare(moved(["address"], level) for level in LEVELS)
    # Another hash seed comes with another layout of memory, so it is blamed only if that is
    # innocent by itself.
    if "address" in rest and _try_alone(experiment, "address", found):
        if "hash_seed" in rest and _together(experiment, ["hash_seed"]) is not None:
            found.doubtful["hash_seed"] = (
                "another hash seed takes another process, whose addresses are others, too"
            )
        return
    if "hash_seed" in rest and _try_alone(experiment, "hash_seed", found):
        return
    level = together.setting.level(together.sources[0])

    def diverges(subset: list[Source]) -> bool:
        return experiment.diverging(moved(subset, level)) is not None

    # Sources that nobody asked are tried last, as it were: they go out with the first half.
    asked = [source for source in rest if experiment.is_asked(source)]
    unasked = [source for source in rest if source not in asked]
    smallest = ddmin(asked if diverges(asked) else [*asked, *unasked], diverges)
    setting = moved(smallest, level)
    found.hits.append(
        replace(
            together, sources=tuple(smallest), setting=setting, observed=experiment.observe(setting)
        )
    )


def ddmin(items: list[ItemT], diverges: Callable[[list[ItemT]], bool]) -> list[ItemT]:
    """A smallest sublist of `items` that diverges: without any one of it, it no longer does.

    Args:
        items: They diverge together.
        diverges: Whether a sublist does; each is asked about once.
    """
    parts = 2
    known: dict[tuple[ItemT, ...], bool] = {tuple(items): True}

    def asked(sublist: list[ItemT]) -> bool:
        key = tuple(sublist)
        if key not in known:
            known[key] = diverges(sublist)
        return known[key]

    while len(items) > 1:
        size = -(-len(items) // parts)
        chunks = [items[start : start + size] for start in range(0, len(items), size)]
        rests = [[item for item in items if item not in chunk] for chunk in chunks]
        smaller = next((chunk for chunk in chunks if asked(chunk)), None)
        if smaller is not None:
            items, parts = smaller, 2
            continue
        smaller = next((rest for rest in rests if asked(rest)), None)
        if smaller is not None:
            items, parts = smaller, max(parts - 1, 2)
        elif parts < len(items):
            parts = min(2 * parts, len(items))
        else:
            break
    return items
