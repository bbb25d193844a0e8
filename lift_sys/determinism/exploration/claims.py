"""What may be claimed from a search: the grade, what it is about, and what it takes for granted."""

from __future__ import annotations

from lift_sys.determinism.evidence import Evidence, Grade
from lift_sys.determinism.exploration.libraries import SUPPORTED
from lift_sys.determinism.exploration.portfolio import Search
from lift_sys.determinism.exploration.recorded import Recordings
from lift_sys.determinism.exploration.results import Verdict
from lift_sys.determinism.statistics import upper_bound
from lift_sys.execution.log import counted

_SPACES = {
    "completions": "which sleep, thread or answer ends next, as a plain event loop leaves it open",
    "ready": "which ready task goes on, and which sleep, thread or answer ends next",
}


def evidence_of(search: Search, verdict: Verdict, recordings: Recordings) -> Evidence:
    """The evidence of a search, never of a better grade than what was under control allows."""
    session = search.session
    count = session.schedules
    if verdict == "uncontrolled":
        return Evidence(grade=Grade.REPEATED, count=count, text=f"{search.uncontrolled}")
    if verdict != "same":
        failed = sum(
            seen.schedules
            for digest, seen in session.outcomes.items()
            if digest != search.plain.outcome.digest
        )
        return Evidence(
            grade=Grade.SAMPLED,
            count=count,
            text=f"{max(failed, 1)} of {count} schedules failed; each was chosen to do so, so this "
            f"is no estimate of how often it happens",
        )
    proven = search.finished and not session.caveats and not session.opaque
    grade = Grade.PROVEN if proven else Grade.SAMPLED
    if proven and search.strategy == "bounded":
        text = f"all {count} schedules there are were run, and all came to the same"
    elif proven:
        schedules = counted(count, "schedule")
        text = f"{schedules}, one at least for each order of steps that clash, came to the same"
    elif search.bound:
        grade = Grade.BOUNDED
        text = (
            f"all schedules with at most {search.bound} deviations from the plain one came to the "
            f"same, {count} in all"
        )
        return Evidence(grade=grade, count=search.bound, text=text, assumptions=_assumed(search))
    elif search.drawn:
        bound = upper_bound(search.drawn)
        text = (
            f"0 of {search.drawn} drawn schedules came to something else: at most {bound:.2%} of "
            f"schedules as these samplers draw them do (95 %), which is not how production does"
        )
    else:
        text = f"{count} schedules came to the same; not all that can matter were run"
    return Evidence(
        grade=grade, count=count, text=text, assumptions=_assumed(search, recordings=recordings)
    )


def _assumed(search: Search, *, recordings: Recordings | None = None) -> tuple[str, ...]:
    session = search.session
    texts = [
        "steps touch nothing else than what they were seen to touch: state in installed packages, "
        "C extensions, context variables and remote services is not seen unless `touch` declares it",
        f"these frameworks keep nothing that steps share: {', '.join(sorted(SUPPORTED))}",
        "no result holds a time that was measured: those depend on the schedule",
        "nobody looks at the order of keys in a dict that is a result, or at notes and attributes of an "
        "error: these are not compared",
    ]
    watched = sorted(session.watched)
    if watched:
        texts.append(
            f"watched for undeclared writes: {', '.join(watched[:8])}"
            + (f" and {len(watched) - 8} more" if len(watched) > 8 else "")
        )
    if session.opaque:
        texts.append(
            f"not watched, as libraries made them, so nothing is proven: "
            f"{', '.join(sorted(session.opaque)[:8])}"
        )
    if recordings is not None and recordings.entries:
        texts.append(
            f"{len(recordings.entries)} answers from outside were recorded once and given again"
        )
    if not session.caveats:
        texts.append("no threads, sockets or processes were used")
    return tuple(texts)


def scope_of(search: Search) -> tuple[str, ...]:
    """What the statement is about."""
    options = search.session.options
    texts = [
        "this target, this state and this version of the code",
        f"space {options.space}: {_SPACES[options.space]}",
    ]
    if options.strict:
        texts.append("sleeps end in the order of their durations")
    else:
        texts.append(
            "any sleep may end first, whatever its duration, unless a timer is due before it; "
            "other timers, such as deadlines, come last"
        )
    if not options.views.is_exact:
        texts.append(f"outcomes as they were compared: {options.views}")
    return tuple(texts)


def notes_of(search: Search) -> tuple[str, ...]:
    """What is worth knowing, and no failure."""
    notes = sorted(search.session.notes)
    session = search.session
    if search.given_up and not search.failing and not (session.caveats or session.opaque):
        notes.append(
            f"a proof takes more than the {search.given_up} schedules that it was given: a larger "
            f"`budget` may do, or strategy='bounded'"
        )
    if search.elsewhere:
        notes.append(
            "other event loops, or other versions of asyncio, may come to something else (space "
            f"'ready'): {search.elsewhere[0]}"
        )
    return tuple(notes)
