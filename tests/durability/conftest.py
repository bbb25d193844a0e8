"""Stores that the tests run on."""

import pytest

from lift_sys.durability import MemoryStore, SqliteStore


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, tmp_path):
    """Each kind of store, empty."""
    made = {
        "memory": MemoryStore,
        "sqlite": lambda: SqliteStore(tmp_path / "runs.db"),
    }[request.param]()
    yield made
    await made.close()
