"""What attribution says: which sources the result moves with, where they are asked, on what grounds.

The report claims no more than was done: it names what was held and moved, what was not moved at all
and why, and how many runs it took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from lift_sys.determinism.attribution.settings import Source

Verdict: TypeAlias = Literal["guilty", "innocent", "uncontrolled", "undecided"]
"""Moving something changes the result; moving nothing does; it changes with everything held, or hangs on
threads, which nothing holds; or nothing can be told, by the runs that were allowed or as all of them fail."""

_MEANING: dict[Source, str] = {
    "schedule": "the order in which what is awaited comes back",
    "rng": "the process's random numbers",
    "clock": "the time",
    "entropy": "what the operating system draws",
    "hash_seed": "the hash seed, and so the order of sets",
    "address": "where objects lie in memory",
    "env": "the environment",
    "model": "what the model answers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A source that the result moves with, at one line of the user's.

    Attributes:
        source: What was moved.
        site: `file:line` of the user's code that asks it, the file relative to the current folder;
            empty where only libraries ask.
        sufficient: Whether moving it alone changes the result. If not, it does so together with
            `together`, or it is the stuff that another cause puts into another order.
        together: The other sources that have to move as well, where it is not sufficient.
        refinement: What a countermeasure has shown, such as "float reduction order", "order only",
            "set iteration" or "shared RNG drawn in completion order"; several are joined by commas.
        call: What is called at the site, such as `uuid.uuid4`.
        function: Qualified name of the function around the site.
        step: Step of the graph that ran it, such as "step 0.1 (fetch)"; empty outside a graph.
        waits: For a schedule: `file:line` of the await that others can overtake, if the site is a
            line behind it.
        difference: Path and two values of the first part of the result that differed.
    """

    source: Source
    site: str
    sufficient: bool
    together: tuple[Source, ...] = ()
    refinement: str = ""
    call: str = ""
    function: str = ""
    step: str = ""
    waits: str = ""
    difference: str = ""

    def __str__(self) -> str:
        where = f" at {self.site}" if self.site else ", asked by a library"
        within = " in ".join(part for part in (self.function, self.step) if part)
        called = f": {self.call}" if self.call else ""
        text = f"{self.source}{called}{where}" + (f" ({within})" if within else "")
        if self.together:
            text += f", together with {' and '.join(self.together)}"
        return text + (f": {self.refinement}" if self.refinement else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What results of a target depend on beside its state.

    Attributes:
        target: How the report calls it.
        verdict: "uncontrolled" where runs differ with everything held, and nothing is said about
            sources; or where nothing was seen to differ, but threads ran that nothing could hold.
        guilty: One cause for each source and line.
        innocent: Sources that were moved, or that nobody asked, without any effect on the result.
        untested: Sources that could not be moved here, with the reason.
        runs: How many times the target ran.
        difference: If uncontrolled, the first part of the result that differed.
        notes: What else there is to know.
        untried: What nothing here moves, so that the report is silent about it.
        elapsed: Seconds.
    """

    target: str
    verdict: Verdict
    guilty: list[Cause] = field(default_factory=list)
    innocent: tuple[Source, ...] = ()
    untested: Mapping[Source, str] = field(default_factory=dict)
    runs: int = 0
    difference: str = ""
    notes: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    elapsed: float = field(default=0.0, compare=False)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The guilty sources, each once."""
        return tuple(dict.fromkeys(cause.source for cause in self.guilty))

    def foremost(self, most: int) -> list[Cause]:
        """At most so many causes: of each source one, before there is a second line of any."""
        firsts = [next(c for c in self.guilty if c.source == source) for source in self.sources]
        others = [cause for cause in self.guilty if not any(cause is first for first in firsts)]
        return [*firsts, *others][:most]

    def to_dict(self) -> dict[str, Any]:
        """As JSON's types."""
        data = asdict(self)
        for name in ("innocent", "notes", "untried"):
            data[name] = list(data[name])
        for cause in data["guilty"]:
            cause["together"] = list(cause["together"])
        return data

    def __str__(self) -> str:
        lines = [f"{self.target}: {self._summary()} ({self.runs} runs, {self.elapsed:.1f} s)"]
        for cause in self.guilty:
            lines.append(f"  {cause}")
            if cause.waits:
                lines.append(f"    it comes behind the await at {cause.waits}")
            if cause.difference:
                lines.append(f"    {cause.difference}")
        if self.difference:
            lines.append(f"  {self.difference}")
        if self.innocent:
            lines.append(f"  innocent: {', '.join(self.innocent)}")
        lines += [f"  not tested: {source} ({why})" for source, why in self.untested.items()]
        if self.untried:
            lines.append(f"  not tried: {', '.join(self.untried)}")
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join(lines)

    def _summary(self) -> str:
        if self.verdict == "innocent":
            return "no divergence under any perturbation"
        if self.verdict == "undecided":
            return "nothing can be told"
        if self.verdict == "uncontrolled" and not self.difference:
            return "no divergence seen, but it runs threads, whose order is not controlled"
        if self.verdict == "uncontrolled":
            return "runs differ with everything held: threads, C code or the outside world"
        return "depends on " + " and ".join(_MEANING[source] for source in self.sources)
