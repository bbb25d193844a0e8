"""Where the tasks of a loop are waiting, as lines of the user's own code.

`Task.get_stack` shows one frame of a suspended task, the outermost; what a person needs is the line
that waits, so this follows the chain of awaits inwards. Nothing here changes a task.
"""

from __future__ import annotations

import asyncio
import linecache
import os
from typing import Any

from lift_sys.execution.awaited import frames_of

_LIBRARY = os.path.dirname(os.path.abspath(asyncio.__file__))


def describe_waiting(loop: asyncio.AbstractEventLoop) -> tuple[str, ...]:
    """Say for each unfinished task of `loop` where it waits, in the order of their names.

    Each is one text such as `Task-2: in fetch (app.py:12) at read (app.py:30): await line.get()`.
    """
    tasks = [task for task in asyncio.all_tasks(loop) if not task.done()]
    tasks.sort(key=lambda task: (len(task.get_name()), task.get_name()))
    return tuple(f"{task.get_name()}: {_describe(task)}" for task in tasks)


def _describe(task: asyncio.Task[Any]) -> str:
    frames = list(frames_of(task.get_coro()))
    own = [frame for frame in frames if not frame.f_code.co_filename.startswith(_LIBRARY)]
    if not own:
        return f"in {getattr(task.get_coro(), '__qualname__', 'a finished coroutine')}"
    places = [
        f"{frame.f_code.co_qualname} ({frame.f_code.co_filename}:{frame.f_lineno})" for frame in own
    ]
    last = own[-1]
    source = linecache.getline(last.f_code.co_filename, last.f_lineno).strip()
    return "in " + " at ".join(places) + (f": {source}" if source else "")
