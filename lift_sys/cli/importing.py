"""Importing a person's module, by its dotted name or its file.

That runs their code, so whatever it raises is an answer for them: one message that says where, not
our traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import sysconfig
import traceback
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from lift_sys.core.likeness import did_you_mean
from lift_sys.errors import LiftError, UsageError

_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def imported(name: str, modules: dict[str, ModuleType]) -> ModuleType:
    """Import a dotted module, or a .py file by its path, once for all of `modules`.

    A module that ran twice would have its classes twice, and no value of one is one of the other.

    Raises:
        UsageError: It does not exist, or raised while it was imported.
    """
    if name not in modules:
        file = Path(name).resolve() if _is_file(name) else None
        same = [each for each in modules.values() if file and each.__file__ == str(file)]
        modules[name] = same[0] if same else _load(name)
    return modules[name]


def guarded(load: Any, name: str, *, verb: str = "imported") -> Any:
    """Call `load`; what the person's code raises becomes a `UsageError` that says where.

    `verb` is what can't be done with `name` then.
    """
    try:
        return load()
    except LiftError:
        raise
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}"
        raise UsageError(f"{name} can't be {verb}: {place}: {error.msg}.") from error
    except ModuleNotFoundError as error:
        if _is_part(error.name, name):
            raise
        hint = f" Is {error.name!r} installed in this environment?"
        raise _broken(name, error, verb, hint) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error, verb) from error


def _load(name: str) -> ModuleType:
    return _import_file(Path(name)) if _is_file(name) else _import_dotted(name)


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name or os.sep in name


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        files = [str(folder / file.name) for file in sorted(folder.glob("*.py"))]
        raise UsageError(f"There is no file {str(path)!r}.{did_you_mean(str(path), files)}")
    path = path.resolve()
    _make_importable(path.parent)
    # An installed module of the same name (json.py, test.py) must not be replaced by this one.
    name = path.stem if _origin(path.stem) in (None, str(path)) else f"lift_run_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(path)!r} can't be imported: it has to be a Python file (.py).")
    module = importlib.util.module_from_spec(spec)
    # Annotations are resolved through sys.modules, also while the module is being imported.
    sys.modules[name] = module
    loader = spec.loader
    guarded(lambda: loader.exec_module(module), str(path))
    return module


def _import_dotted(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is neither the dotted name of a module nor a .py file.")
    try:
        module = guarded(lambda: importlib.import_module(name), name)
    except ModuleNotFoundError as error:
        raise UsageError(_no_module(name, str(error.name))) from error
    assert isinstance(module, ModuleType)
    return module


def _broken(name: str, error: BaseException, verb: str, hint: str = "") -> UsageError:
    frames = traceback.extract_tb(error.__traceback__)
    # A library that is given something wrong raises it deep inside; the line that gave it helps.
    lines = [*filter(_theirs, frames)] or [*filter(_not_ours, frames)]
    where = f" at {lines[-1].filename}, line {lines[-1].lineno}" if lines else ""
    text = f"{type(error).__name__}: {error}"
    return UsageError(f"{name} can't be {verb}: {text}{where}.{hint}")


def _is_part(missing: str | None, name: str) -> bool:
    return missing is not None and f"{name}.".startswith(f"{missing}.")


def _theirs(frame: traceback.FrameSummary) -> bool:
    return _not_ours(frame) and not frame.filename.startswith(_LIBRARIES)


def _not_ours(frame: traceback.FrameSummary) -> bool:
    return "importlib" not in frame.filename and not frame.filename.startswith(_PACKAGE)


def _no_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    folders = list(getattr(sys.modules.get(parent), "__path__", [])) if parent else [os.getcwd()]
    names = [module.name for module in pkgutil.iter_modules(folders)]
    if parent and not folders:
        return f"There is no module {name!r}: {parent!r} is a module, not a package."
    where = f"in {parent!r}" if parent else "here, nor one that is installed"
    hint = did_you_mean(last, names, prefix=f"{parent}." if parent else "")
    return f"There is no module {missing!r} {where}.{hint}"


def _origin(name: str) -> str | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return str(getattr(loaded, "__file__", None) or "built-in")
    if name in sys.stdlib_module_names:
        return "built-in"
    found = PathFinder.find_spec(name) if name.isidentifier() else None
    return None if found is None else found.origin


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
