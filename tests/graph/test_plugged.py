"""Stores, caches, names of runs and mappings that are none are refused before anything runs."""

from uuid import UUID

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RunContext
from lift_sys.durability import MemoryCache, MemoryStore, SqliteCache, SqliteStore
from lift_sys.errors import UsageError


class Empty(BaseModel):
    pass


class Never(BaseNode[Empty]):
    async def run(self, ctx: RunContext[Empty]) -> End:
        pytest.fail("it ran")


class Ends(BaseNode[Empty]):
    async def run(self, ctx: RunContext[Empty]) -> End:
        return End()


graph = Graph(Never)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"store": "postgresql://me:hush@host/x"}, r"takes a store, such as SqliteStore\(.*a str"),
        ({"store": SqliteStore}, r"the class SqliteStore; make one"),
        ({"cache": "cache.db"}, r"takes a cache, such as SqliteCache\(.*a str"),
        ({"cache": {}}, "not a dict"),
        ({"cache": MemoryCache}, r"the class MemoryCache; make one"),
        ({"store": MemoryStore(), "execution_id": ""}, "execution_id.*''"),
        ({"store": MemoryStore(), "execution_id": UUID(int=1)}, "execution_id.*UUID"),
    ],
)
async def test_what_is_no_store_cache_or_name_is_refused(options, text):
    with pytest.raises(UsageError, match=text) as caught:
        await graph.run(state=Empty(), **options)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("store", ["runs.db", MemoryStore, None])
async def test_so_it_is_when_a_run_goes_on(store):
    with pytest.raises(UsageError, match="store"):
        await graph.resume("one", store=store)


@pytest.mark.parametrize("option", ["answers", "secrets", "migrations"])
@pytest.mark.parametrize(
    ("value", "text"),
    [(["hush"], "a list"), ("hush", "a str"), ({1: "hush"}, "one from int")],
)
async def test_what_is_no_mapping_is_refused_when_a_run_goes_on(option, value, text):
    """With an example, and without the value, which may be a secret."""
    store = MemoryStore()
    await Graph(Ends).run(state=Empty(), store=store, execution_id="one")

    with pytest.raises(UsageError, match=rf"{option}= takes a mapping.*such as .*{text}") as caught:
        await Graph(Ends).resume("one", store=store, **{option: value})

    assert "hush" not in str(caught.value)


def test_so_it_is_when_an_executor_is_made():
    with pytest.raises(UsageError, match="takes a cache"):
        ParallelExecutor(cache="cache.db")


@pytest.mark.parametrize("make", [SqliteStore, SqliteCache])
@pytest.mark.parametrize("path", [":memory:", "postgresql://me:hush@host/x"])
def test_what_is_no_file_makes_none(make, path, tmp_path, monkeypatch):
    """SQLite's own word for no file would be one's name, and a URL's password a part of a path."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match="file") as caught:
        make(path)

    assert "hush" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
