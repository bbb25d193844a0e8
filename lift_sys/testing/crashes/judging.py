"""What went wrong with a run that was killed and went on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lift_sys.testing.crashes.rehearsal import DIARY

_MOST = 6  # differences that are shown
_WIDEST = 200  # characters of a value


def differences(one: Any, other: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two values of JSON differ: the path, and both values; None where there is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            inner = f"{path}.{key}" if path else str(key)
            yield from differences(one.get(key), other.get(key), inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, f"{path}[{index}]")
    elif one != other or type(one) is not type(other):
        yield path, one, other


def told(one: Any, other: Any, *, usual: str, unusual: str) -> list[str]:
    """The differences of two results, a line each."""
    found = list(differences(one, other))
    lines = [
        f"{path}: {_short(left)} {usual}, {_short(right)} {unusual}"
        for path, left, right in found[:_MOST]
    ]
    if len(found) > _MOST:
        lines.append(f"and {len(found) - _MOST} more")
    return lines


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _WIDEST else f"{text[:_WIDEST]}..."


def begun(folder: Path) -> Counter[str]:
    """How often an attempt of each step was begun."""
    words = (line.split(" ", 1) for line in _diary(folder))
    return Counter(word[1] for word in words if word[0] == "begun")


def begun_again(folder: Path, usual: Mapping[str, int]) -> list[str]:
    """Steps of which an attempt was begun though they, or steps after them, were kept.

    A step inside of a step that fails and is repeated is begun once for each time, so what a run
    does without a crash after its first attempt is allowed to it.

    Args:
        folder: Of the run.
        usual: How often an attempt of each step is begun without a crash.
    """
    found: dict[str, None] = {}
    kept: dict[str, list[tuple[int, int]]] = {}
    counted: Counter[str] = Counter()
    for line in _diary(folder):
        word, _, address = line.partition(" ")
        if word == "process":
            counted.clear()
        elif word == "kept":
            kept[address] = _path(address)
        elif ">" in address:
            counted[address] += 1
            if address in kept and counted[address] > usual.get(address, 1) - 1:
                found[address] = None
        elif address in kept or any(_is_past(_path(address), later) for later in kept.values()):
            found[address] = None
    return list(found)


def begun_early(folder: Path) -> list[str]:
    """Steps of which an attempt was begun before the step that leads to them was kept."""
    found: dict[str, None] = {}
    kept: set[str] = set()
    for line in _diary(folder):
        word, _, address = line.partition(" ")
        if word == "kept":
            kept.add(address)
        elif word == "begun" and (before := _leading_to(address)) and before not in kept:
            found[address] = None
    return list(found)


def _leading_to(address: str) -> str:
    """The step before, or the one that forked; "" where there is none."""
    outer, inside, walk = address.rpartition(">")
    place, sign, number = re.fullmatch(r"(.*?)([./~]?)(\d+)", walk, re.DOTALL).groups()  # type: ignore[union-attr]
    if sign == "~" or (sign == "." and "~" in place.rpartition("/")[2]):
        return ""  # what a step calls by itself
    if sign == "/" and int(number) > 1:
        place = f"{place}/{int(number) - 1}"
    elif not sign:
        place = str(int(number) - 1) if int(number) else ""
    return f"{outer}{inside}{place}" if place else ""


def _path(address: str) -> list[tuple[int, int]]:
    """The branch and the step in it, for each walk that the step is in."""
    path: list[tuple[int, int]] = []
    for sign, number in re.findall(r"([./]?)(\d+)", address.partition(">")[0]):
        if sign == "/":
            path[-1] = path[-1][0], int(number)
        else:
            path.append((int(number), 0) if sign else (0, int(number)))
    return path


def _is_past(path: list[tuple[int, int]], other: list[tuple[int, int]]) -> bool:
    """Whether a walk has left the first step, and what it forked, behind at the other one."""
    for (branch, step), (twin, later) in zip(path, other, strict=False):
        if branch != twin:
            return False
        if step != later:
            return step < later
    return False


def _diary(folder: Path) -> list[str]:
    path = folder / DIARY
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
