"""Each test of a cache runs with both that keep something, on a clock that the test moves."""

import pytest

from lift_sys.durability import MemoryCache, SqliteCache
from lift_sys.testing import VirtualClock


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture(params=["memory", "sqlite"])
def make_cache(request, tmp_path, clock):
    """Makes caches of one kind; of an SQLite cache several have the same file."""
    made = []

    def make(**options):
        if request.param == "memory":
            made.append(MemoryCache(clock=clock, **options))
        else:
            made.append(SqliteCache(tmp_path / "cache.db", clock=clock, **options))
        return made[-1]

    yield make
    for cache in made:
        if isinstance(cache, SqliteCache):
            cache.close()


@pytest.fixture
def cache(make_cache):
    return make_cache()
