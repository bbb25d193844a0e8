"""Countermeasures: what would make a guilty source harmless, and so what kind of harm it does.

A view that forgets one thing (order, last digits, addresses) costs no run; a probe takes two: it is
in force with the source held, and with the source moved, and if these agree, it is a remedy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lift_sys.determinism.attribution.experiment import Experiment
from lift_sys.determinism.attribution.frames import Place
from lift_sys.determinism.attribution.search import Hit
from lift_sys.determinism.attribution.settings import LEVELS, Probe, Setting, Source

SHARED_RNG = "shared RNG drawn in completion order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """What probes have shown about one hit.

    Attributes:
        text: For `Cause.refinement`.
        draws: Lines that draw from a generator in the order of completion, if that is the harm.
    """

    text: str = ""
    draws: tuple[Place, ...] = ()


def refine(experiment: Experiment, hit: Hit, source: Source) -> Refinement:
    """Say what kind of difference `source` makes."""
    baseline, observed = experiment.baseline, hit.observed
    if baseline.error != observed.error:
        return Refinement(text="the run fails" if observed.error else "the run no longer fails")
    texts: list[str] = []
    if baseline.is_rounded(observed):
        texts.append("float reduction order")
    elif source == "schedule":
        draws = _streams(experiment, hit)
        if draws is not None:
            return Refinement(text=SHARED_RNG, draws=draws)
    if source in ("hash_seed", "address") and _is_remedy(experiment, hit, "sort_sets"):
        texts.append("set iteration")
    if source == "address" and baseline.is_readdressed(observed):
        texts.append("memory address in text")
    if source == "model" and experiment.left:
        words = {True: "same request, other answer", False: "same answer when asked again"}
        texts += [words[varies]] if (varies := experiment.asked_again()) is not None else []
    if (not texts or texts == ["set iteration"]) and baseline.is_reordered(observed):
        texts.append("order only")
    return Refinement(text=", ".join(texts))


def _streams(experiment: Experiment, hit: Hit) -> tuple[Place, ...] | None:
    """Give each task a generator of its own; the lines that draw, if that is a remedy.

    It changes the numbers, and maybe with them how long things take and who comes first. So a run in
    which nothing came in another order than in the one to compare it with says nothing.
    """
    if experiment.left < 2:
        return None
    held = experiment.observe(Setting(probes=("streams",)))
    if not held.calls.get("rng") and "rng" not in held.unplaced:
        return None
    is_moved = False
    for level in LEVELS[: experiment.left]:
        setting = replace(hit.setting, levels={**hit.setting.levels, "schedule": level})
        moved = experiment.observe(replace(setting, probes=("streams",)))
        if moved.landed != held.landed:
            if held.differs(moved):
                return None
            is_moved = True
    return tuple(held.calls.get("rng", ())) if is_moved else None


def _is_remedy(experiment: Experiment, hit: Hit, probe: Probe) -> bool:
    if experiment.left < 2:
        return False
    held = experiment.observe(Setting(probes=(probe,)))
    return not held.differs(experiment.observe(replace(hit.setting, probes=(probe,))))
