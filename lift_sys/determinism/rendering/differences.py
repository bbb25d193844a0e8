"""Two values against each other: what differs is marked by words, signs and colour."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from lift_sys.determinism.comparison.pairs import Difference
from lift_sys.determinism.rendering.markup import Markup, joined, tag
from lift_sys.determinism.reporting.text import around_difference

if TYPE_CHECKING:
    from lift_sys.determinism.exploration.results import CounterExample

_SHOWN = 400  # letters of a value around the place where it begins to differ
_PIECE = re.compile(r"\w+|\s+|.", re.DOTALL)


def difference_block(
    path: str,
    usual: str,
    other: str,
    *,
    hint: str = "",
    labels: tuple[str, str] = ("usual", "other"),
) -> Markup:
    """One place at which two runs differ."""
    texts = around_difference(usual or "(nothing)", other or "(nothing)", width=_SHOWN)
    left, right = _marked(*texts)
    return tag(
        "div",
        tag("p", tag("code", path), f" {hint}" if hint else None, class_="path"),
        _line("−", labels[0], left, "del"),
        _line("+", labels[1], right, "ins"),
        class_="diff",
    )


def outcome_block(example: CounterExample, labels: tuple[str, str] = ("usual", "other")) -> Markup:
    """What a schedule comes to, against what the plain one does; alone if that is the same."""
    if example.is_plain:
        return tag("p", tag("code", str(example.outcome)))
    return difference_block("outcome", str(example.expected), str(example.outcome), labels=labels)


def difference_blocks(differences: Sequence[Difference], *, most: int) -> list[Markup]:
    """The first `most` of them, and how many more there are."""
    blocks = [difference_block(each.path, each.usual, each.other) for each in differences[:most]]
    left = len(differences) - most
    return [*blocks, tag("p", f"and {left} more", class_="muted")] if left > 0 else blocks


def _line(sign: str, label: str, value: Markup, kind: str) -> Markup:
    return tag(
        "div",
        tag("span", f"{sign} {label}", class_="sign"),
        tag("pre", value),
        class_=f"line {kind}",
    )


def _marked(usual: str, other: str) -> tuple[Markup, Markup]:
    """Both values, with the pieces that are in one of them only marked."""
    ours, theirs = _PIECE.findall(usual), _PIECE.findall(other)
    left: list[Markup | str] = []
    right: list[Markup | str] = []
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        here, there = "".join(ours[a:b]), "".join(theirs[c:d])
        if kind == "equal":
            left.append(here)
            right.append(there)
        else:
            left.append(tag("del", here) if here else "")
            right.append(tag("ins", there) if there else "")
    return joined(left), joined(right)
