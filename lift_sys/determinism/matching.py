"""Whether two bags can be paired off: by augmenting paths (Kuhn, Naval Research Logistics 2, 1955).

Values within a tolerance of each other are no classes, as a and b, and b and c, may be close without
a and c being so; so sorting and comparing, or taking the first that fits, would be wrong.
"""

from __future__ import annotations

from collections.abc import Callable


def can_pair(count: int, fits: Callable[[int, int], bool]) -> bool:
    """Whether each of `count` left items can have a right item of its own that fits it.

    Args:
        count: How many there are on either side.
        fits: Whether the left and the right item of these numbers may be a pair; it is asked once
            for each pair at most.
    """
    options: list[list[int]] = []
    held: dict[int, int] = {}  # by the left item, its right one
    owner: dict[int, int] = {}  # the other way round
    for left in range(count):
        # Its own place first: most lists that differ are almost in order.
        places = [left, *range(left), *range(left + 1, count)]
        options.append([right for right in places if fits(left, right)])
        if not _placed(left, options, held, owner):
            return False
    return True


def _placed(
    newcomer: int, options: list[list[int]], held: dict[int, int], owner: dict[int, int]
) -> bool:
    """Find a right item for one more, for which others may have to change theirs."""
    asked_by: dict[int, int] = {}
    waiting = [newcomer]
    for left in waiting:
        for right in options[left]:
            if right in asked_by:
                continue
            asked_by[right] = left
            if right in owner:
                waiting.append(owner[right])
                continue
            free: int | None = right
            while free is not None:
                taker = asked_by[free]
                before = held.get(taker)
                held[taker], owner[free] = free, taker
                free = before
            return True
    return False
