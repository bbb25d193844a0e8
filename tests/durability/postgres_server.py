"""A PostgreSQL server of its own on a temporary folder, from Debian's package, without systemd."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def find_binaries() -> Path | None:
    """The folder of the newest `initdb` and `pg_ctl`."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found := shutil.which("initdb"):
        folders.append(Path(found).parent)
    return max(folders, key=lambda folder: folder.parent.name.zfill(4), default=None)


class Server:
    """A server that listens on a socket in its folder only, so that it needs no port.

    Args:
        binaries: Where `initdb` and `pg_ctl` are.
        folder: Its own.
        fsync: Whether it is to survive a power cut.
    """

    def __init__(self, binaries: Path, folder: Path, *, fsync: bool = False) -> None:
        self.url = f"postgresql://postgres@/postgres?host={folder}"
        self._binaries, self._folder = binaries, folder
        self._options = f"-k {folder} -c listen_addresses= -c fsync={'on' if fsync else 'off'}"
        self._owner = None
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            self._owner = pwd.getpwnam("postgres")
            os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        self._call(
            "initdb", *(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"])
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._call("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", self._options, "start")

    def kill(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self._call("pg_ctl", "-w", "-m", "immediate", "stop")

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes, the one that makes the others first."""
        [first, *_] = (self._folder / "data" / "postmaster.pid").read_text().split()
        for process in (int(first), *_children(int(first))):
            os.kill(process, number)

    def _call(self, program: str, *arguments: str) -> None:
        owner = self._owner
        subprocess.run(
            [self._binaries / program, "-D", self._folder / "data", *arguments],
            user=owner and owner.pw_uid,
            group=owner and owner.pw_gid,
            extra_groups=[] if owner else None,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


@contextmanager
def running_server(binaries: Path, *, fsync: bool = False) -> Iterator[Server]:
    """A server as long as the block lasts."""
    # Not pytest's own folder: only its owner may enter that, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="lift-pg-", ignore_cleanup_errors=True) as name:
        server = Server(binaries, Path(name), fsync=fsync)
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _children(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            number, _, rest = path.read_text().partition(" (")
            if int(rest.rpartition(") ")[2].split()[1]) == parent:
                found.append(int(number))
    return found
