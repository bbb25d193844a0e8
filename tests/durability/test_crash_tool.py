"""`assert_resumable` finds what is wrong: with graphs, with stores, and with our own engine."""

import asyncio
import time

import pytest
from durability.crash_graphs import ANSWERS, GRAPHS, Leaf, Work
from pydantic import BaseModel, SecretStr

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.durability import SqliteStore
from lift_sys.durability.journal import RunJournal
from lift_sys.durability.page import Page
from lift_sys.errors import UsageError
from lift_sys.testing import assert_resumable


async def test_it_works_where_a_loop_and_threads_run():
    """All forks are made by a process with one thread."""
    waiting = asyncio.get_running_loop().run_in_executor(None, lambda: None)

    assert assert_resumable(GRAPHS["chain"], Work(), at="before commit 3") == 1
    await waiting


def test_it_counts_what_it_has_killed():
    """Before and after each of its writes: begin, two steps, end; and at an instant."""
    assert assert_resumable(Graph(Single), Work(), instants=1) in (8, 9)


class Single(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> "Leaf":
        return Leaf("last")


class Forgetful(SqliteStore):
    """Says that a step is kept before it is."""

    def __init__(self, path):
        super().__init__(path)
        self.waiting = []

    async def commit(self, execution_id, epoch, facts):
        waiting, self.waiting = self.waiting, list(facts)
        if waiting:
            await super().commit(execution_id, epoch, waiting)

    async def finish(self, execution_id, epoch, status, **options):
        await super().commit(execution_id, epoch, self.waiting)
        self.waiting = []
        await super().finish(execution_id, epoch, status, **options)


def test_a_store_that_keeps_late_is_found():
    """And the message says how to see just that again."""

    def forgetful(folder):
        return Forgetful(folder / "runs.db")

    with pytest.raises(AssertionError, match="finished began again: 0") as caught:
        assert_resumable(GRAPHS["chain"], Work(), store=forgetful)

    assert "Killed after commit 2 (the step at 0 (Link))" in str(caught.value)
    assert "at='after commit 2'" in str(caught.value)
    with pytest.raises(AssertionError, match="began again"):
        assert_resumable(GRAPHS["chain"], Work(), store=forgetful, at="after commit 2")


def test_an_engine_that_tells_before_it_keeps_is_found(monkeypatch):
    """A step that goes on before its fact is there has effects that nobody remembers."""
    keep, kept = RunJournal.keep, []

    async def later(self, kind, ctx, node, before, body, elapsed=0.0):
        digest = await keep(_Elsewhere(self, kept), kind, ctx, node, before, body, elapsed)
        return digest

    monkeypatch.setattr(RunJournal, "keep", later)

    with pytest.raises(AssertionError, match="began before what leads to them was kept: 1"):
        assert_resumable(GRAPHS["chain"], Work(), instants=0)


class _Elsewhere:
    """A journal whose store keeps in the background."""

    def __init__(self, journal, tasks):
        self._journal, self._tasks = journal, tasks

    def __getattr__(self, name):
        return self if name == "store" else getattr(self._journal, name)

    async def commit(self, *fact):
        self._tasks.append(asyncio.ensure_future(self._journal.store.commit(*fact)))


def test_an_engine_that_forgets_joins_is_found(monkeypatch):
    """A branch that failed, and was joined without its result, must not be tried again."""

    async def joined(self, node, base, results, joined, lost):
        self._metadata = self._metadata.refresh(joined.metadata, name="metadata")
        self._provenance = self._provenance.refresh(joined.provenance, name="provenance")
        self._has_notes = True, True

    monkeypatch.setattr(Page, "joined", joined)

    with pytest.raises(AssertionError, match=r"began again: 0\.0/1"):
        assert_resumable(GRAPHS["best_effort"], Work(), instants=0)


class Restless(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Leaf:
        ctx.state.total = time.monotonic_ns()
        return Leaf("last")


def test_a_graph_that_is_never_the_same_is_told_apart():
    with pytest.raises(AssertionError, match="does so without a crash, too") as caught:
        assert_resumable(Graph(Restless), Work(), at="before commit 2")

    assert "state.total: " in str(caught.value)


class Arrange(BaseNode[Work]):
    """Leaves something in its process, which is nowhere else."""

    async def run(self, ctx: RunContext[Work]) -> "Expect":
        ctx.deps.append("ready")
        return Expect()


class Expect(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End:
        while not ctx.deps:
            await asyncio.sleep(0.01)
        return End()


def test_a_run_that_is_stuck_is_found():
    with pytest.raises(AssertionError, match="did not end in 2 s: it is stuck"):
        assert_resumable(Graph(Arrange), Work(), deps=[], timeout=2, at="after commit 2")


class Needy(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End:
        raise ConnectionError(ctx.deps)


def test_a_graph_that_fails_by_itself_is_said():
    with pytest.raises(AssertionError, match="Without a crash, the run failed") as caught:
        assert_resumable(Graph(Needy), Work(), deps="no service")

    assert "ConnectionError: no service" in str(caught.value)


@pytest.mark.parametrize("answers", [{}, {"a": ANSWERS["a"]}])
def test_questions_without_answers_are_said(answers):
    """All that are open at once, in one line, and no traceback."""
    with pytest.raises(UsageError) as caught:
        assert_resumable(GRAPHS["questions"], Work(), answers=answers)

    keys = [key for key in ("a", "b") if key not in answers]
    assert str(caught.value) == (
        f"assert_resumable: the run asks {', '.join(map(repr, keys))}. Pass "
        f"`answers={{{', '.join(f'{key!r}: ...' for key in keys)}}}`."
    )


def test_an_answer_that_does_not_fit_is_said():
    with pytest.raises(UsageError, match=r"^assert_resumable: The answer '.*': ") as caught:
        assert_resumable(GRAPHS["questions"], Work(), answers=dict.fromkeys("ab", object))

    assert "\n" not in str(caught.value)


class Locked(BaseModel):
    key: SecretStr = SecretStr("s")
    length: int = 0


class Open(BaseNode[Locked]):
    async def run(self, ctx: RunContext[Locked]) -> End:
        ctx.state.length = len(ctx.state.key.get_secret_value())
        return End()


class Renew(BaseNode[Locked]):
    """Writes a secret, which the journal does not keep."""

    async def run(self, ctx: RunContext[Locked]) -> Open:
        ctx.state.key = SecretStr("new")
        return Open()


@pytest.mark.parametrize(
    ("start", "secrets"), [(Open, {"key": "s"}), (Renew, {"key": "s", "0:key": "new"})]
)
def test_secrets_are_given_again(start, secrets):
    assert assert_resumable(Graph(start), Locked(), secrets=secrets, at="after commit 2") == 1


@pytest.mark.parametrize(
    ("start", "secrets", "missing"),
    [
        (Open, {}, "'key': ..."),
        (Renew, {}, "'key': ..., '0:key': ..."),
        (Renew, {"key": "s"}, "'0:key': ..."),
    ],
)
def test_secrets_that_are_missing_are_said(start, secrets, missing):
    """Which ones, in one line, and no traceback."""
    with pytest.raises(UsageError) as caught:
        assert_resumable(Graph(start), Locked(), secrets=secrets, instants=0)

    assert str(caught.value) == (
        f"assert_resumable: secrets are never written, so a run that goes on needs them again. "
        f"Pass `secrets={{{missing}}}`."
    )


@pytest.mark.parametrize("at", ["somewhere", "after commit x", "before 3 ms", "after ms"])
def test_a_place_that_is_none_is_refused(at):
    with pytest.raises(UsageError, match="such as 'before commit 3'"):
        assert_resumable(GRAPHS["chain"], Work(), at=at)


@pytest.mark.parametrize("store", ["runs.db", SqliteStore("runs.db"), 3])
def test_a_store_is_given_by_what_makes_it(store):
    """Each process makes one of its own; a file would be shared by runs that have to be apart."""
    with pytest.raises(UsageError, match="a URL or a function"):
        assert_resumable(GRAPHS["chain"], Work(), store=store)


@pytest.mark.parametrize(
    ("graph", "made"), [(Leaf, r"Graph\(Leaf\)"), (Leaf("a"), "Graph"), (None, "")]
)
def test_what_is_no_graph_is_refused(graph, made):
    """Before anything is forked, whose tracebacks would say it."""
    with pytest.raises(TypeError, match=f"takes a graph, such as {made}"):
        assert_resumable(graph, Work())
