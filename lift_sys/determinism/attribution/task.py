"""What is to be run, as it travels to a process of ours.

It is pickled by this process and unpickled by its own child, through a pipe that nobody else can
write to; what comes back is JSON, and nothing that comes from a file is unpickled. Objects that can't
be pickled but stand in a module under a name (graphs, clients) travel as that name.
"""

from __future__ import annotations

import base64
import importlib
import importlib.util
import io
import os
import pickle
import sys
from dataclasses import dataclass, field
from functools import reduce
from types import ModuleType
from typing import Any

from lift_sys.determinism.attribution.frames import Frames
from lift_sys.determinism.attribution.modules import MAIN, user_modules
from lift_sys.determinism.views import EXACT, Views
from lift_sys.errors import AttributionError

_ATOMS = (str, bytes, int, float, bool, type(None), type, ModuleType)


@dataclass(frozen=True, slots=True)
class Named:
    """A target given as text: `package.module:name` or `folder/file.py:name`."""

    text: str

    @classmethod
    def of(cls, text: str) -> Named:
        """What a person wrote; a file becomes the module that it is here, or its absolute path.

        Runs move to other folders, and a state of the module has to be of the same module there.
        """
        module_name, colon, path = text.rpartition(":")
        if module_name.endswith(".py"):
            file = os.path.abspath(module_name)
            loaded = (
                name
                for name, module in list(sys.modules.items())
                if getattr(module, "__file__", None) == file and name != "__main__"
            )
            module_name = next(loaded, file)
        return cls(f"{module_name}{colon}{path}")

    def load(self) -> Any:
        """Import it.

        Raises:
            AttributionError: There is no such module, or nothing of that name in it.
        """
        module_name, colon, path = self.text.rpartition(":")
        if not colon or not module_name or not path:
            raise AttributionError(f"{self.text!r} is not MODULE:NAME, such as 'flow:summarise'.")
        try:
            return reduce(getattr, path.split("."), _import(module_name))
        except (ImportError, AttributeError, FileNotFoundError) as error:
            raise AttributionError(f"{self.text!r} can't be loaded: {error}.") from error


def _import(name: str) -> Any:
    if not name.endswith(".py"):
        return importlib.import_module(name)
    stem = os.path.splitext(os.path.basename(name))[0]
    spec = importlib.util.spec_from_file_location(stem, os.path.abspath(name))
    if spec is None or spec.loader is None or not os.path.exists(name):
        raise FileNotFoundError(f"there is no file {name!r}")
    if getattr(sys.modules.get(stem), "__file__", None) == spec.origin:
        return sys.modules[stem]
    # The finder in a worker may have instrumented it already.
    folder = os.path.dirname(os.path.abspath(name))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module = importlib.import_module(stem)
    if getattr(module, "__file__", None) != spec.origin:
        raise ImportError(f"another module is called {stem}, too")
    return module


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a run consists of, as objects of one process.

    Attributes:
        target: What to run; a `Named` is loaded first.
        strategy: How a list of nodes is joined.
        state: The state, or what makes one (`makes_state`).
        makes_state: Whether `state` is a factory.
        deps: Services for `ctx.deps`, or what makes them (`makes_deps`).
        makes_deps: Whether `deps` is a factory.
        tap: Where the answers of the model pass.
        views: What of the outcome is looked at.
    """

    target: Any
    strategy: Any = None
    state: Any = None
    makes_state: bool = False
    deps: Any = None
    makes_deps: bool = False
    tap: Any = None
    views: Views = EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Work that can travel.

    Attributes:
        payload: The work, pickled.
        modules: Name to file of the user's modules.
        own: Folders that are the user's.
        path: Where modules are found.
        uses_main: Whether the work refers to the parent's script.
    """

    payload: bytes
    modules: dict[str, str] = field(default_factory=dict)
    own: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    uses_main: bool = False

    @classmethod
    def pack(cls, work: Work, frames: Frames, own: tuple[str, ...]) -> Task:
        """Make `work` ready to travel.

        Raises:
            AttributionError: It holds what has no name and can't be pickled.
        """
        buffer = io.BytesIO()
        modules = user_modules(frames)
        try:
            _Packer(buffer, frames).dump(work)
        except Exception as error:
            raise AttributionError(str(error)) from error
        payload = buffer.getvalue()
        uses_main = b"__main__" in payload
        if uses_main and MAIN not in modules:
            raise AttributionError("it is defined in a session, not in a file")
        path = tuple(os.path.abspath(entry or os.curdir) for entry in sys.path)
        return cls(payload=payload, modules=modules, own=own, path=path, uses_main=uses_main)

    def unpack(self) -> Work:
        """The work, in the process that this task was sent to.

        Raises:
            AttributionError: Something that it names can't be imported here.
        """
        try:
            work = _Unpacker(io.BytesIO(self.payload)).load()
        except AttributionError:
            raise
        except Exception as error:
            raise AttributionError(
                f"loading it there fails with {type(error).__name__}: {error}"
            ) from error
        assert isinstance(work, Work)
        return work

    def to_json(self) -> dict[str, Any]:
        """As JSON's types."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "modules": self.modules,
            "own": list(self.own),
            "path": list(self.path),
            "uses_main": self.uses_main,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Task:
        """The inverse of `to_json`."""
        return cls(
            payload=base64.b64decode(data["payload"]),
            modules=data["modules"],
            own=tuple(data["own"]),
            path=tuple(data["path"]),
            uses_main=data["uses_main"],
        )


class _Packer(pickle.Pickler):
    """Pickles, but writes names for graphs and what else the user's modules hold by name."""

    def __init__(self, file: io.BytesIO, frames: Frames) -> None:
        super().__init__(file, protocol=4)
        self._names = _named_objects(frames)

    def persistent_id(self, obj: Any) -> Any:
        found = self._names.get(id(obj))
        return None if found is None else found[0]


class _Unpacker(pickle.Unpickler):
    def persistent_load(self, pid: Any) -> Any:
        module, name = pid
        return getattr(importlib.import_module(module), name)


def _named_objects(frames: Frames) -> dict[int, tuple[tuple[str, str], Any]]:
    """By identity: module and name of the instances of lift_sys' graphs in the user's modules."""
    from lift_sys.graph.graph import Graph

    found: dict[int, tuple[tuple[str, str], Any]] = {}
    for module_name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not frames.is_user(file) or module_name == "__main__":
            continue
        for name, value in list(vars(module).items()):
            if isinstance(value, Graph):
                found.setdefault(id(value), ((module_name, name), value))
    return found
