"""`import lift_sys`: CPU time over a bare interpreter, and what it does not load."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from figures import Figure

HEAVY = ("pydantic", "dspy", "pydantic_ai", "rich")
ROUNDS = 25

# Users have bytecode beside the sources: without it every start would compile them anew.
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, env=ENVIRONMENT, capture_output=True, text=True
    )
    return done.stdout


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(code)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> list[Figure]:
    """The least of many fresh interpreters, taking turns."""
    # Before the timing, which also leaves bytecode behind.
    loaded = _run(f"import lift_sys, sys; print(*{{*{HEAVY!r}}} & {{*sys.modules}})").split()
    ours, bare, first = float("inf"), float("inf"), float("inf")
    for _ in range(ROUNDS):
        ours = min(ours, _cpu("import lift_sys"))
        first = min(first, _cpu("from lift_sys import BaseNode, End, RunContext"))
        bare = min(bare, _cpu("pass"))
    return [
        Figure(
            name="import lift_sys",
            value=(ours - bare) * 1000,
            unit="ms",
            goal=60.0,
            note=f"bare interpreter {bare * 1000:.0f} ms",
        ),
        Figure(
            name="import of the names of a node",
            value=(first - bare) * 1000,
            unit="ms",
            note="BaseNode, End, RunContext",
        ),
        Figure(
            name="heavy packages that it loads",
            value=len(loaded),
            unit="",
            goal=0,
            note=" ".join(loaded) or f"none of {', '.join(HEAVY)}",
        ),
    ]
