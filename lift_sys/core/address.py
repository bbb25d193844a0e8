"""Where a step stands in a run, as text that is a function of the path alone.

Steps of a walk are numbered from 0; `.b` enters branch b of the fork that a step started; `/k` is
a branch's step k (its first is left out); `>` enters the graph that a `Subgraph` step runs; `~c` is
call c that a step makes by itself: of an executor, whose nodes are branches of it, or of a graph,
of which the first is written without it: `3`, `3.2`, `3.2/1`, `3.2/1.0`, `3>0`, `3~0.2`, `3~1>0`.
The same address appears in events, logs, errors and reports.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(r"([./>~]?)(\d+)")
# What a step calls comes before the fork that it returns, and both before the walk's next step.
RANK = {"~": 0, ".": 1, "/": 2}


def step_address(prefix: str, step: int) -> str:
    """Address of step number `step` in the walk that starts at `prefix` ("" for a run's own)."""
    if not prefix or prefix[-1] == ">":
        return f"{prefix}{step}"
    return f"{prefix}/{step}" if step else prefix


def branch_address(fork: str, index: int) -> str:
    """Address of branch `index` (from 0) of the fork that the step at `fork` started."""
    return f"{fork}.{index}"


def inner_address(step: str) -> str:
    """Prefix of all steps of the graph that the step at `step` runs."""
    return f"{step}>"


def call_address(step: str, number: int) -> str:
    """Address of call `number` (from 0) of an executor that the step at `step` makes by itself."""
    return f"{step}~{number}"


def located(address: str, node: str) -> str:
    """An address written with its node: `3.2:Search`."""
    return f"{address}:{node}" if address else node


def declared_order(address: str) -> list[tuple[int, int]]:
    """Sort key: steps in the order of their walks, calls in theirs, branches in declared order."""
    return [(RANK[sign], number) for sign, number in places(address)]


def places(address: str) -> list[tuple[str, int]]:
    """An address with nothing left out: `/` and a step's number after each walk that it enters.

    `0.2/1>3` is step 0 of the run, branch 2, step 1, its first run inside, step 3 of that.
    """
    found: list[tuple[str, int]] = []
    for sign, text in _TOKEN.findall(address):
        number = int(text)
        if sign == ".":
            found += [(".", number), ("/", 0)]
        elif sign == "/" and found:
            found[-1] = ("/", number)
        elif sign == "~":
            found.append(("~", number))
        else:  # a run's own step; `>` is also how the first run inside a step is written
            if sign == ">" and found and found[-1][0] == "/":
                found.append(("~", 0))
            found.append(("/", number))
    return found
