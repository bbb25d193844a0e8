"""The first step that differed: where a difference came from, as opposed to who passed it on.

Two runs are compared step by step, in declared order. A step whose inputs agreed and whose effect
did not is an *origin*; one whose inputs differed already has only passed a difference on. A join is
a step of its own here: its inputs are what the fork and its branches did, its effect is the state
that the next step was given, or that the run ended with. Each kind of run is compared with the kind that most runs of the modal
outcome are of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lift_sys.core.address import declared_order, located
from lift_sys.determinism.comparison.pairs import (
    Difference,
    end_differences,
    join_differences,
    same_inputs,
    state_differences,
    step_differences,
)
from lift_sys.determinism.runs.outcome import Failure
from lift_sys.determinism.runs.runtrace import RunTrace
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergence:
    """A step that did something else although it was given the same.

    Attributes:
        address, node: The step; for a join that of its fork. The address is empty for what stands
            outside of all steps: the state's factory, and what joins a list of nodes.
        kind: "model" (a step that called a model), "node" (any other), "join", or "input" (the
            factory made another state).
        runs: Numbers of the runs that differ from the modal one here.
        other: One of them, the example that `differences` is about.
        differences: Where what it wrote or returned differs, at most 20.
    """

    address: str
    node: str
    kind: str
    runs: tuple[int, ...]
    other: int
    differences: tuple[Difference, ...]

    @property
    def label(self) -> str:
        """The step as `address:node`."""
        return located(self.address, self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divergences:
    """Where kinds of runs part.

    Attributes:
        first: The earliest origin; None if there is none, or no steps are known.
        origins: All origins, in declared order.
        passed_on: Steps that only passed a difference on, as `address:node`.
        modal_run: Number of the run that the others are compared with.
        joins: How many joins with equal inputs were compared.
    """

    first: Divergence | None
    origins: tuple[Divergence, ...]
    passed_on: tuple[str, ...]
    modal_run: int
    joins: int


def find_divergences(sample: Sample, views: Views, *, target: str = "") -> Divergences:
    """Compare all kinds of runs with the modal one; `target` is what a join without a step is of."""
    modal = [record for record in sample.runs if record.outcome == 0]
    kind = Counter(record.trace for record in modal).most_common(1)[0][0]
    modal_run = next(record.index for record in modal if record.trace == kind)
    usual = sample.traces[kind]
    found: dict[str, list[tuple[int, Divergence]]] = {}
    passed: dict[str, str] = {}
    joins = 0
    models = frozenset(address for address, usage in sample.usage.items() if usage.calls)
    for number, trace in enumerate(sample.traces):
        runs = tuple(record.index for record in sample.runs if record.trace == number)
        if number == kind:
            continue
        here = 0
        for step in _compare(usual, trace, views, runs, models, passed):
            if isinstance(step, Divergence):
                here += 1
                found.setdefault(step.address + step.kind, []).append((number, step))
            else:
                joins += 1
        alike = sample.run(runs[0]).given == sample.run(modal_run).given
        whole = not (_is_cut_off(usual) or _is_cut_off(trace))
        if usual.steps and not here and alike and whole:
            # All that both runs did is equal, so what they ended with was made of equal results.
            joins += 1
            if changes := end_differences(usual, trace, views):
                end = Divergence(
                    address="",
                    node=target,
                    kind="join",
                    runs=runs,
                    other=runs[0],
                    differences=changes,
                )
                found.setdefault("join", []).append((number, end))
    given = _given_differently(sample, modal_run, kind, views)
    if given is not None:
        found["input"] = [(kind, given)]
    origins = sorted((_united(same) for same in found.values()), key=_place)
    nested = {o.address for o in origins if any(_is_inside(p.address, o.address) for p in origins)}
    for origin in origins:
        if origin.address in nested and origin.kind != "join":
            passed[origin.address] = origin.label
    origins = [o for o in origins if o.address not in nested or o.kind == "join"]
    return Divergences(
        first=origins[0] if origins else None,
        origins=tuple(origins),
        passed_on=tuple(passed[at] for at in sorted(passed, key=declared_order)),
        modal_run=modal_run,
        joins=joins,
    )


def _given_differently(
    sample: Sample, modal_run: int, kind: int, views: Views
) -> Divergence | None:
    """The state's factory as an origin, if it made different states."""
    usual = sample.run(modal_run).given
    others = [record for record in sample.runs if record.given != usual]
    if not others:
        return None
    left = next(iter(sample.traces[kind].in_declared_order()), None)
    right = next(iter(sample.traces[others[0].trace].in_declared_order()), None)
    changes = []
    if left is not None and right is not None:
        changes = state_differences(left.before, right.before, views)
    return Divergence(
        address="",
        node="the state's factory",
        kind="input",
        runs=tuple(record.index for record in others),
        other=others[0].index,
        differences=tuple(changes),
    )


def _is_cut_off(trace: RunTrace) -> bool:
    """Whether a run was ended from outside, so that its ending says nothing of its steps."""
    return isinstance(trace.ending, Failure) and trace.ending.type == "TimeoutError"


def _place(origin: Divergence) -> tuple[list[tuple[int, int]], bool]:
    # A join stands after the branches that it joins, and before the walk's next step.
    place = declared_order(origin.address)
    if not place and origin.kind == "join":
        place = [(1, 1 << 30)]
    return ([*place, (1, 1 << 30)] if origin.kind == "join" else place), origin.kind == "join"


def _is_inside(address: str, step: str) -> bool:
    """Whether a step is one that the step at `step` runs by itself: a subgraph's, or a call's."""
    return address != step and address.startswith((f"{step}>", f"{step}~"))


def _united(same: Sequence[tuple[int, Divergence]]) -> Divergence:
    first = same[0][1]
    runs = tuple(sorted(run for _, divergence in same for run in divergence.runs))
    return Divergence(
        address=first.address,
        node=first.node,
        kind=first.kind,
        runs=runs,
        other=first.other,
        differences=first.differences,
    )


def _compare(
    usual: RunTrace,
    other: RunTrace,
    views: Views,
    runs: tuple[int, ...],
    models: frozenset[str],
    passed: dict[str, str],
) -> Iterator[Divergence | None]:
    """Origins of the differences between two runs; None for each join that was compared."""
    for step in usual.in_declared_order():
        twin = other.steps.get(step.address)
        if twin is None or not (step.is_finished and twin.is_finished):
            continue  # a branch that was cancelled, or not reached, is a consequence of another step
        if step.node != twin.node:
            continue  # another successor was taken before
        if not same_inputs(step, twin, views):
            if step.effect != twin.effect:
                passed.setdefault(step.address, located(step.address, step.node))
            continue
        if step.effect != twin.effect and (changes := step_differences(step, twin, views)):
            calls = step.address in models
            yield Divergence(
                address=step.address,
                node=step.node,
                kind="model" if calls else "node",
                runs=runs,
                other=runs[0],
                differences=changes,
            )
            continue
        if step.is_fork and _fork_agrees(usual, other, step.address, views):
            joined, twins = usual.joined(step.address), other.joined(step.address)
            if joined is None or twins is None:
                continue
            yield None
            if changes := tuple(join_differences(joined, twins, views)):
                yield Divergence(
                    address=step.address,
                    node=step.node,
                    kind="join",
                    runs=runs,
                    other=runs[0],
                    differences=changes,
                )


def _fork_agrees(usual: RunTrace, other: RunTrace, fork: str, views: Views) -> bool:
    """Whether all steps of a fork's branches that both runs finished did the same."""
    for address, step in usual.steps.items():
        twin = other.steps.get(address)
        if twin is None or not address.startswith(f"{fork}."):
            continue
        both = step.is_finished and twin.is_finished
        if both and step.effect != twin.effect and step_differences(step, twin, views):
            return False
    return True
