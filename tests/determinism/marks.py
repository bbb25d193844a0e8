"""Reads the lines that a program of `culprits` marks as guilty."""

import inspect
import re
from pathlib import Path


def marked(*parts):
    """Source, file name and line of every mark `# guilty: SOURCE, ...` in functions or classes."""
    found = set()
    for part in parts:
        lines, start = inspect.getsourcelines(part)
        name = Path(inspect.getsourcefile(part)).name
        for number, line in enumerate(lines, start):
            mark = re.search(r"# guilty: ([\w, ]+)", line)
            if mark:
                found |= {(source, f"{name}:{number}") for source in mark[1].split(", ")}
    return found


def named(attribution):
    """Source, file name and line of every cause."""
    return {(cause.source, cause.site.rpartition("/")[2]) for cause in attribution.guilty}
