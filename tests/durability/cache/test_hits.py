"""A hit equals a miss: whatever a node does, and whatever it may not look at."""

from __future__ import annotations

from typing import Any

import pytest
from cached_nodes import Ask, Desk, Note, run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from lift_sys import BaseNode, End, Graph, Isolation, ParallelExecutor, RetryPolicy, RunContext
from lift_sys.core.events import CacheFailed, CacheHit
from lift_sys.durability import CachePolicy, MemoryCache, SqliteCache
from lift_sys.errors import NodeError, UndeclaredReadError
from lift_sys.execution.log import seconds
from lift_sys.state.canonical import digest
from lift_sys.testing import run_virtual

desks = st.builds(
    Desk,
    question=st.sampled_from(["a", "b"]),
    answer=st.sampled_from(["", "x"]),
    count=st.integers(0, 1),
    note=st.builds(Note, text=st.sampled_from(["", "t"]), tags=st.lists(st.just("t"), max_size=1)),
    log=st.lists(st.sampled_from(["l", "m"]), max_size=2),
    index=st.dictionaries(st.sampled_from(["i", "j"]), st.integers(0, 1), max_size=2),
)


@st.composite
def alike(draw):
    """States of which many agree in what the node reads, and not in what it only writes."""
    bases = draw(st.lists(desks, min_size=1, max_size=2))
    rest = st.fixed_dictionaries(
        {
            "answer": st.sampled_from(["", "x"]),
            "count": st.integers(0, 1),
            "user": st.sampled_from(["", "me"]),
        }
    )
    states = st.builds(
        lambda base, rest: base.model_copy(update=rest), st.sampled_from(bases), rest
    )
    return [state.model_copy(deep=True) for state in draw(st.lists(states, min_size=2, max_size=4))]


#: What a node may do: to fields that it reads, and to fields that it only writes.
READ = ("question", "note", "log", "index")
DEEDS: dict[str, Any] = {
    "set": lambda s: setattr(s, "answer", s.question * 2),
    "set what may be there": lambda s: setattr(s, "answer", "x"),
    "count": lambda s: setattr(s, "count", len(s.log)),
    "append": lambda s: s.log.append(s.question),
    "truncate": lambda s: s.log.clear(),
    "rewrite": lambda s: setattr(s, "log", ["l", *s.log]),
    "key": lambda s: s.index.update(i=5),
    "drop": lambda s: s.index.pop("i", None),
    "deep": lambda s: s.note.tags.append(s.note.text),
    "replace": lambda s: setattr(s, "note", Note(text=s.question)),
    "write then read": lambda s: (setattr(s, "user", "me"), setattr(s, "answer", s.user + "!")),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("caches")
    return (folder / f"{number}.db" for number in range(100_000))


@given(
    deeds=st.lists(st.sampled_from(sorted(DEEDS)), max_size=4),
    states=alike(),
    declares=st.booleans(),
    isolation=st.sampled_from(Isolation),
    in_file=st.booleans(),
)
def test_hit_equals_miss(deeds, states, declares, isolation, in_file, files):
    """On any state: what comes with a cache is what comes without one."""

    class Does(BaseNode[Desk]):
        cache = CachePolicy(version="1")
        reads = READ if declares else None

        async def run(self, ctx: RunContext[Desk]) -> End[str]:
            for deed in deeds:
                DEEDS[deed](ctx.state)
            return End(ctx.state.question)

    cache = SqliteCache(next(files)) if in_file else MemoryCache()
    graph = Graph(Does, executor=ParallelExecutor(isolation=isolation))

    async def main():
        for state in [*states, *states]:
            before = digest(state)
            cached = await graph.run(state=state, cache=cache)
            plain = await graph.run(state=state)
            assert cached.state == plain.state
            assert digest(cached.state) == digest(plain.state)
            assert type(cached.state) is Desk
            assert cached.output == plain.output
            assert digest(state) == before
        assert cached.statistics["cache_hits"] == 1

    try:
        run_virtual(main())
    finally:
        if in_file:
            cache.close()


async def test_fields_that_are_not_read_don_t_matter_and_stay():
    """The regression of the first design: another field never rolls back to what it was."""
    cache, ran = MemoryCache(), []
    await run(Ask, Desk(question="q", count=1, log=["old"]), cache=cache, deps=ran)

    hit = await run(Ask, Desk(question="q", count=2, log=["new"]), cache=cache, deps=ran)

    assert ran == ["Ask"]
    assert (hit.state.count, hit.state.log, hit.state.answer) == (2, ["new"], "Q")


async def test_write_that_changed_nothing_is_replayed_too():
    """A field that is only written may have another value where the hit lands."""
    cache, ran = MemoryCache(), []
    await run(Ask, Desk(question="q", answer="Q"), cache=cache, deps=ran)

    hit = await run(Ask, Desk(question="q", answer="other"), cache=cache, deps=ran)

    assert ran == ["Ask"]
    assert hit.state.answer == "Q"


LOOKS: dict[str, Any] = {
    "state.count": [
        lambda ctx: ctx.state.count,
        lambda ctx: getattr(ctx.state, "count", 0),
        lambda ctx: hasattr(ctx.state, "count"),
    ],
    "state.": [
        lambda ctx: ctx.state.model_dump(),
        lambda ctx: repr(ctx.state),
        lambda ctx: ctx.state.model_copy(),
        lambda ctx: ctx.state == Desk(),
        lambda ctx: vars(ctx.state),
        lambda ctx: dict(ctx.state),
    ],
    "state.log": [lambda ctx: ctx.state.log.append("x")],
    "ctx.user_id": [lambda ctx: ctx.user_id],
    "ctx.execution_id": [lambda ctx: ctx.execution_id],
    "ctx.metadata": [
        lambda ctx: ctx.metadata.get("lang"),
        lambda ctx: setattr(ctx, "metadata", {"a": 1}),
    ],
    "ctx.branches": [lambda ctx: ctx.branches],
    "ctx.random": [lambda ctx: ctx.random.random()],
}


@pytest.mark.parametrize(
    ("path", "look"),
    [(path, look) for path, looks in LOOKS.items() for look in looks],
)
@pytest.mark.parametrize("swallows", [False, True])
async def test_what_is_no_part_of_the_key_can_t_be_seen(path, look, swallows):
    """The error names the step and what it looked at, also where the node catches everything."""

    class Peeks(BaseNode[Desk]):
        cache = True
        reads = ("question",)

        async def run(self, ctx: RunContext[Desk]) -> End:
            try:
                look(ctx)
            except Exception:
                if not swallows:
                    raise
            return End()

    with pytest.raises(UndeclaredReadError, match=rf"Step 0 \(Peeks\) reads `{path}") as caught:
        await Graph(Peeks).run(state=Desk(), cache=MemoryCache())

    assert caught.value.path.startswith(path)


async def test_without_a_cache_nothing_is_withheld():
    """What a cached node may see is only asked where it is cached."""

    class Peeks(BaseNode[Desk]):
        cache = True
        reads = ("question",)

        async def run(self, ctx: RunContext[Desk]) -> End:
            ctx.state.answer = f"{ctx.state.count} {ctx.user_id}"
            return End()

    result = await Graph(Peeks).run(state=Desk(count=3), user_id="ann")

    assert result.state.answer == "3 ann"


class Greet(BaseNode[Desk]):
    """Depends on the user, and says so."""

    cache = CachePolicy(inputs=("user_id", "metadata", "deps.tenant"))
    reads = ("question",)

    async def run(self, ctx: RunContext[Desk]) -> End[str]:
        ctx.deps["ran"].append(ctx.user_id)
        ctx.state.user = ctx.user_id or ""
        ctx.metadata["greeted"] = [ctx.user_id]
        return End(f"{ctx.user_id} of {ctx.deps['tenant']} in {ctx.metadata['lang']}")


async def test_users_never_mix():
    """The regression of the first design: declared inputs tell users apart, in both directions."""
    cache, ran = MemoryCache(), []
    for _ in range(2):
        for user in ("ann", "bob"):
            for tenant in ("red", "blue"):
                result = await Graph(Greet).run(
                    state=Desk(question="hi"),
                    cache=cache,
                    user_id=user,
                    metadata={"lang": "en"},
                    deps={"tenant": tenant, "ran": ran},
                )
                assert result.output == f"{user} of {tenant} in en"
                assert result.state.user == user
                assert result.context.user_id == user
                assert result.context.metadata == {"lang": "en", "greeted": [user]}
    assert sorted(ran) == ["ann", "ann", "bob", "bob"]


async def test_hit_leaves_metadata_and_provenance_of_the_run():
    """What was there before stays; the node adds its own."""

    class First(BaseNode[Desk]):
        async def run(self, ctx: RunContext[Desk]) -> Ask:
            ctx.metadata["run"] = ctx.execution_id
            ctx.add_provenance("First", "s")
            return Ask()

    cache = MemoryCache()
    for name in ("one", "two"):
        result = await Graph(First).run(
            state=Desk(question="q"), cache=cache, deps=[], execution_id=name
        )
        assert result.context.metadata == {"run": name}
        assert [e["execution_id"] for e in result.context.provenance] == [name, name]
    assert result.statistics["cache_hits"] == 1


async def test_errors_are_not_kept_and_retries_start_clean():
    """A failing node runs again; of a retried one only the attempt that succeeded is kept."""

    class Flaky(BaseNode[Desk]):
        cache = CachePolicy(inputs=("metadata",))
        reads = ("log",)
        retry = RetryPolicy(max_attempts=2, first_delay=0, retry_on=(ValueError,))

        async def run(self, ctx: RunContext[Desk]) -> End:
            ctx.deps.append(1)
            ctx.state.log.append("x")
            ctx.state.answer = "half"
            ctx.metadata["k"] = len(ctx.deps)
            ctx.add_provenance("Flaky", "s")
            if len(ctx.deps) < 4:
                raise ValueError
            return End()

    cache, ran = MemoryCache(), []
    with pytest.raises(NodeError):
        await Graph(Flaky).run(state=Desk(), cache=cache, deps=ran)
    for _ in range(2):
        result = await Graph(Flaky).run(state=Desk(), cache=cache, deps=ran)
        assert result.state == Desk(log=["x"], answer="half")
        assert result.context.metadata == {"k": 4}
        assert len(result.context.provenance) == 1
    assert len(ran) == 4


async def test_hit_is_an_event_and_in_the_log(caplog):
    """Instead of start and finish there is one event, with what was saved."""
    caplog.set_level("INFO", "lift_sys.execution")
    cache, events = MemoryCache(), []
    for _ in range(2):
        await run(Ask, Desk(question="q"), cache=cache, deps=[], on_event=events.append)

    kinds = [type(event).__name__ for event in events]
    assert kinds[-4:] == ["RunStarted", "UsageReported", "CacheHit", "RunFinished"]
    [hit] = [event for event in events if isinstance(event, CacheHit)]
    assert (hit.address, hit.node, hit.successor, hit.writes) == ("0", "Ask", "End", ("answer",))
    assert not hit.shared
    assert f"step 0 (Ask) found in the cache, which took {seconds(hit.saved)}" in caplog.text


async def test_broken_cache_is_a_warning_and_the_node_runs(caplog):
    """A result that was paid for is never lost to a full disk."""

    class Broken:
        async def get(self, key):
            raise OSError("the disk is gone")

        put = get

        async def invalidate(self, **conditions):
            return 0

    events, ran = [], []
    result = await run(Ask, Desk(question="q"), cache=Broken(), deps=ran, on_event=events.append)

    assert result.state.answer == "Q"
    assert ran == ["Ask"]
    assert sum(isinstance(event, CacheFailed) for event in events) == 2
    assert "step 0 (Ask) goes without the cache: OSError: the disk is gone" in caplog.text


class Strict(BaseModel):
    """Assignments are validated by pydantic, and one field can't be hidden."""

    model_config = ConfigDict(validate_assignment=True)

    question: str = ""
    answer: str = ""
    other: int = 0
    old: int = Field(0, deprecated="pydantic keeps an attribute of its class for it")


class AskStrictly(BaseNode[Strict]):
    cache = True
    reads = ("question",)

    async def run(self, ctx: RunContext[Strict]) -> End:
        ctx.deps.append(1)
        ctx.state.answer = ctx.state.question * 2
        return End()


async def test_models_that_validate_assignments():
    """Pydantic looks at all fields when it checks one; the node still does not."""
    cache, ran = MemoryCache(), []
    for other in (1, 2):
        result = await Graph(AskStrictly).run(
            state=Strict(question="q", other=other), cache=cache, deps=ran
        )
        assert result.state == Strict(question="q", answer="qq", other=other)
    assert len(ran) == 1
    await Graph(AskStrictly).run(state=Strict(question="q", old=1), cache=cache, deps=ran)
    assert len(ran) == 2  # what can't be hidden is a part of the key


async def test_plain_functions_are_held_to_their_reads_too():
    """`def run` in a thread gets the same context."""

    class Peeks(BaseNode[Desk]):
        cache = True
        reads = ("question",)

        def run(self, ctx: RunContext[Desk]) -> End:
            return End(ctx.state.count)

    with pytest.raises(UndeclaredReadError, match="state.count"):
        await Graph(Peeks).run(state=Desk(), cache=MemoryCache())


async def test_groups_inside_a_cached_node():
    """A cached node may run groups; they see no more than it does."""

    class Inner(BaseNode[Desk]):
        async def run(self, ctx: RunContext[Desk]) -> End:
            ctx.state.answer += "."
            ctx.add_provenance("Inner", "s")
            return End()

    class Outer(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: RunContext[Desk]) -> End:
            executor = ParallelExecutor(2)
            results = await executor.execute_parallel([Inner(), Inner()], ctx)
            ctx.deps.append(1)
            ctx.state.answer = "".join(result.context.state.answer for result in results)
            return End()

    class Curious(BaseNode[Desk]):
        async def run(self, ctx: RunContext[Desk]) -> End:
            return End(ctx.user_id)

    class AsksCurious(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: RunContext[Desk]) -> End:
            [result] = await ParallelExecutor().execute_parallel([Curious()], ctx)
            raise result.error

    cache, ran = MemoryCache(), []
    for _ in range(2):
        result = await Graph(Outer).run(state=Desk(), cache=cache, deps=ran)
        assert result.state.answer == ".."
    assert len(ran) == 1
    with pytest.raises(UndeclaredReadError, match="ctx.user_id"):
        await Graph(AsksCurious).run(state=Desk(), cache=cache)


class Knot(BaseModel):
    value: Any = None
    turns: int = 0


class Turn(BaseNode[Knot]):
    cache = True

    async def run(self, ctx: RunContext[Knot]) -> End[int]:
        ctx.state.turns += 1
        return End(ctx.state.turns)


def knotted(kind: str) -> list[Any]:
    """A list that is in itself, or one that stands in very many places."""
    made: list[Any] = ["x"]
    if kind == "itself":
        made.append(made)
    else:
        for _ in range(60):
            made = [made, made]
    return made


@pytest.mark.parametrize("kind", ["itself", "many places"])
async def test_a_state_with_one_object_in_several_places_is_looked_up(kind):
    cache = MemoryCache()
    for hits in (0, 1):
        result = await Graph(Turn).run(state=Knot(value=knotted(kind)), cache=cache)
        assert (result.output, result.statistics["cache_hits"]) == (1, hits)
