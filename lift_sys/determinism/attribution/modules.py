"""Finding and loading the user's modules in a process of ours.

A worker finds a module where the parent had it, even if only the parent's test runner could import
it. With `marked`, modules of the user's are loaded with their readings of sets instrumented.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Collection, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

from lift_sys.determinism.attribution import instrument
from lift_sys.determinism.attribution.frames import Frames

MAIN = "__mp_main__"
"""What the parent's `__main__` is called in a worker: as multiprocessing does, so that a script's
`if __name__ == "__main__"` stays quiet."""

_READING = "_lift_sys_reading"


class _MarkedLoader(SourceFileLoader):
    """Loads a module's source with its readings of sets marked; never from a cache."""

    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return instrument.compiled(self.get_data(path), path)


class UserFinder(MetaPathFinder):
    """Finds modules by the files that the parent loaded them from.

    Args:
        files: Name to file of the parent's modules of the user's.
        frames: Says whose a file is.
        marked: Whether modules of the user's are instrumented.
    """

    def __init__(self, files: Mapping[str, str], frames: Frames, *, marked: bool) -> None:
        self._files = files
        self._frames = frames
        self._marked = marked

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a module that is found on the path, or that the parent had."""
        spec = None
        if fullname.partition(".")[0] not in sys.stdlib_module_names:
            spec = PathFinder.find_spec(fullname, path)
        known = self._files.get(fullname)
        if known is not None and (spec is None or spec.origin != known):
            folders = [known.removesuffix("__init__.py")] if known.endswith("__init__.py") else None
            spec = importlib.util.spec_from_file_location(
                fullname, known, submodule_search_locations=folders
            )
        if spec is None and any(name.startswith(f"{fullname}.") for name in self._files):
            return ModuleSpec(fullname, None, is_package=True)
        if spec is not None and self._marked and isinstance(spec.loader, SourceFileLoader):
            origin = spec.origin or ""
            if self._frames.is_user(origin):
                spec.loader = _MarkedLoader(fullname, origin)
        return spec


def user_modules(frames: Frames) -> dict[str, str]:
    """Name to file of this process's modules of the user's; `__main__` under its name in workers."""
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".py") and frames.is_user(file):
            found[MAIN if name == "__main__" else name] = file
    return found


def library_modules(frames: Frames, known: Collection[str]) -> list[str]:
    """Names of this process's modules that are not the user's and not `known`, if importable.

    Empty if only the standard library has come in: nothing of it needs to be patched again.
    """
    new = [
        name
        for name, module in list(sys.modules.items())
        if name not in known
        and getattr(module, "__spec__", None) is not None
        and not frames.is_user(str(getattr(module, "__file__", None) or "<frozen>"))
    ]
    if all(name.partition(".")[0] in sys.stdlib_module_names for name in new):
        return []
    return new


class MainIsRead(BaseException):
    """A script that is loaded for its definitions has come to its own call of `attribute`."""


def stop_reading_main() -> None:
    """End the loading of the parent's script, if that is what this process is doing.

    A script without `if __name__ == "__main__"` would start attribution in every worker of it.

    Raises:
        MainIsRead: It is being loaded; what stands above the call is all there.
    """
    if getattr(sys.modules.get(MAIN), _READING, False):
        raise MainIsRead


def take_over_main() -> None:
    """Load the parent's script under another name and let it be `__main__`, for unpickling."""
    spec = importlib.util.find_spec(MAIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, _READING, True)
    sys.modules[MAIN] = sys.modules["__main__"] = module
    with contextlib.suppress(MainIsRead):
        spec.loader.exec_module(module)
    setattr(module, _READING, False)
