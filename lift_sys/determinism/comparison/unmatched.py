"""Options of a comparison that fit nothing: a slip of the pen there is a verdict on something else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from lift_sys.core.likeness import closest
from lift_sys.determinism.comparison.fields import own_fields
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.views import Views, items_of, json_path
from lift_sys.state.parts import Node, Part
from lift_sys.state.paths import Key, Path
from lift_sys.state.snapshot import Snapshot

# More places than this are not looked at: of larger states a path that fits nothing goes unsaid.
_MOST_PLACES = 100_000
_DEEPEST = 50
_MOST_NAMED = 6
# Beside the state; steps have them too, which are no part of what is looked at here.
_BESIDE = ("output", "error", "successor")


def unmatched_notes(sample: Sample, views: Views) -> list[str]:
    """A sentence for each path of the views that is nowhere in any run.

    Args:
        sample: The repeats: their outcomes, and the states between their steps, are looked at.
        views: The options.
    """
    named = {
        "ignore": views.ignore,
        "tolerance": [path for path, _ in views.tolerance],
        "multiset": views.multiset,
    }
    notes = [
        f"{path!r} of `multiset` is no list, but {kind}: it is compared as it stands"
        for path in views.multiset
        if (kind := _no_list(sample, views, path))
    ]
    wanted = {path for paths in named.values() for path in paths}
    if any(trace.steps for trace in sample.traces):
        wanted = {path for path in wanted if not path.startswith(_BESIDE)}
    known: dict[str, None] = {}
    places = islice(_places(sample), _MOST_PLACES) if wanted else iter(())
    for seen, (place, _) in enumerate(places, start=1):
        known.setdefault(json_path(place))
        wanted = {path for path in wanted if not views.fits(path, place)}
        if not wanted or seen == _MOST_PLACES:
            return notes
    return notes + [
        f"{path!r} of `{name}` fits nothing in any run{_instead(path, list(known))}"
        for name, paths in named.items()
        for path in paths
        if path in wanted
    ]


def nothing_compared(sample: Sample, views: Views) -> str:
    """A sentence, if `ignore` leaves out all that the runs came to, so that all of them agree."""
    paths = [path for each in sample.outcomes for path in own_fields(each.snapshot.root)]
    if not paths or not all(map(views.ignores, paths)):
        return ""
    there = ", ".join(dict.fromkeys(map(json_path, paths)))
    return f"nothing was compared: `ignore` leaves out all that a run comes to ({there}); leave out less"


def _no_list(sample: Sample, views: Views, pattern: str) -> str:
    """What stands at the path instead of a list, as "a str"; empty where any list does."""
    found = ""
    for place, node in islice(_places(sample), _MOST_PLACES):
        if not views.fits(pattern, place) or views.fits(pattern, place[:-1]):
            continue
        if isinstance(node, (str, bytes, int, float)):
            found = found or f"a {type(node).__name__}"
        elif node is not None:
            return ""
    return found


def _instead(path: str, known: list[str]) -> str:
    if close := closest(path, known):
        return f": did you mean {close!r}?"
    shown = [place for place in known if place != "$"]
    more = ", ..." if len(shown) > _MOST_NAMED else ""
    return f"; there are {', '.join(shown[:_MOST_NAMED])}{more}" if shown else ""


def _places(sample: Sample) -> Iterator[tuple[Path, Node]]:
    """All paths of outcomes, then of the states that steps were given and left."""
    for outcome in sample.outcomes:
        for key, value in outcome.snapshot.root.values.items():
            if value not in (None, ""):
                yield from _below(value, (key,))
    seen: set[int] = set()
    for trace in sample.traces:
        for step in trace.steps.values():
            for notes in (step.noted_before, step.noted_after):
                if id(notes) not in seen:
                    seen.add(id(notes))
                    for key, value in notes.root.values.items():
                        yield from _below(value, (key,))
        states = [each for step in trace.steps.values() for each in (step.before, step.after)]
        for state in (trace.ending, *states):
            if isinstance(state, Snapshot) and id(state) not in seen:
                seen.add(id(state))
                yield from _below(state.root, ("state",))


def _below(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    yield path, node
    if len(path) > _DEEPEST:
        return
    if isinstance(node, Part) and isinstance(node.values, dict):
        for key, value in node.values.items():
            yield from _below(value, (*path, node.step(key)))
    elif isinstance(node, tuple) or (
        isinstance(node, Part) and isinstance(node.values, (list, tuple))
    ):
        for index, value in enumerate(items_of(node)):
            yield from _below(value, (*path, Key(index)))
