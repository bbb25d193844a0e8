"""Stores that the tests run on; PostgreSQL is a real one (tests/conftest.py)."""

import pytest

from lift_sys.durability import MemoryStore, PostgresStore, SqliteStore


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make_store(request, tmp_path):
    """Makes stores of one kind; those on disk are of the same place each time."""
    if request.param == "memory":
        return MemoryStore
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "runs.db")
    url = request.getfixturevalue("postgres_url")
    return lambda: PostgresStore(url)


@pytest.fixture
async def store(make_store):
    """Each kind of store, empty."""
    async with make_store() as made:
        yield made
