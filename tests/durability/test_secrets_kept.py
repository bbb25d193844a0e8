"""No secret is in a byte of what is kept, wherever it stands; given again, all is as it was."""

import json
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import pytest
from durability.secret_values import CLEAR_WAYS, MARKER, WAYS, Hiding
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from lift_sys import BaseNode, End, Graph, RunContext, Suspend
from lift_sys.core.events import CacheFailed
from lift_sys.dspy_signatures import StatePersistence
from lift_sys.durability import MemoryCache, MemoryStore, SqliteCache, SqliteStore, replay
from lift_sys.errors import LiftError, MissingSecretError, UnkeptValueError
from lift_sys.state.canonical import digest
from lift_sys.testing import run_virtual

T = TypeVar("T")


class Held(BaseModel, Generic[T]):
    first: T | None = None
    second: T | None = None
    other: int = 0


@asynccontextmanager
async def kept_in(kind):
    """A store, and a function that gives all that is kept there."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "memory":
            async with MemoryStore() as store:

                async def written():
                    record, facts = await store.load("one")
                    return json.dumps([each.model_dump(mode="json") for each in (record, *facts)])

                yield store, written
        else:
            async with SqliteStore(Path(folder) / "runs.db") as store:

                async def written():
                    return files_in(folder)

                yield store, written


def files_in(folder):
    """All bytes of all files, as text."""
    return "".join(path.read_bytes().decode("latin-1") for path in Path(folder).iterdir())


def graph_of(annotation: Any, given_first: Any, given_then: Any):
    """A graph that writes values everywhere; while `ctx.deps` is set its second node fails."""
    state = Held[annotation]

    class Finish(BaseNode[state]):
        async def run(self, ctx: RunContext[state]) -> End[Any]:
            ctx.state.other += 1
            return End(ctx.state.second)

    class Next(BaseNode[state]):
        key: annotation

        def __init__(self, key: Any) -> None:
            self.key = key

        async def run(self, ctx: RunContext[state]) -> Finish:
            if ctx.deps:
                raise ConnectionError("down")
            ctx.state.first = None
            return Finish()

    class Begin(BaseNode[state]):
        async def run(self, ctx: RunContext[state]) -> Next:
            ctx.state.second = given_first()
            ctx.metadata["note"] = {"inside": [given_first()]}
            return Next(given_then())

    return Graph(Begin), state


def same(one, other):
    """Whether two results are equal, private attributes included."""
    parts = [
        [each.state, each.context.metadata, each.output, each.state.model_fields_set]
        for each in (one, other)
    ]
    return digest(parts[0]) == digest(parts[1])


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@settings(max_examples=40)  # each makes classes, which is slow
@given(way=WAYS)
def test_no_byte_shows_a_secret_and_a_resumed_run_is_equal(kind, way):
    """In states, metadata, nodes and outputs; without the secrets the error names each place."""

    async def scenario():
        hiding = Hiding(way)
        graph, state = graph_of(hiding.annotation, hiding.make, hiding.make)
        initial, note = state.model_construct(first=hiding.make(), other=1), hiding.make()
        async with kept_in(kind) as (store, written):
            with pytest.raises(Exception, match="down"):
                await graph.run(
                    state=initial,
                    metadata={"given": note},
                    store=store,
                    execution_id="one",
                    seed=1,
                    deps="down",
                )
            assert MARKER not in await written()

            with pytest.raises(MissingSecretError) as caught:
                await graph.resume("one", store=store)
            paths = caught.value.paths
            assert len({*paths}) == len(paths) == len(hiding.secrets) == 5
            secrets = dict(zip(paths, hiding.secrets, strict=True))
            resumed = await graph.resume("one", store=store, secrets=secrets)
            assert MARKER not in await written()

        again = Hiding(way)
        graph, state = graph_of(again.annotation, again.make, again.make)
        initial, note = state.model_construct(first=again.make(), other=1), again.make()
        whole = await graph.run(state=initial, metadata={"given": note}, seed=1)
        assert same(resumed, whole)

    run_virtual(scenario())


@settings(max_examples=40)  # each makes classes, which is slow
@given(way=CLEAR_WAYS, place=st.sampled_from(["state", "step", "node"]))
def test_what_is_in_clear_where_a_secret_is_meant_is_refused(way, place):
    """Nobody has wrapped it; whether a node or the caller has put it there."""

    async def scenario():
        hiding = Hiding(way)
        clear = dict.fromkeys(("state", "step", "node"), hiding.make)
        clear[place] = hiding.in_clear
        graph, state = graph_of(hiding.annotation, clear["step"], clear["node"])
        async with MemoryStore() as store:
            with pytest.raises((LiftError, TypeError)) as caught:
                await graph.run(
                    state=state.model_construct(first=clear["state"](), other=1),
                    store=store,
                    execution_id="one",
                )
            assert MARKER not in str(caught.value)
            if place != "state":
                kept = [each.model_dump_json() for each in (await store.load("one"))[1]]
                assert MARKER not in "".join(kept)

    run_virtual(scenario())


@settings(max_examples=40)  # each makes classes, which is slow
@given(way=WAYS)
def test_saved_states_hide_secrets(way):
    """In the state, the metadata and the provenance; all that are missing are named at once."""

    async def scenario():
        hiding = Hiding(way)
        state = Held[hiding.annotation].model_construct(first=hiding.make(), other=1)
        context = RunContext(
            state,
            execution_id="one",
            metadata={"note": [hiding.make()]},
            provenance=[{"node": "Ask", "by": hiding.make()}],
        )
        async with kept_in("sqlite") as (store, written):
            saved = StatePersistence(store)
            await saved.save(context)
            assert MARKER not in await written()
            with pytest.raises(MissingSecretError) as caught:
                await saved.load_context("one", type(state))
            secrets = dict(zip(caught.value.paths, hiding.secrets, strict=True))
            found = await saved.load_context("one", type(state), secrets=secrets)
        assert len(secrets) == 3
        parts = [[each.state, each.metadata, each.provenance] for each in (context, found)]
        assert digest(parts[0]) == digest(parts[1])

    run_virtual(scenario())


class Login(BaseModel):
    token: SecretStr


class Desk(BaseModel):
    token: SecretStr | None = None
    seen: list[str] = []


class Use(BaseNode[Desk]):
    """Takes a secret as an attribute, and fails while `ctx.deps` is set."""

    key: SecretStr

    def __init__(self, key: SecretStr) -> None:
        self.key = key

    async def run(self, ctx: RunContext[Desk]) -> End[None]:
        if ctx.deps:
            raise ConnectionError("down")
        given = [self.key, ctx.answer.token if ctx.answer else None, ctx.metadata.get("note")]
        texts = [each.get_secret_value() for each in given if each is not None]
        ctx.state.seen = [text.removeprefix(MARKER) for text in texts]
        return End()


class Ask(BaseNode[Desk]):
    async def run(self, ctx: RunContext[Desk]) -> Suspend[Use]:
        return Suspend("who?", key="login", schema=Login, then=Use(SecretStr(f"{MARKER}-key")))


async def test_a_run_begins_with_the_secrets_that_it_is_given():
    """In its start node and metadata; the same call again goes on, and `resume` asks for them."""
    start = Use(SecretStr(f"{MARKER}-start"))
    given = {"metadata": {"note": SecretStr(f"{MARKER}-note")}, "execution_id": "one"}
    for deps in (None, "down"):
        async with MemoryStore() as store:
            if deps:
                with pytest.raises(Exception, match="down"):
                    await Graph(Ask).run(start, state=Desk(), store=store, deps=deps, **given)
                with pytest.raises(MissingSecretError) as caught:
                    await Graph(Ask).resume("one", store=store)
                assert caught.value.paths == ("start:Use.key", "start:metadata.note")
            for _ in range(2):  # the second time it is finished
                result = await Graph(Ask).run(start, state=Desk(), store=store, **given)
                assert result.state.seen == ["-start", "-note"]


async def test_a_run_whose_steps_wrote_secrets_asks_for_all_of_them():
    """`run` has no place for these; the error names them and those of the input for `resume`."""
    graph = Graph(Ask)
    async with MemoryStore() as store:
        state = Desk(token=SecretStr("x"))
        await graph.run(state=state, store=store, execution_id="one")
        with pytest.raises(MissingSecretError, match="resume") as caught:
            await graph.run(state=state, store=store, execution_id="one")
        assert caught.value.paths == ("token", "0:Use.key")


@pytest.mark.parametrize("again", [False, True])
async def test_secrets_in_answers(again):
    """They are at hand when they are given; later they are asked for, as all others."""
    graph, answers = Graph(Ask), {"login": {"token": f"{MARKER}-login"}}
    secrets = {"0:Use.key": f"{MARKER}-key"}
    async with kept_in("memory") as (store, written):
        waiting = await graph.run(state=Desk(), store=store, execution_id="one")
        assert [each.key for each in waiting.questions] == ["login"]
        if again:
            with pytest.raises(Exception, match="down"):
                await graph.resume(
                    "one", store=store, answers=answers, secrets=secrets, deps="down"
                )
            answers, secrets = {}, {**secrets, "0:answer.token": f"{MARKER}-login"}
            with pytest.raises(MissingSecretError, match=r"0:answer\.token"):
                await graph.resume("one", store=store)
        result = await graph.resume("one", store=store, answers=answers, secrets=secrets)
        assert result.state.seen == ["-key", "-login"]
        assert MARKER not in await written()

        secrets["0:answer.token"] = f"{MARKER}-login"
        assert (await replay(store, graph, "one", secrets=secrets)).identical


class Fetch(BaseNode[Desk]):
    """Writes a secret; how often it ran is in `ctx.deps`."""

    cache = True

    async def run(self, ctx: RunContext[Desk]) -> End[None]:
        ctx.deps.append("ran")
        ctx.state.token = SecretStr(f"{MARKER}-fetched")
        return End()


async def test_a_cache_file_holds_no_secrets(tmp_path):
    """The node runs each time, and a warning says where the secret is; memory can keep it."""
    for cache, runs in ((SqliteCache(tmp_path / "cache.db"), 2), (MemoryCache(), 1)):
        ran, events = [], []
        for _ in range(2):
            result = await Graph(Fetch).run(
                state=Desk(), cache=cache, deps=ran, on_event=events.append
            )
            assert result.state.token == SecretStr(f"{MARKER}-fetched")
        assert len(ran) == runs
        failed = [each.error for each in events if isinstance(each, CacheFailed)]
        assert len(failed) == (2 if runs == 2 else 0)
        for error in failed:
            assert isinstance(error, UnkeptValueError)
            assert "state.token is a SecretStr" in str(error)
        assert MARKER not in files_in(tmp_path)
        if isinstance(cache, SqliteCache):
            cache.close()


async def test_a_secret_can_be_no_key():
    """Keys are parts of paths, by which secrets are given again."""
    async with MemoryStore() as store:
        for secret in (SecretStr("x"), ("a", SecretStr("x"))):
            with pytest.raises(UnkeptValueError, match="a secret is a key there") as caught:
                await Graph(Ask).run(state=Desk(), metadata={"m": {secret: 1}}, store=store)
            assert "'x'" not in str(caught.value)
