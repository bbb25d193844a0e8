"""What PostgreSQL adds: a server that may refuse, go away or be waited for, and passwords."""

import asyncio
import sys
import traceback

import pytest
from durability.records import fact, run

from lift_sys.durability import PostgresStore
from lift_sys.errors import MissingExtraError, StoreError

pytestmark = pytest.mark.extra("psycopg")


@pytest.fixture
def sql(postgres_url):
    """Runs a statement beside the store."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection.execute


@pytest.fixture
async def postgres(postgres_url):
    """A store with one run."""
    async with PostgresStore(postgres_url) as store:
        await store.create(run())
        yield store


def end_connections(sql):
    """What the server does when it is restarted."""
    sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lift_sys'"
    )


def test_a_missing_package_is_named(monkeypatch):
    """When the store is made, not in the middle of a run."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtraError, match=r"psycopg.*pip install 'lift_sys\[postgres\]'"):
        PostgresStore("postgresql://localhost/runs")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://ann:s3cret@localhost/runs",
        "host=localhost password=s3cret nonsense",
        "postgresql://ann:not/s3cret@localhost/runs",
        "postgresql://ann:not@s3cret@localhost/runs",
    ],
)
def test_a_url_that_is_none_is_not_quoted(url):
    """Somebody's password may be in it."""
    with pytest.raises(StoreError, match="looks like postgresql://") as error:
        PostgresStore(url)

    assert "s3cret" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret%21@/runs?host=/nowhere",
        "postgresql:///runs?user=ann&password=s3cret%21&host=/nowhere",
        "host=/nowhere user=ann password=s3cret! dbname=runs",
    ],
)
async def test_a_password_is_never_shown(url):
    """Neither in the store's name nor in an error, nor in what the error came from."""
    store = PostgresStore(url)

    with pytest.raises(StoreError, match="the server can't be reached") as error:
        await store.runs()
    await store.close()

    said = repr(store) + "".join(traceback.format_exception(error.value))
    assert "s3cret" not in said
    assert "postgresql://ann@/nowhere/runs" in said


async def test_a_database_that_is_not_there_is_told(postgres_server):
    """With what makes it."""
    async with PostgresStore(postgres_server.replace("/postgres?", "/nowhere?")) as store:
        with pytest.raises(StoreError, match="can't be reached|Make it with `createdb`"):
            await store.runs()


async def test_a_lost_connection_is_opened_again(postgres, sql):
    """For reads, and for commits of which nothing had been kept."""
    end_connections(sql)
    assert (await postgres.load("r1"))[1] == []

    end_connections(sql)
    await postgres.commit("r1", 0, [fact("0")])

    assert (await postgres.load("r1"))[1] == [fact("0")]


async def test_a_connection_lost_while_committing_leaves_doubt_and_says_so(postgres, sql):
    """Trying again could fence or repeat; resuming the run finds out."""
    sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
    )
    sql(
        "CREATE CONSTRAINT TRIGGER fails AFTER INSERT ON lift_facts "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
    )

    with pytest.raises(StoreError, match="not known whether it was kept. Resume the run"):
        await postgres.commit("r1", 0, [fact("0")])

    sql("DROP TRIGGER fails ON lift_facts")
    assert (await postgres.load("r1"))[1] == []


async def test_text_that_postgres_cannot_hold_fails_alone(postgres):
    """A NUL in a name is one job's; in a body it is escaped."""
    bad, good = await asyncio.gather(
        postgres.commit("r1", 0, [fact("1", node="a\0b")]),
        postgres.commit("r1", 0, [fact("2", body={"a": "\0"})]),
        return_exceptions=True,
    )

    assert isinstance(bad, StoreError)
    assert "NUL" in str(bad)
    assert good is None
    assert (await postgres.load("r1"))[1] == [fact("2", body={"a": "\0"})]


async def test_a_user_without_rights_is_told(postgres_url, sql):
    """With what to grant, first the schema and then its tables."""
    [(schema,)] = sql("SELECT current_schema()").fetchall()
    sql("CREATE ROLE guest LOGIN")
    try:
        async with PostgresStore(postgres_url.replace("postgres@", "guest@")) as store:
            with pytest.raises(StoreError, match="not there, or not for this user"):
                await store.create(run())
            sql(f"GRANT USAGE ON SCHEMA {schema} TO guest")
            with pytest.raises(StoreError, match="this user may not do that.*Grant"):
                await store.create(run())
    finally:
        sql("DROP OWNED BY guest")
        sql("DROP ROLE guest")


async def test_a_read_only_database_is_told(postgres, sql):
    """As on a replica."""
    sql("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        end_connections(sql)
        with pytest.raises(StoreError, match="the database is read-only"):
            await postgres.commit("r1", 0, [fact()])
    finally:
        sql("SET default_transaction_read_only = off")
        sql("ALTER ROLE postgres RESET default_transaction_read_only")
    end_connections(sql)
    await postgres.commit("r1", 0, [fact()])


async def test_newer_tables_are_not_touched(postgres_url, sql):
    """As with files."""
    sql("CREATE TABLE lift_schema (version BIGINT)")
    sql("INSERT INTO lift_schema VALUES (99)")

    async with PostgresStore(postgres_url) as store:
        with pytest.raises(StoreError, match=r"written by a newer lift_sys \(schema 99"):
            await store.create(run())

    assert sql("SELECT version FROM lift_schema").fetchall() == [(99,)]


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
async def test_a_servers_default_isolation_is_no_matter(postgres_url, level):
    """Whoever has waited for a run sees the facts that were added meanwhile."""
    level = level.replace(" ", "%5C%20")
    url = f"{postgres_url}%20-cdefault_transaction_isolation%3D{level}"
    stores = [PostgresStore(url) for _ in range(3)]
    await stores[0].create(run())

    async def keep(number, store):
        for step in range(40):
            await store.commit("r1", 0, [fact(f"{number}.{step}")])

    await asyncio.gather(*(keep(number, store) for number, store in enumerate(stores)))

    _, facts = await stores[0].load("r1")
    assert len(facts) == 120
    for store in stores:
        await store.close()
