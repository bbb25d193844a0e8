"""What an explored run does to the world outside of it: files, processes, its environment, threads.

No schedule controls what comes of that, so nothing that does it is proven. Python tells by audit
events; a hook can't be taken out again, so there is one in a process from the first exploration on,
which looks at one variable as long as nothing is explored.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_DOES = {
    "subprocess.Popen": "a process was started",
    "os.system": "a process was started",
    "os.fork": "a process was started",
    "os.exec": "a process was started",
    "os.putenv": "the environment was changed",
    "os.unsetenv": "the environment was changed",
    "os.chdir": "the working directory was changed",
    "os.remove": "a file was removed",
    "os.rename": "a file was renamed",
    "sqlite3.connect": "a database was opened",
}
# Code, and what belongs to Python and its packages, is read at import and for tracebacks.
_CODE = (".py", ".pyc", ".so", ".pyd")
_listeners: list[set[str]] = []


@contextmanager
def noticed(caveats: set[str]) -> Iterator[None]:
    """Add to `caveats` what happens inside of the block."""
    _install()
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        caveats.add("a thread was started")
        start(thread)

    threading.Thread.start = counted  # type: ignore[assignment, method-assign]
    _listeners.append(caveats)
    try:
        yield
    finally:
        _listeners.remove(caveats)
        threading.Thread.start = start  # type: ignore[method-assign]


@cache  # a hook stays for good, so one has to do
def _install() -> None:
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _listeners:
        return
    said = _DOES.get(event)
    if event == "open" and _is_data(arguments[0]):
        said = "a file was opened"
    if said is not None:
        for caveats in _listeners:
            caveats.add(said)


def _is_data(path: Any) -> bool:
    if not isinstance(path, (str, bytes)):
        return False  # a descriptor
    text = path.decode(errors="replace") if isinstance(path, bytes) else path
    return not text.endswith(_CODE) and not text.startswith((sys.prefix, sys.base_prefix, "/dev/"))
