"""Files that are foreign, full, locked, damaged or gone; and what a store leaves behind."""

import asyncio
import contextlib
import gc
import shutil
import sqlite3
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

import pytest
from durability import older_run
from durability.programs import run_python
from durability.records import fact, run

from lift_sys.durability import RunQuery, SqliteStore, sqlite_file
from lift_sys.durability.stores.schema import NEWEST
from lift_sys.durability.stores.sqlite import SqliteConnection
from lift_sys.errors import JournalError, MissingSecretError, OtherInputError, StoreError
from lift_sys.state.canonical import digest

SAMPLES = Path(__file__).with_name("samples")


def write_sql(path, text):
    """A database from its text."""
    with sqlite3.connect(path) as connection:
        connection.executescript(text)
    connection.close()


def test_nothing_is_opened_before_the_first_use(tmp_path):
    """A store is a plain value until it is asked; then its thread is a daemon."""
    before = threading.active_count()

    store = SqliteStore(tmp_path / "runs.db")

    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == before
    assert repr(store) == f"<the store {tmp_path / 'runs.db'}>"


async def test_an_older_schema_is_migrated(tmp_path):
    """A store that an older version wrote is read, and written, by this one."""
    path = tmp_path / "old.db"
    write_sql(path, (SAMPLES / "schema_1.sql").read_text(encoding="utf-8"))

    async with SqliteStore(path) as store:
        record, facts = await store.load("old")
        await store.commit("old", 0, [fact("2")])
        [found] = await store.runs(RunQuery(node="Rank", user_id="ann"))
        await store.check()

    assert facts == [fact("0", tokens=3, cost=0.5), fact("1", node="Rank")]
    assert (record.steps, record.tokens, record.cost, found.steps) == (2, 3, 0.5, 3)
    with sqlite3.connect(path) as migrated, sqlite3.connect(tmp_path / "new.db") as new:
        async with SqliteStore(tmp_path / "new.db") as store:
            await store.runs()
        tables = "SELECT name, sql FROM sqlite_master ORDER BY name"
        assert migrated.execute(tables).fetchall() == new.execute(tables).fetchall()
    migrated.close()
    new.close()


@pytest.mark.parametrize("version", [2, 3])
async def test_a_run_of_an_older_version_goes_on(tmp_path, version):
    """Its typed JSON or its tables had other forms; what its steps did comes back as it was."""
    path = tmp_path / "old.db"
    write_sql(path, (SAMPLES / f"schema_{version}.sql").read_text(encoding="utf-8"))

    async with SqliteStore(path) as store:
        [found] = await store.runs(RunQuery(node="Write"))
        assert (found.execution_id, found.steps) == ("older", 3)
        with pytest.raises(MissingSecretError, match="entry.*key"):
            await older_run.GRAPH.resume("older", store=store)
        secrets = {"entry['key']": "hidden"}
        kept = await older_run.GRAPH.resume("older", store=store, secrets=secrets)
        again = await older_run.GRAPH.resume("older", store=store, secrets=secrets)

    whole = await older_run.GRAPH.run(state=older_run.begun(), seed=7)
    for found in (kept, again):
        assert found.output == whole.output == date(2026, 2, 4)
        assert digest([found.state, found.context.metadata]) == digest(
            [whole.state, whole.context.metadata]
        )


async def test_a_run_of_an_older_version_is_begun_again(tmp_path):
    """The same input is the same in the forms of any version; another one is another one."""
    path = tmp_path / "old.db"
    write_sql(path, (SAMPLES / "schema_2.sql").read_text(encoding="utf-8"))
    other = older_run.begun()
    other._seen = date(2026, 1, 2)
    absent = older_run.begun()
    assert absent.entry is not None
    absent.entry["key"] = None

    async with SqliteStore(path) as store:
        for state in (other, absent):
            with pytest.raises(OtherInputError, match=r"state is another one.*`graph\.resume`"):
                await older_run.GRAPH.run(state=state, store=store, execution_id="older")
        found = await older_run.GRAPH.run(
            state=older_run.begun(), store=store, execution_id="older"
        )

    whole = await older_run.GRAPH.run(state=older_run.begun(), seed=7)
    assert digest([found.state, found.context.metadata]) == digest(
        [whole.state, whole.context.metadata]
    )


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_each_older_version_has_a_sample(version):
    """Or nobody would see that it can't be read any more."""
    text = (SAMPLES / f"schema_{version}.sql").read_text(encoding="utf-8")

    assert f'INSERT INTO "lift_schema" VALUES({version});' in text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("CREATE TABLE users (name)", "a database of another program"),
        ("PRAGMA application_id = 7", "a database of another program"),
        (
            "PRAGMA application_id = 1818846836; CREATE TABLE lift_schema (version);"
            "INSERT INTO lift_schema VALUES (99)",
            r"written by a newer lift_sys \(schema 99",
        ),
    ],
)
async def test_a_foreign_or_newer_file_is_not_touched(tmp_path, text, reason):
    """Another program's data, or a newer version's, is worth more than our run."""
    path = tmp_path / "other.db"
    write_sql(path, text)
    before = path.read_bytes()

    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match=reason) as error:
            await store.create(run())

    assert path.read_bytes() == before
    assert str(path) in str(error.value)
    assert [found.name for found in tmp_path.iterdir()] == ["other.db"]


async def test_a_file_that_another_process_makes_meanwhile_is_no_foreign_one(tmp_path, monkeypatch):
    """Whether there are tables, and whose they are, is asked for in two statements."""
    path = tmp_path / "runs.db"
    execute, seen = SqliteConnection.execute, []

    def interrupted(connection, statement, values=()):
        rows = execute(connection, statement, values)
        if not seen:
            seen.append(statement)
            run_python("asyncio.run(SqliteStore(sys.argv[1]).create(run()))", path)
        return rows

    monkeypatch.setattr(SqliteConnection, "execute", interrupted)
    async with SqliteStore(path) as store:
        assert [found.execution_id for found in await store.runs()] == ["r1"]


async def test_a_file_that_is_no_database_is_not_touched(tmp_path):
    """A wrong name on the command line costs nobody a file."""
    path = tmp_path / "notes.txt"
    path.write_text("To do: " + "x" * 5000, encoding="utf-8")

    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="no SQLite database"):
            await store.runs()

    assert path.read_text(encoding="utf-8").startswith("To do: ")


@pytest.mark.parametrize("path", ["nowhere/runs.db", "."])
async def test_a_path_that_cannot_be_a_file_is_named(tmp_path, path):
    """No folder is made for a name that may be a slip."""
    async with SqliteStore(tmp_path / path) as store:
        with pytest.raises(StoreError, match="can't be opened. Its folder has to exist"):
            await store.runs()


async def test_a_damaged_file_is_told(tmp_path):
    """`check` sees what a reader may not meet."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run(), [fact(str(number)) for number in range(500)])
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2 : len(damaged) // 2 + 8192] = b"\xa5" * 8192
    path.write_bytes(damaged)

    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match="damaged"):
            await store.check()


async def test_rows_edited_by_hand_are_told(tmp_path):
    """Facts that belong to no run, and a fact that is none."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run(), [fact("0.1")])
        write_sql(path, "UPDATE lift_facts SET body = '{'")
        with pytest.raises(ValueError, match=r"'r1' is wrong at step 0\.1: a row of its store"):
            await store.load("r1")
        write_sql(path, "UPDATE lift_runs SET created_at = 'x'")
        with pytest.raises(ValueError, match="'r1' is wrong: a row of its store"):
            await store.load("r1")
        write_sql(path, "DELETE FROM lift_runs")
        with pytest.raises(StoreError, match="facts of no run"):
            await store.check()


async def test_a_file_that_was_removed_takes_no_commits(tmp_path):
    """Written to a file that has no name any more, a commit would be announced and lost."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run())
        path.unlink()

        with pytest.raises(StoreError, match="removed or replaced"):
            await store.commit("r1", 0, [fact()])


async def test_a_lock_of_another_process_is_told(tmp_path, monkeypatch):
    """It is waited for, though not for ever; afterwards the store goes on."""
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run())
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreError, match="another process has kept it locked for 0.05 s"):
            await store.commit("r1", 0, [fact("0")])

        assert (await store.load("r1"))[1] == []  # reading needs no lock
        other.close()
        await store.commit("r1", 0, [fact("0")])
        assert (await store.load("r1"))[1] == [fact("0")]


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path):
    """Who waited is told; what was committed is there, and the store goes on once there is room."""
    said = run_python(
        """
        import resource
        async def main():
            async with SqliteStore(sys.argv[1]) as store:
                await store.create(run())
                resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
                kept, said = [], []
                for number in range(100):
                    found = await asyncio.gather(
                        *(store.commit("r1", 0, [fact(f"{number}.{n}", body={"a": "x" * 5000})])
                          for n in range(3)), return_exceptions=True)
                    for n, error in enumerate(found):
                        if error is None:
                            kept.append(f"{number}.{n}")
                        else:
                            assert isinstance(error, StoreError), error
                            said.append(str(error))
                assert len(kept) > 10, kept
                print(*set(said))
                record, facts = await store.load("r1")
                assert sorted(one.address for one in facts) == sorted(kept)
                assert record.steps == len(kept)
                resource.setrlimit(
                    resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                await store.commit("r1", 0, [fact("more")])
                await store.check()
                assert len((await store.load("r1"))[1]) == len(kept) + 1
                print("whole")
        asyncio.run(main())
        """,
        tmp_path / "runs.db",
    )

    assert "What was committed before is safe" in said
    assert said.endswith("whole\n")


@pytest.mark.skipif(sys.platform == "win32", reason="users and modes of POSIX")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_store_without_write_permission_is_told(what):
    """Reading may go on; writing says what to do."""
    folder = Path(tempfile.mkdtemp())  # pytest's own are closed to other users
    try:
        folder.chmod(0o755)
        path = folder / "runs.db"
        if what == "file":
            run_python(
                """
                async def main():
                    async with SqliteStore(sys.argv[1]) as store:
                        await store.create(run())
                asyncio.run(main())
                """,
                path,
            )
            path.chmod(0o444)
            folder.chmod(0o777)
        else:
            folder.chmod(0o555)
        said = run_python(
            """
            async def main():
                async with SqliteStore(sys.argv[1]) as store:
                    if os.geteuid() == 0:
                        os.setgroups([]); os.setgid(65534); os.setuid(65534)
                    try:
                        await store.create(run("r2"))
                    except StoreError as error:
                        print(error)
                    try:
                        print([found.execution_id for found in await store.runs()])
                    except StoreError as error:
                        print(error)
            asyncio.run(main())
            """,
            path,
        )
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)

    first, second = said.splitlines()
    if what == "file":
        assert "it is read-only. Give this user the right" in first
        assert "-wal and -shm" in first
        assert second == "['r1']"
    else:
        assert "this user must be allowed" in first
        assert first == second


def test_a_store_that_nobody_closed_loses_nothing(tmp_path):
    """The interpreter ends at once, and what was announced is there."""
    path = tmp_path / "runs.db"
    run_python(
        """
        store = SqliteStore(sys.argv[1])
        asyncio.run(store.create(run()))
        asyncio.run(store.commit("r1", 0, [fact("0")]))
        """,
        path,
    )

    assert asyncio.run(SqliteStore(path).load("r1"))[1] == [fact("0")]


async def test_a_forgotten_store_ends_its_thread(tmp_path):
    """A server that makes a store for each request does not collect threads and files."""
    store = SqliteStore(tmp_path / "runs.db")
    await store.create(run())
    thread = store._writer._thread
    assert thread in threading.enumerate()

    del store
    gc.collect()
    await asyncio.to_thread(thread.join, 10)

    assert not thread.is_alive()


async def test_commits_that_wait_together_share_a_transaction(tmp_path):
    """A thousand branches that end at once do not wait for a thousand writes to the disk."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run())
        before = transactions(path)

        await asyncio.gather(*(store.commit("r1", 0, [fact(str(n))]) for n in range(1000)))

        assert transactions(path) - before <= 100
        assert (await store.load("r1"))[0].steps == 1000


def transactions(path):
    """How many have been written to the log: frames that end one say the database's size."""
    log = path.with_name(path.name + "-wal").read_bytes()
    frames = range(32, len(log) - 24, 24 + 4096)
    return sum(log[start + 4 : start + 8] != b"\0\0\0\0" for start in frames)


async def test_a_mark_is_written_when_its_step_takes_long(tmp_path):
    """A second reader sees it, though nothing else happens; one that is finished leaves nothing."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store, SqliteStore(path) as reader:
        await store.create(run())
        store.mark("r1", 0, fact("0", kind="started"))
        store.mark("r1", 0, fact("1", kind="started"))
        await store.commit("r1", 0, [fact("1")])
        assert (await reader.load("r1"))[1] == [fact("1")]  # held back

        while len((await reader.load("r1"))[1]) < 2:
            pass

        assert (await reader.load("r1"))[1] == [fact("1"), fact("0", kind="started")]


async def test_marks_are_written_when_the_store_is_closed(tmp_path):
    """Closing waits for what is under way."""
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run())
        store.mark("r1", 0, fact("0", kind="started"))

    async with SqliteStore(path) as store:
        assert (await store.load("r1"))[1] == [fact("0", kind="started")]


async def test_a_waiter_that_is_cancelled_leaves_the_store_whole(tmp_path):
    """Its commit is kept as a whole, as the others are."""
    async with SqliteStore(tmp_path / "runs.db") as store:
        await store.create(run())
        tasks = [
            asyncio.ensure_future(store.commit("r1", 0, [fact(f"{n}"), fact(f"{n}", kind="join")]))
            for n in range(20)
        ]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        record, facts = await store.load("r1")
        assert len(facts) == 40
        assert {one.address for one in facts} == {f"{n}" for n in range(20)}
        assert record.steps == 20


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ("UPDATE lift_schema SET version = 'x'", "does not say of which version"),
        ("UPDATE lift_schema SET version = 0", "does not say of which version"),
        ("DELETE FROM lift_schema", "does not say of which version"),
        ("DROP TABLE lift_facts", "not as lift_sys made them"),
        ("DROP TABLE lift_runs", "not as lift_sys made them"),
        ("UPDATE lift_facts SET elapsed = 'x'", "no numbers"),
        ("UPDATE lift_runs SET elapsed = 'x'", "no numbers"),
    ],
)
async def test_tables_that_somebody_has_edited_are_told_with_what_to_do(tmp_path, edit, reason):
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run(), [fact("0")])
    write_sql(path, edit)

    async with SqliteStore(path) as store:
        with pytest.raises(StoreError, match=f"{reason}.*Restore a copy"):
            await store.statistics()


async def test_a_damaged_row_is_told_in_one_line(tmp_path):
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await store.create(run("one"))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE lift_runs SET status = 'bogus'")

    async with SqliteStore(path) as store:
        with pytest.raises(
            JournalError, match=r"read \(status: Input should be 'running'"
        ) as caught:
            await store.load("one")

    assert "\n" not in str(caught.value)
    assert "pydantic" not in str(caught.value)
