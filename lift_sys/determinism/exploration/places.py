"""Where tasks wait, as lines of the user's own code.

`Task.get_stack` shows one frame of a suspended task, the outermost; what a person needs is the line
that waits, so this follows the chain of awaits inwards.
"""

from __future__ import annotations

import asyncio
import linecache
import os
from collections.abc import Iterable
from types import FrameType
from typing import Any

from lift_sys.determinism.exploration.tasks import ControlledTask
from lift_sys.execution.awaited import frames_of

_LIBRARIES = (
    os.path.dirname(os.path.abspath(asyncio.__file__)),
    os.path.dirname(os.path.abspath(__file__)),
)


def waiting_lines(tasks: Iterable[ControlledTask]) -> tuple[str, ...]:
    """Say for each unfinished task where it waits: `0.1: in fetch (app.py:12): await lock...`."""
    return tuple(
        f"{task.label}: {_describe(task)}" for task in tasks if not asyncio.Task.done(task)
    )


def line_of(task: asyncio.Task[Any]) -> str:
    """The innermost line of the user's at which a suspended task stands, as `file.py:12`."""
    own = _own_frames(task)
    return f"{os.path.basename(own[-1].f_code.co_filename)}:{own[-1].f_lineno}" if own else ""


def _describe(task: asyncio.Task[Any]) -> str:
    own = _own_frames(task)
    if not own:
        return f"in {getattr(task.get_coro(), '__qualname__', 'a finished coroutine')}"
    last = own[-1]
    name, number = last.f_code.co_filename, last.f_lineno
    source = linecache.getline(name, number).strip()
    return f"in {last.f_code.co_qualname} ({name}:{number})" + (f": {source}" if source else "")


def _own_frames(task: asyncio.Task[Any]) -> list[FrameType]:
    frames = list(frames_of(task.get_coro()))
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_LIBRARIES)]
    # The engine is not asyncio, but what waits is the node that it runs.
    theirs = [
        frame
        for frame in own
        if not frame.f_globals.get("__name__", "").startswith(("lift_sys.", "anyio."))
    ]
    return theirs or own
