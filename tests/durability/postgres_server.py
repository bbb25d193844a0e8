"""A PostgreSQL server of its own on a temporary folder, from Debian's package, without systemd."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def find_binaries() -> Path | None:
    """The folder of the newest `initdb` and `pg_ctl`."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found := shutil.which("initdb"):
        folders.append(Path(found).parent)
    return max(folders, key=lambda folder: folder.parent.name.zfill(4), default=None)


@contextmanager
def running_server(binaries: Path, *, fsync: bool = False) -> Iterator[str]:
    """A server as long as the block lasts; yields its URL.

    It listens on a socket in its folder only, so it needs no port.
    """
    owner = None
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        owner = pwd.getpwnam("postgres")
    # Not pytest's own folder: only its owner may enter that, and a socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="lift-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if owner is not None:
            os.chown(folder, owner.pw_uid, owner.pw_gid)

        def call(program: str, *arguments: str) -> None:
            subprocess.run(
                [binaries / program, "-D", folder / "data", *arguments],
                user=owner and owner.pw_uid,
                group=owner and owner.pw_gid,
                extra_groups=[] if owner else None,
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
                timeout=60,
            )

        call(
            "initdb", *(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"])
        )
        options = f"-k {folder} -c listen_addresses= -c fsync={'on' if fsync else 'off'}"
        call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-w", "-m", "immediate", "stop")
