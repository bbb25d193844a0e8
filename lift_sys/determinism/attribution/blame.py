"""From what the search has hit to causes: lines found, refinements asked for, words chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lift_sys.determinism.attribution.causes import Attribution, Cause, Verdict
from lift_sys.determinism.attribution.experiment import Experiment
from lift_sys.determinism.attribution.frames import Place
from lift_sys.determinism.attribution.locating import Line, Locator
from lift_sys.determinism.attribution.patches.env import LOCAL_TIME
from lift_sys.determinism.attribution.probes import SHARED_RNG, Refinement, refine
from lift_sys.determinism.attribution.search import IN_PROCESS, Found, Hit
from lift_sys.determinism.attribution.settings import Setting, Source

_LOCAL = "local time"
# Moved in other processes, so that time has passed: what C code reads from a clock moves with them.
_SLOW = ("hash_seed", "address")


def blame(experiment: Experiment, found: Found, target: str) -> Attribution:
    """Make the report of what `found` holds."""
    if found.residual is not None:
        return _uncontrolled(experiment, found.residual, target)
    threads = experiment.threads
    if threads and found.hits:
        found.residual = _unsteady(experiment, found)
        if found.residual is not None:
            return _uncontrolled(experiment, found.residual, target)
    locator = Locator(experiment)
    _look_at_sets(experiment, locator, found)
    guilty: list[Cause] = []
    draws: list[Place] = []
    notes = list(found.notes)
    # Whatever is moved makes and frees other objects on the way, so that addresses move, too, and
    # with them a result that hangs on these. Then a source is believed only by its lines.
    strict = any("address" in hit.sources for hit in found.hits)
    for hit in found.hits:
        for source in hit.sources:
            lines = locator.lines(hit, source, strict=strict)
            if not lines and (threads or (strict and source in IN_PROCESS)):
                other = "threads, which are not controlled" if threads else "addresses"
                found.doubtful[source] = f"no line shows it apart from {other}"
                continue
            refinement = refine(experiment, hit, source)
            guilty += _causes(experiment, hit, source, lines, refinement)
            draws += refinement.draws
    guilty += _drawn(draws, guilty)
    guilty = _without_time_zones(guilty)
    # Nobody is accused without a line, or cleared, before time has passed with everything held.
    if not guilty or any(not cause.site or cause.source in _SLOW for cause in guilty):
        if not experiment.left:
            guilty = _with_lines(guilty, found)
        elif (residual := experiment.moves_by_itself()) is not None:
            return _uncontrolled(experiment, residual, target)
    if any(_LOCAL in cause.refinement for cause in guilty) and "env" not in found.innocent:
        notes.append("env moves the result, too, by its time zone: a clock is read in local time")
    if guilty and not experiment.left:
        notes.append("all runs that were allowed are used up; lines may be missing")
    fails = experiment.baseline.error
    if fails and not guilty:
        notes.append(f"every run fails alike, so nothing was seen of what results hang on: {fails}")
        found.innocent = ()
    elif fails:
        notes.append(f"with everything held, the run fails: {fails}")
    accused = {cause.source for cause in guilty}
    blamed = {source for hit in found.hits for source in hit.sources}
    blamed |= accused
    if threads and "schedule" not in accused:
        found.doubtful["schedule"] = _not_held(threads)
        blamed.add("schedule")
    return Attribution(
        target=target,
        verdict=_verdict(guilty, found, threads),
        guilty=guilty,
        innocent=tuple(source for source in found.innocent if source not in blamed),
        untested={
            source: reason for source, reason in found.doubtful.items() if source not in accused
        },
        runs=experiment.runs,
        notes=tuple(notes),
    )


def _verdict(guilty: Sequence[Cause], found: Found, threads: Sequence[str]) -> Verdict:
    if guilty:
        return "guilty"
    if threads:
        return "uncontrolled"
    return "innocent" if found.innocent else "undecided"


def _uncontrolled(experiment: Experiment, residual: str, target: str) -> Attribution:
    threads = experiment.threads
    return Attribution(
        target=target,
        verdict="uncontrolled",
        runs=experiment.runs,
        difference=residual,
        untested={"schedule": _not_held(threads)} if threads else {},
    )


def _not_held(threads: Sequence[str]) -> str:
    return f"threads are not controlled: they end in an order of their own; {' and '.join(threads)}"


def _unsteady(experiment: Experiment, found: Found) -> str | None:
    """What differs between equal runs; threads may do so at any time, and not just what was moved."""
    again = [(Setting(), experiment.baseline)]
    again += [(hit.setting, hit.observed) for hit in found.hits]
    for setting, before in again:
        observed = experiment.observe(setting) if experiment.left else before
        if observed.differs(before):
            return before.first_difference(observed)
    return None


def _look_at_sets(experiment: Experiment, locator: Locator, found: Found) -> None:
    """Blame hash seed and address by the sets that they order, where moving them told nothing.

    A set of two is in the same order for half of all seeds and layouts, so three levels may miss it.
    And where addresses are guilty, another hash seed proves nothing, as it comes with other addresses.
    """
    blamed = {source for hit in found.hits for source in hit.sources}
    sources: tuple[Source, ...] = ("hash_seed", "address")
    for source in sources:
        if source in blamed or not (source in found.doubtful or source in found.innocent):
            continue
        lines = locator.sets(source, certain=source not in found.doubtful)
        for order in (1, 2) if lines else ():
            setting = Setting(shuffle_sets=tuple(line.key for line in lines), set_order=order)
            observed = experiment.diverging(setting) if experiment.left else None
            if observed is not None:
                found.hits.append(Hit(sources=(source,), setting=setting, observed=observed))
                break


def _causes(
    experiment: Experiment,
    hit: Hit,
    source: Source,
    lines: Sequence[Line],
    refinement: Refinement,
) -> list[Cause]:
    together = tuple(other for other in hit.sources if other != source)
    difference = experiment.baseline.first_difference(hit.observed)
    places: list[Line | None] = [*lines] or [None]
    causes: dict[str, Cause] = {}
    for line in places:
        place = None if line is None else line.place
        cause = Cause(
            source=source,
            site="" if place is None else place.site,
            sufficient=not together,
            together=together,
            refinement=refinement.text,
            call="" if place is None else place.call,
            function="" if place is None else place.function,
            step="" if place is None else place.step,
            waits="" if line is None or line.waits is None else line.waits.site,
            difference=difference,
        )
        causes.setdefault(cause.site, cause)
    return list(causes.values())


def _drawn(draws: Sequence[Place], known: Sequence[Cause]) -> list[Cause]:
    """The lines that draw from a generator in the order of completion, if they are no causes yet."""
    sites = {cause.site for cause in known if cause.source == "rng"}
    return [
        Cause(
            source="rng",
            site=place.site,
            sufficient=False,
            together=("schedule",),
            refinement=SHARED_RNG,
            call=place.call,
            function=place.function,
            step=place.step,
        )
        for place in _unique(draws)
        if place.site not in sites
    ]


def _unique(places: Sequence[Place]) -> list[Place]:
    return list({place.key: place for place in places}.values())


def _with_lines(causes: Sequence[Cause], found: Found) -> list[Cause]:
    """The causes that a line shows; the others would have to be confirmed, with no run left."""
    for cause in causes:
        if not cause.site:
            found.doubtful[cause.source] = "no line shows it, and no run was left to confirm it"
    return [cause for cause in causes if cause.site]


def _without_time_zones(causes: Sequence[Cause]) -> list[Cause]:
    """Make one cause of a clock and the time zone that the same line reads it in."""
    local = {cause.site for cause in causes if cause.call.endswith(LOCAL_TIME)}
    clocks = {cause.site for cause in causes if cause.source == "clock"}
    kept = []
    for cause in causes:
        if cause.source == "clock" and cause.site in local:
            words = [word for word in (cause.refinement, _LOCAL) if word]
            kept.append(replace(cause, refinement=", ".join(words)))
        elif not (cause.call.endswith(LOCAL_TIME) and cause.site in clocks):
            kept.append(cause)
    return kept
