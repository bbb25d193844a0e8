"""What the environment is moved to: variables, folders, time zone, names of machine and user.

The moved home and working folders hold a link to each entry of the real one, so that a program finds
its files there and only sees another path and another order.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from lift_sys.determinism.attribution.settings import LEVELS

_USERS = ("avery", "blake", "casey")
_ZONES = ("IST-5:30", "NPT-5:45", "LINT-14")
_ZONE_MINUTES = (330, 345, 840)
_LANGUAGES = ("C", "POSIX", "C.UTF-8", "en_US.UTF-8")
_HOSTS = ("alpha", "bravo", "charlie")
_UNTOUCHED = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL|PATH|^LD_|^PYTHON|^VIRTUAL_ENV|_DIR$")
# A folder of more entries is not mirrored, as the links would take longer than the runs.
_MOST_ENTRIES = 5000
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The surroundings at one level.

    Attributes:
        variables: Environment variables that have another value, or None for: not there.
        folder: The working folder; empty to stay.
        host: Name of the machine.
        pid: What the user's code is told as its process's number.
        cpus: What it is told as the number of processors.
        temporary: The folder for temporary files; empty when a run starts, as the names that are
            drawn for them are the same in each run.
        minutes: The time zone's offset from UTC.
    """

    variables: dict[str, str | None] = field(default_factory=dict)
    folder: str = ""
    host: str = "machine"
    pid: int = 1000
    cpus: int = 4
    minutes: int = 0
    temporary: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON's types."""
        return {name: getattr(self, name) for name in self.__slots__}


class Surroundings:
    """Makes the moved surroundings in temporary folders; a context manager that removes them.

    Args:
        variables: Further variables to move, each with its values for the levels.
    """

    def __init__(self, variables: Mapping[str, Sequence[str | None]] | None = None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="lift-attribution-"))
        self._given = dict(variables or {})
        self._temporary = self._root / "tmp"
        held = Moved(temporary=str(self._temporary))
        self.levels = [held, *(self._level(level) for level in LEVELS)]

    def __enter__(self) -> Surroundings:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._root, ignore_errors=True)

    def fresh(self) -> list[Moved]:
        """The levels, for a run that is about to start."""
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir()
        return self.levels

    def move_variables(self, names: Sequence[str]) -> None:
        """Move these variables as well; not keys, and not what says where code and programs are."""
        for name in names:
            if name not in self.levels[1].variables and not _UNTOUCHED.search(name):
                for level in LEVELS:
                    self.levels[level].variables[name] = _another(os.environ.get(name), level)

    def left(self, names: Sequence[str]) -> str:
        """In words, the variables that are left as they are; those of `names` by name."""
        kept = sorted(name for name in names if name not in self.levels[1].variables)
        which = (
            f"such as {', '.join(kept[:_MOST_NAMED])}" if kept else "that it was not seen to read"
        )
        return f"environment variables {which}"

    def _level(self, level: int) -> Moved:
        index = level - 1
        user = _USERS[index]
        home = self._mirror(Path.home(), f"{level}/{user}")
        folder = self._mirror(Path.cwd(), f"{level}/work")
        variables: dict[str, str | None] = {
            "HOME": home or None,
            "USER": user,
            "LOGNAME": user,
            "USERNAME": user,
            "HOSTNAME": _HOSTS[index],
            "LANG": _other(_LANGUAGES, index, os.environ.get("LANG")),
            "TZ": _ZONES[index],
            "LIFT_SYS_ATTRIBUTION": str(level),  # a mapping of one more entry
        }
        if home:
            variables["USERPROFILE"] = home
        if folder:
            variables["PWD"] = folder
        for name, values in self._given.items():
            variables[name] = values[index % len(values)]
        return Moved(
            variables=variables,
            folder=folder,
            host=_HOSTS[index],
            pid=1000 + 37 * level,
            cpus=4 + 3 * level,
            minutes=_ZONE_MINUTES[index],
            temporary=str(self._temporary),
        )

    def _mirror(self, real: Path, name: str) -> str:
        copy = self._root / name
        copy.mkdir(parents=True)
        try:
            entries = list(real.iterdir())
        except OSError:
            return ""
        if len(entries) > _MOST_ENTRIES:
            return ""
        for entry in entries:
            (copy / entry.name).symlink_to(entry)
        return str(copy)


def _another(value: str | None, level: int) -> str:
    """A value that the program may know as little as this one."""
    if value is None:
        return str(level)
    return str(int(value) + level) if value.isdecimal() else f"{value}-{level}"


def _other(values: Sequence[str], index: int, current: str | None) -> str:
    return [value for value in values if value != current][index]
