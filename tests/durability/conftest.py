"""Stores that the tests run on; PostgreSQL is a real one."""

import itertools
import os
from importlib.util import find_spec

import pytest
from durability.postgres_server import find_binaries, running_server

from lift_sys.durability import MemoryStore, PostgresStore, SqliteStore


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a server of this session; skipped where there is none."""
    if find_spec("psycopg") is None:
        (pytest.fail if os.environ.get("LIFT_SYS_ALL_EXTRAS") else pytest.skip)(
            "needs psycopg: pip install 'lift-sys[postgres]', or make setup"
        )
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server's programs: apt-get install postgresql")
    with running_server(binaries) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_places(postgres_server):
    """Makes URLs of empty places on the server."""
    import psycopg

    numbers = itertools.count()

    def make():
        schema = f"test_{next(numbers)}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"{postgres_server}&options=-csearch_path%3D{schema}"

    return make


@pytest.fixture
def postgres_url(postgres_places):
    """URL of an empty place on the server."""
    return postgres_places()


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
