"""What comes before what in a run, and what is over, told by addresses; see `lift_sys.core.address`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lift_sys.core.address import RANK, places
from lift_sys.durability.facts import Fact, Kind


def branch_with(address: str, fork: str) -> int | None:
    """The branch of the step `fork` in which a step stands; None if it does not stand in one.

    A step of a run inside of a branch does not: that is another walk.
    """
    rest = address.removeprefix(f"{fork}.")
    if rest == address or ">" in rest or "~" in rest:
        return None
    return int(rest.replace("/", ".").partition(".")[0])


def is_before(kind: Kind, address: str, at: str, *, stops: bool = False) -> bool:
    """Whether a fact had to be there before the step `at` began, or is of a branch beside it.

    Args:
        kind: The fact's kind.
        address: The fact's address.
        at: The step's.
        stops: Whether the fact ends the whole run; nothing comes after it, nor beside it.
    """
    if kind == "started":
        return False
    given, wanted = places(address), places(at)
    for index, (one, other) in enumerate(zip(given, wanted, strict=False)):
        if one == other:
            continue
        if one[0] == other[0] == ".":  # branches of one fork stand side by side
            return not stops or any(sign == "~" for sign, _ in given[index:])
        return (RANK[one[0]], one[1]) < (RANK[other[0]], other[1])
    if len(given) > len(wanted):
        return False
    if kind == "edit" or len(given) == len(wanted):
        return kind == "edit"
    # A step around the one that is meant: it forked before, or is still at work.
    return kind == "step" and wanted[len(given)][0] == "."


def moot_steps(facts: Sequence[Fact]) -> Callable[[str], str]:
    """Tells of an address why nobody waits for a step there any more; "" if somebody may."""
    joined = {fact.address for fact in facts if fact.kind == "join" and "stops" not in fact.body}
    finished = {fact.address for fact in facts if fact.kind == "step"}
    # A run inside a step stands below its last `>`.
    stopped = {
        fact.address[: fact.address.rfind(">") + 1]: fact.address
        for fact in facts
        if fact.kind == "step" and "stops" in fact.body
    }

    def why(address: str) -> str:
        for place, sign in enumerate(address):
            around = address[:place]
            if sign == "." and around in joined:
                return f"step {around} was joined without it"
            if sign in ">~" and around in finished:
                return f"step {around} has finished"
        for place in (0, *(place + 1 for place, sign in enumerate(address) if sign == ">")):
            stop = stopped.get(address[:place], address)
            if stop != address:
                return f"step {stop} has stopped the run"
        return ""

    return why
