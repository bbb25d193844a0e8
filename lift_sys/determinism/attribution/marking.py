"""Functions that exist already, made to mark their readings of sets: for runs in forks.

A module that is imported anew is loaded with marks; a function that no other process can import gets
its code exchanged instead, in the child that ends with the run.
"""

from __future__ import annotations

import gc
import inspect
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from lift_sys.determinism.attribution import instrument
from lift_sys.determinism.attribution.frames import Frames


def is_markable(target: Any) -> bool:
    """Whether the file that a target is defined in can be read and compiled anew."""
    try:
        kind = target if inspect.isroutine(target) else type(target)
        return bool(_marked_codes(inspect.getfile(kind)))
    except (OSError, TypeError):
        return False


def marked_functions(frames: Frames) -> list[tuple[FunctionType, CodeType]]:
    """All functions of the user's in this process, each with its marked code.

    Call it before forking: in a process with many modules, such as that of a test suite, it takes a
    second to compile them.
    """
    found = []
    for function in gc.get_objects():
        if type(function) is not FunctionType or not frames.is_user(function.__code__.co_filename):
            continue
        code = function.__code__
        marked = _marked_codes(code.co_filename).get((code.co_qualname, code.co_firstlineno))
        # A closure can only take code that closes over the same names.
        if marked is not None and marked.co_freevars == code.co_freevars:
            found.append((function, marked))
    return found


# A process runs what it has loaded, whatever becomes of the file later.
@cache
def _marked_codes(file: str) -> dict[tuple[str, int], CodeType]:
    """By name and line, the marked code of each function in a file; empty if it is no Python."""
    try:
        module: CodeType = instrument.compiled(Path(file).read_bytes(), file)
    except (OSError, SyntaxError, ValueError):
        return {}
    found: dict[tuple[str, int], CodeType] = {}
    twice: set[tuple[str, int]] = set()  # two lambdas in one line
    waiting = [module]
    while waiting:
        inner = [const for const in waiting.pop().co_consts if isinstance(const, CodeType)]
        for code in inner:
            key = code.co_qualname, code.co_firstlineno
            if key in found:
                twice.add(key)
            found[key] = code
        waiting += inner
    return {key: code for key, code in found.items() if key not in twice}
