"""Environment and file system: variables, user, host, process, folders, and the order in them.

A level is put in force as a whole at the start of a run (`enter_surroundings`). Where only one site
is to be moved, nothing is put in force, and the answer is changed for that site alone.
"""

from __future__ import annotations

import datetime
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from random import Random
from types import TracebackType
from typing import Any, cast

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.aliases import Replacements
from lift_sys.determinism.attribution.surroundings import Moved

LOCAL_TIME = " in local time"
"""How the name of a call ends that asks the environment for its time zone."""


def patch_env(controls: Controls, replaced: Replacements) -> None:
    """Patch what tells a program where it runs."""
    _watch_variables(controls)
    _patch_folders(controls, replaced)
    for owner, name, attribute in (
        (os, "cpu_count", "cpus"),
        (os, "process_cpu_count", "cpus"),  # since Python 3.13
        (socket, "gethostname", "host"),
        (platform, "node", "host"),
    ):
        if not hasattr(owner, name):
            continue
        real = getattr(owner, name)
        call = f"{owner.__name__}.{name}"
        replaced.put(owner, name, _told(controls, real, call, attribute))


def _told(
    controls: Controls, real: Callable[[], Any], call: str, attribute: str
) -> Callable[[], Any]:
    def tell() -> Any:
        # Libraries compare process numbers to notice a fork, so they get the true one.
        direct = sys._getframe(1).f_code.co_filename
        if not controls.active or not controls.frames.is_user(direct):
            return real()
        return getattr(controls.surroundings[controls.asked("env", call)], attribute)

    return tell


def _watch_variables(controls: Controls) -> None:
    kind = type(os.environ)

    class Watched(kind):  # type: ignore[misc, valid-type]
        """The environment, telling who reads what is moved."""

        def __getitem__(self, name: str) -> str:
            return self._read(name, super().__getitem__)

        def get(self, name: str, default: Any = None) -> Any:
            try:
                return self._read(name, super().__getitem__)
            except KeyError:
                return default

        def __iter__(self) -> Iterator[str]:
            if controls.active:
                controls.asked("env", "os.environ")
            return cast("Iterator[str]", super().__iter__())

        def _read(self, name: str, real: Callable[[str], str]) -> str:
            moved = controls.surroundings
            if controls.active:
                controls.reads_variable(name)
            if controls.active and any(name in level.variables for level in moved):
                level = controls.asked("env", f"os.environ[{name!r}]")
                assert controls.setting is not None
                if level and "env" in controls.setting.only:
                    value = moved[level].variables[name]
                    if value is None:
                        raise KeyError(name)
                    return value
            return real(name)

    os.environ.__class__ = Watched


def _patch_folders(controls: Controls, replaced: Replacements) -> None:
    real_listdir, real_scandir, real_getcwd = os.listdir, os.scandir, os.getcwd

    def listdir(path: Any = None) -> list[Any]:
        names = real_listdir() if path is None else real_listdir(path)
        if not controls.active:
            return names
        return _ordered(names, controls.asked("env", "os.listdir"))

    def scandir(path: Any = None) -> Any:
        entries = real_scandir() if path is None else real_scandir(path)
        if not controls.active:
            return entries
        level = controls.asked("env", "os.scandir")
        with entries:
            return _Entries(_ordered(list(entries), level, key=lambda entry: entry.name))

    def getcwd() -> str:
        if not controls.active:
            return real_getcwd()
        level = controls.asked("env", "os.getcwd")
        assert controls.setting is not None
        if level and "env" in controls.setting.only:
            return controls.surroundings[level].folder or real_getcwd()
        return real_getcwd()

    replaced.put(os, "listdir", listdir)
    replaced.put(os, "scandir", scandir)
    replaced.put(os, "getcwd", getcwd)


def _ordered(entries: list[Any], level: int, key: Callable[[Any], Any] | None = None) -> list[Any]:
    """Sorted when held; turned around, rotated or shuffled when moved: always another order."""
    entries = sorted(entries, key=key)
    if level == 1:
        entries.reverse()
    elif level == 2:
        entries = entries[1:] + entries[:1]
    elif level == 3:
        Random("directory").shuffle(entries)
    return entries


class _Entries:
    """What `os.scandir` returns: an iterator that is also a context manager."""

    def __init__(self, entries: list[Any]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[Any]:
        return self._entries

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is open."""


def enter_surroundings(controls: Controls, levels: list[Moved]) -> None:
    """Put the environment's level in force in this process, for a run that is about to begin.

    Raises:
        OSError: The moved working folder is gone.
    """
    controls.surroundings[:] = levels
    os.environ["TMPDIR"] = tempfile.tempdir = levels[0].temporary
    assert controls.setting is not None
    if "env" in controls.setting.only:
        return
    moved = levels[controls.setting.level("env")]
    for name, value in moved.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if moved.folder:
        os.chdir(moved.folder)
    if "TZ" in moved.variables and hasattr(time, "tzset"):
        time.tzset()


def moved_offset(controls: Controls, call: str) -> datetime.timezone | None:
    """The time zone that a reading of local time is to be told instead of the real one, or None."""
    level = controls.asked("env", call + LOCAL_TIME)
    assert controls.setting is not None
    if level and "env" in controls.setting.only:
        return datetime.timezone(datetime.timedelta(minutes=controls.surroundings[level].minutes))
    return None
