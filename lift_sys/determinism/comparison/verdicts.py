"""Two verdicts, never mixed up: whether the framework repeats itself, and whether the models do.

The framework is deterministic if equal results of nodes give an equal final state. A model is stable
if its own outputs agree on equal inputs. An answer from a cache or a cassette agrees with itself by
construction, so it is stated and never counted for stability.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lift_sys.core.address import declared_order, located
from lift_sys.core.strategies import Race
from lift_sys.core.successors import Fork
from lift_sys.determinism.comparison.divergence import Divergences
from lift_sys.determinism.comparison.steps import compare_effects
from lift_sys.determinism.runs.playback import Playback
from lift_sys.determinism.runs.replaying import Answers
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.statistics import clopper_pearson
from lift_sys.determinism.views import Views
from lift_sys.execution.log import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameworkVerdict:
    """Whether equal results of nodes gave equal final states.

    Attributes:
        deterministic: The verdict; None if nothing could tell it.
        joins: How many joins with equal inputs were compared.
        orders: In how many orders of arrival the node results of the usual run were played again.
        states: How many different final states these gave.
        text: How it is known, in a sentence.
    """

    deterministic: bool | None
    joins: int = 0
    orders: int = 0
    states: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerdict:
    """How far the models' own outputs agreed.

    Attributes:
        stable: Whether all compared outputs agreed; None if no two answers could be compared.
        steps: Steps that called a model, as `address:node`.
        calls: Calls of all repeats.
        cached_calls: Those among them that a cache or a cassette answered.
        compared: How many executions of such steps, with answers of their own and equal inputs,
            were compared.
        agreeing: How many of them did what most did at their step.
        low, high: Clopper-Pearson interval of `agreeing / compared`, two-sided, 95 %.
        text: All that in a sentence.
    """

    stable: bool | None
    steps: tuple[str, ...] = ()
    calls: int = 0
    cached_calls: int = 0
    compared: int = 0
    agreeing: int = 0
    low: float = 0.0
    high: float = 1.0
    text: str = ""

    @property
    def agreement(self) -> float:
        """Share of the compared outputs that agree, 0 to 1."""
        return self.agreeing / self.compared if self.compared else 1.0


def judge_framework(
    sample: Sample, found: Divergences, played: Playback | None
) -> FrameworkVerdict:
    """Whether equal results of nodes gave equal final states.

    Args:
        sample: The repeats.
        found: Where they parted.
        played: What playing the usual run's results in other orders came to.
    """
    broken = next((origin for origin in found.origins if origin.kind == "join"), None)
    knows_steps = any(trace.steps for trace in sample.traces)
    has_forks = any(trace.has_forks for trace in sample.traces)
    deterministic: bool | None = True
    if broken is not None:
        deterministic = False
        text = f"equal results were joined to different states at {broken.label}"
    elif all(record.error is not None for record in sample.runs):
        deterministic = None
        text = "every run failed, so there is no final state to be judged by"
    elif played is not None and len(played.digests) > 1:
        deterministic = False
        text = (
            f"the usual run's results, arriving in {counted(played.orders, 'order')}, were joined to "
            f"{len(played.digests)} different states"
        )
    elif _races(sample):
        deterministic = None
        text = (
            "a RACE takes the branch that ends first, by definition; what those that it has cut "
            "off would have given is not known"
        )
    elif played is not None and played.is_faithful:
        text = (
            f"the usual run's results, arriving in {counted(played.orders, 'order')}, give the same state"
            f"{' each time' if played.orders > 1 else ''}"
        )
    elif found.joins:
        text = f"{counted(found.joins, 'comparison')} of joins with equal results: no difference"
    elif len(sample.traces) == 1 and has_forks:
        deterministic = None
        text = (
            f"all {len(sample.runs)} runs took the same course, and their results could not be "
            f"played again in another order"
        )
    elif len(sample.traces) == 1 and knows_steps:
        text = f"all {len(sample.runs)} runs took the same course"
    elif knows_steps and not has_forks:
        text = "there is no join, and each step was given what the one before had left"
    elif len(sample.outcomes) == 1:
        deterministic = True if knows_steps else None
        text = f"all {len(sample.runs)} runs ended alike"
        if not knows_steps:
            text += "; no steps are known, so the framework's part in it is not"
    else:
        deterministic = None
        text = "no two runs had equal results to be joined, so nothing was compared"
        if not knows_steps:
            text = (
                "the steps of a function are not known, so no difference can be told from its code"
            )
    return FrameworkVerdict(
        deterministic=deterministic,
        joins=found.joins,
        orders=0 if played is None else played.orders,
        states=0 if played is None else len(played.digests),
        text=text,
    )


def _races(sample: Sample) -> bool:
    given = (step.given for trace in sample.traces for step in trace.steps.values())
    return any(
        isinstance(fork, Fork) and isinstance(fork.rule, Race) and len(fork.nodes) > 1
        for fork in given
    )


def judge_model(sample: Sample, views: Views, answers: Answers) -> ModelVerdict:
    """How far the models' own outputs agreed, over all runs in which they answered anew.

    Args:
        sample: The repeats.
        views: What counts as equal.
        answers: What a cassette has answered meanwhile, if there was one.
    """
    asked = {address: usage for address, usage in sample.usage.items() if usage.calls}
    calls = sum(usage.calls for usage in asked.values())
    cached = sum(usage.cached_calls for usage in asked.values())
    missed = f"{counted(answers.misses, 'call')} found no answer in the cassette"
    if not calls and answers.hits + answers.live:
        return ModelVerdict(
            stable=None,
            calls=answers.hits + answers.live,
            cached_calls=answers.hits,
            text=(
                f"{counted(answers.hits + answers.live, 'call')}, {answers.hits} of them answered "
                f"by the cassette; which steps made them is not known, so none were compared"
                + (f"; {missed}" if answers.misses else "")
            ),
        )
    if not calls:
        known = any(trace.steps for trace in sample.traces)
        text = (
            "no model was called"
            if known
            else (
                "no call of a model was seen; in a function they are seen through a cassette only"
            )
        )
        if answers.misses:
            text = f"{missed}; no model was called"
        return ModelVerdict(stable=None, text=text)
    labels, compared, agreeing, unstable, failed = [], 0, 0, [], 0
    for address in sorted(asked, key=declared_order):
        met = answered(sample, address)
        steps = [trace.steps[address] for trace in sample.traces if address in trace.steps]
        labels.append(located(address, steps[0].node))
        failed += sum(count for step, count in met if step.error is not None)
        if len(kinds := compare_effects(met, views)) and sum(kinds) > 1:
            compared += sum(kinds)
            agreeing += max(kinds)
            if len(kinds) > 1:
                unstable.append(labels[-1])
    said = f"{counted(calls, 'call')}, {cached} of them answered by a cache or cassette"
    if answers.misses:
        said += f"; {missed}"
    if failed:
        said += f"; {counted(failed, 'step')} failed, which counts as an answer"
    verdict = ModelVerdict(stable=None, steps=tuple(labels), calls=calls, cached_calls=cached)
    if not compared:
        return replace(
            verdict,
            text=f"no two answers to equal inputs were given anew, so nothing is known ({said})",
        )
    low, high = clopper_pearson(agreeing, compared)
    where = f", first at {unstable[0]}" if unstable else ""
    return replace(
        verdict,
        stable=not unstable,
        compared=compared,
        agreeing=agreeing,
        low=low,
        high=high,
        text=(
            f"{agreeing} of {compared} outputs agree{where}: {low:.1%} to {high:.1%} (95 %); {said}"
        ),
    )


def answered(sample: Sample, address: str) -> list[tuple[StepTrace, int]]:
    """What the step at `address` did in the runs in which a model answered it anew, with counts."""
    counts: dict[int, int] = {}
    for record in sample.runs:
        if record.index in sample.fresh.get(address, ()):
            counts[record.trace] = counts.get(record.trace, 0) + 1
    steps = ((sample.traces[kind].steps[address], count) for kind, count in counts.items())
    return [(step, count) for step, count in steps if step.is_finished]
