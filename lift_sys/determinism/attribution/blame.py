"""From what the search has hit to causes: lines found, refinements asked for, words chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lift_sys.determinism.attribution.causes import Attribution, Cause
from lift_sys.determinism.attribution.experiment import Experiment
from lift_sys.determinism.attribution.frames import Place
from lift_sys.determinism.attribution.locating import Line, Locator
from lift_sys.determinism.attribution.patches.env import LOCAL_TIME
from lift_sys.determinism.attribution.probes import SHARED_RNG, Refinement, refine
from lift_sys.determinism.attribution.search import IN_PROCESS, Found, Hit
from lift_sys.determinism.attribution.settings import Setting, Source

_LOCAL = "local time"


def blame(experiment: Experiment, found: Found, target: str) -> Attribution:
    """Make the report of what `found` holds."""
    if found.residual is not None:
        return Attribution(
            target=target,
            verdict="uncontrolled",
            runs=experiment.runs,
            difference=found.residual,
        )
    locator = Locator(experiment)
    _tell_sets_apart(experiment, locator, found)
    guilty: list[Cause] = []
    notes = list(found.notes)
    # Whatever is moved makes and frees other objects on the way, so that addresses move, too, and
    # with them a result that hangs on these. Then a source is believed only by its lines.
    strict = any("address" in hit.sources for hit in found.hits)
    for hit in found.hits:
        for source in hit.sources:
            lines = locator.lines(hit, source, strict=strict)
            if strict and not lines and source in IN_PROCESS:
                found.doubtful[source] = "no line shows it apart from addresses"
                continue
            refinement = refine(experiment, hit, source)
            guilty += _causes(experiment, hit, source, lines, refinement)
            guilty += _draws(refinement, guilty)
    guilty = _without_time_zones(guilty)
    if any(_LOCAL in cause.refinement for cause in guilty) and "env" not in found.innocent:
        notes.append("env moves the result, too, by its time zone: a clock is read in local time")
    if guilty and not experiment.left:
        notes.append("all runs that were allowed are used up; lines may be missing")
    if experiment.baseline.error:
        notes.append(f"with everything held, the run fails: {experiment.baseline.error}")
    accused = {cause.source for cause in guilty}
    blamed = {source for hit in found.hits for source in hit.sources}
    blamed |= accused
    return Attribution(
        target=target,
        verdict="guilty" if guilty else "innocent" if found.innocent else "undecided",
        guilty=guilty,
        innocent=tuple(source for source in found.innocent if source not in blamed),
        untested={
            source: reason for source, reason in found.doubtful.items() if source not in accused
        },
        runs=experiment.runs,
        notes=tuple(notes),
    )


def _tell_sets_apart(experiment: Experiment, locator: Locator, found: Found) -> None:
    """Where addresses are guilty, blame the hash seed, too, if sets that it orders are read."""
    sources = {source for hit in found.hits for source in hit.sources}
    if "hash_seed" in sources or "hash_seed" not in found.doubtful:
        return
    lines = locator.sets("hash_seed")
    hit = Hit(sources=("hash_seed",), setting=Setting(), observed=experiment.baseline)
    if not lines:
        return
    for order in (1, 2):
        setting = Setting(shuffle_sets=tuple(line.key for line in lines), set_order=order)
        observed = experiment.diverging(setting) if experiment.left else None
        if observed is not None:
            hit = Hit(sources=("hash_seed",), setting=setting, observed=observed)
            found.hits.append(hit)
            return


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


def _draws(refinement: Refinement, known: Sequence[Cause]) -> list[Cause]:
    """The lines that draw from a generator in the order of completion, as causes of their own."""
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
        for place in _unique(refinement.draws)
        if place.site not in sites
    ]


def _unique(places: Sequence[Place]) -> list[Place]:
    return list({place.key: place for place in places}.values())


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
