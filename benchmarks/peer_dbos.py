"""A step of a DBOS workflow on SQLite, ÷ a bare insert; see `stores`."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from dbos import DBOS
from figures import Figure
from stores import STEPS, compare, long_open


async def measure() -> list[Figure]:
    """Its whole step: DBOS has no commit that could be timed alone."""
    with TemporaryDirectory() as folder:
        database = f"sqlite:///{folder}/peer.db"
        config = {"name": "bench", "system_database_url": database, "log_level": "ERROR"}
        DBOS(config={**config, "run_admin_server": False})

        @DBOS.step()
        async def step() -> str:
            return "x" * 480

        @DBOS.workflow()
        async def chain() -> float:
            started = time.perf_counter()
            for _ in range(STEPS):
                await step()
            return (time.perf_counter() - started) / STEPS

        DBOS.launch()
        try:
            with long_open(Path(folder) / "bare.db") as bare:
                return await compare({"bare": bare, "DBOS, SQLite, chain": chain}, what="step")
        finally:
            DBOS.destroy()
