"""`import lift_sys`: CPU time over a bare interpreter, and what it does not load."""

from __future__ import annotations

import resource
import subprocess
import sys

from figures import Figure

HEAVY = ("pydantic", "dspy", "pydantic_ai", "rich")
ROUNDS = 25


def _cpu(code: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure() -> list[Figure]:
    """The least of many fresh interpreters, taking turns."""
    check = f"import lift_sys, sys; assert not {{*{HEAVY!r}}} & {{*sys.modules}}"
    _cpu(check)
    ours, bare = float("inf"), float("inf")
    for _ in range(ROUNDS):
        ours = min(ours, _cpu("import lift_sys"))
        bare = min(bare, _cpu("pass"))
    note = f"without {', '.join(HEAVY)}"
    return [
        Figure(name="import lift_sys", value=(ours - bare) * 1000, unit="ms", goal=60.0, note=note)
    ]
