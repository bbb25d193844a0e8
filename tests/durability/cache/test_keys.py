"""What tells one result from another: configuration, code, inputs; and what does not."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
from functools import cached_property
from typing import Any

import pytest
from cached_nodes import Ask, Ctx, Desk, Note, Shout, Whole, run
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext, Subgraph, node
from lift_sys.durability import CachePolicy, MemoryCache
from lift_sys.errors import GraphError, UsageError


async def runs_of(*nodes: Any, state: Desk | None = None, **options: Any) -> int:
    """How often a node really ran when these did, one after the other."""
    ran: list[str] = []
    cache = MemoryCache()
    for each in nodes:
        await run(each, state or Desk(question="q"), cache=cache, deps=ran, **options)
    return len(ran)


async def test_fields_of_the_instance_count():
    """The regression of the first design: a node's configuration is a part of its key."""
    assert await runs_of(Shout(), Shout("?"), Shout("!")) == 2


async def test_values_that_are_equal_but_of_other_types_differ():
    """`1`, `1.0` and `True` are not the same configuration."""
    assert await runs_of(Shout(1), Shout(1.0), Shout(True), Shout(1)) == 3


async def test_the_whole_state_counts_where_no_reads_are_declared():
    """Any other field is another input, and so is another order of keys, which a prompt would show."""
    cache, ran = MemoryCache(), []
    for state in (
        Desk(),
        Desk(count=1),
        Desk(index={"a": 1, "b": 2}),
        Desk(index={"b": 2, "a": 1}),
    ):
        await run(Whole, state, cache=cache, deps=ran)

    assert len(ran) == 4


MODULE = """
from lift_sys import BaseNode, End, RunContext
from cached_nodes import Desk

LIMIT = 1

class Base(BaseNode[Desk]):
    {base}
    cache = True

class Coded(Base):
    {attribute}
    async def run(self, ctx: RunContext[Desk]) -> End[int]:
        {body}
"""


def module(name: str, path: Any, base: str = "pass", attribute: str = "", body: str = "") -> Any:
    """A module with a node class of this code, always of the same name."""
    path.write_text(MODULE.format(base=base, attribute=attribute, body=body or "return End(1)"))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    exec(compile(path.read_text(), str(path), "exec"), vars(made))
    return made


@pytest.mark.parametrize(
    ("change", "is_new"),
    [
        ({"body": "return End(2)"}, True),
        ({"body": "return End(len(ctx.state.log) + 1)"}, True),
        ({"body": "# a comment\n        return End(1)"}, False),
        ({"attribute": "prompt = 'Say it.'"}, True),
        ({"attribute": "def helper(self): return 3"}, True),
        ({"attribute": "total = property(lambda self: 4)"}, True),
        ({"attribute": "priority = 3"}, False),
        ({"base": "limit = 5"}, True),
    ],
)
async def test_code_counts(change, is_new, tmp_path, monkeypatch):
    """Instructions, constants and attributes of the class and its bases; not its layout."""
    cache = MemoryCache()
    outcomes = []
    for each in ({}, change, change):
        made = module("coded", tmp_path / "coded.py", **each)
        monkeypatch.setitem(sys.modules, "coded", made)
        result = await Graph(made.Coded).run(state=Desk(), cache=cache)
        outcomes.append(result.statistics["cache_hits"])

    assert outcomes == [0, 0 if is_new else 1, 1]


class Dumps(BaseNode[Desk]):
    """Says what was set, also to its default."""

    cache = True

    async def run(self, ctx: Ctx) -> End[dict[str, Any]]:
        return End(ctx.state.model_dump(exclude_unset=True))


@given(orders=st.lists(st.permutations("abc"), min_size=1, max_size=5))
async def test_a_hit_has_the_order_of_its_own_keys(orders):
    """States that are equal, but whose keys stand in another order, are other inputs."""

    class Lists(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: Ctx) -> End[list[str]]:
            return End([*ctx.state.index])

    cache = MemoryCache()
    for order in orders:
        result = await run(Lists, Desk(index=dict.fromkeys(order, 1)), cache=cache)
        assert result.output == order


@pytest.mark.parametrize(
    "states",
    [
        (lambda: Desk(), lambda: Desk(count=0)),
        (lambda: Desk(note=Note()), lambda: Desk(note=Note(text=""))),
    ],
)
async def test_fields_that_were_set_count(states):
    """States that are equal but were not given the same fields are dumped differently."""
    cache, hits = MemoryCache(), []
    for make in (*states, *states):
        result = await run(Dumps, make(), cache=cache)
        assert result.output == make().model_dump(exclude_unset=True)
        hits.append(result.statistics["cache_hits"])

    assert hits == [0, 0, 1, 1]


async def test_fields_that_were_set_count_only_where_they_are_read():
    """Of the other fields a node does not see either whether they were set, and all stay so."""

    class Looks(BaseNode[Desk]):
        cache = True
        reads = ("question",)

        async def run(self, ctx: Ctx) -> End[list[str]]:
            ctx.state.answer = "a"
            return End(sorted(ctx.state.model_fields_set))

    cache, outcomes = MemoryCache(), []
    for state in (Desk(count=1), Desk(count=1, log=["l"]), Desk(question="", count=1)):
        given = state.model_fields_set
        result = await run(Looks, state, cache=cache)
        assert result.state.model_fields_set == given | {"answer"}
        outcomes.append((result.output, result.statistics["cache_hits"]))

    assert outcomes == [(["answer"], 0), (["answer"], 1), (["answer", "question"], 0)]


class Mark(BaseModel, frozen=True):
    text: str


PROMPT: Any = "Say it."
RUNS = 0


class Prompted(BaseNode[Desk]):
    """Looks at a constant of its module and of its class, and counts its runs in the module."""

    cache = True
    suffix: Any = "!"

    async def run(self, ctx: Ctx) -> End[str]:
        global RUNS
        RUNS += 1
        return End("".join(f"{each}{self.suffix}" for each in [PROMPT]))


@pytest.mark.parametrize(
    "values",
    [("Say it.", "Sing it."), (1, True), (("a",), ("b",)), (Mark(text="a"), Mark(text="b"))],
)
@pytest.mark.parametrize("place", ["class", "module"])
async def test_constants_are_read_at_each_call(place, values, monkeypatch):
    """Those of the class, and those of the module that the code names, also inside of it."""
    cache, hits = MemoryCache(), []
    for value in (*values, *values):
        if place == "class":
            monkeypatch.setattr(Prompted, "suffix", value)
        else:
            monkeypatch.setitem(globals(), "PROMPT", value)
        result = await run(Prompted, Desk(), cache=cache)
        assert result.output == f"{PROMPT}{Prompted.suffix}"
        hits.append(result.statistics["cache_hits"])

    assert hits == [0, 0, 1, 1]


async def test_closures_are_read_at_each_call():
    """A variable around a class can be assigned after it was made."""
    word = "a"

    class Closes(BaseNode[Desk]):
        cache = True

        async def run(self, ctx: Ctx) -> End[str]:
            return End(word)

    cache, outputs = MemoryCache(), []
    for each in ("a", "b", "a"):
        word = each
        result = await run(Closes, Desk(), cache=cache)
        outputs.append(result.output)

    assert outputs == ["a", "b", "a"]
    assert result.statistics["cache_hits"] == 1


async def test_version_stands_for_the_code(tmp_path, monkeypatch):
    """With one of your own the code does not count, and a new one is a new node."""
    cache, hits = MemoryCache(), []
    for version, body in (("1", "return End(1)"), ("1", "return End(2)"), ("2", "return End(2)")):
        attribute = f"from lift_sys.durability import CachePolicy\n    cache = CachePolicy(version={version!r})"
        made = module("coded", tmp_path / "coded.py", attribute=attribute, body=body)
        monkeypatch.setitem(sys.modules, "coded", made)
        result = await Graph(made.Coded).run(state=Desk(), cache=cache)
        hits.append((result.output, result.statistics["cache_hits"]))

    assert hits == [(1, 0), (1, 1), (2, 0)]


KEY = """
import asyncio, json
from cached_nodes import Ask, Desk, Shout, Spread, Whole, run

class Keys:
    def __init__(self):
        self.found = []
    async def get(self, key):
        self.found.append([key.digest, key.node, key.version])
    async def put(self, key, entry):
        pass

async def main():
    keys = Keys()
    for node in (Ask, Shout("?"), Whole, Spread):
        await run(node, Desk(question="a b", index={"x": 1, "y": 2}), cache=keys, deps=[])
    print(json.dumps(keys.found))
asyncio.run(main())
"""


def test_keys_are_the_same_in_every_process(project):
    """Hash seeds, addresses and the order of imports don't move them."""
    found = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", KEY],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{project}/tests:{project}"},
        )
        found.add(done.stdout)
        assert len({digest for digest, *_ in json.loads(done.stdout)}) == 4

    assert len(found) == 1


async def test_functions_as_nodes():
    """`@node` has no class attributes: the executor's policy holds for it; closures count."""
    from lift_sys import ParallelExecutor
    from lift_sys.testing import context_for

    def made(word: str) -> Any:
        @node
        async def say(ctx: Ctx) -> End:
            ctx.deps.append(word)
            ctx.state.answer = word
            return End()

        return say

    ran: list[str] = []
    executor = ParallelExecutor(cache=MemoryCache(), cache_policy=CachePolicy())
    answers = []
    for word in ("a", "b", "a"):
        ctx = context_for(Desk(), deps=ran)
        result = await executor.execute_single_with_isolation(made(word), ctx)
        answers.append(result.context.state.answer)

    assert answers == ["a", "b", "a"]
    assert ran == ["a", "b"]


class Opted(Ask):
    cache = False


async def test_a_node_can_opt_out_of_the_executors_policy():
    """`cache = False` is an answer, None is not."""
    from lift_sys import ParallelExecutor

    ran: list[str] = []
    executor = ParallelExecutor(cache=MemoryCache(), cache_policy=CachePolicy())
    for _ in range(2):
        await Graph(Opted, executor=executor).run(state=Desk(), deps=ran)

    assert len(ran) == 2


async def test_fields_without_a_digest_are_named():
    """A lock in a node can't be a part of a key; the error says which attribute, and what to do."""

    class Locked(BaseNode[Desk]):
        cache = True

        def __init__(self) -> None:
            self.lock = threading.Lock()

        async def run(self, ctx: Ctx) -> End:
            return End()

    with pytest.raises(UsageError, match=r"`Locked\.lock` holds a lock.*ctx\.deps"):
        await run(Locked(), Desk(), cache=MemoryCache())


async def test_class_attributes_without_a_digest_are_named():
    """As for the class; a version of your own makes it work."""

    class Locked(BaseNode[Desk]):
        cache = True
        lock = threading.Lock()

        async def run(self, ctx: Ctx) -> End:
            return End()

    class Versioned(Locked):
        cache = CachePolicy(version="1")

    with pytest.raises(UsageError, match=r"`Locked\.lock` holds a lock.*version="):
        await run(Locked, Desk(), cache=MemoryCache())
    assert await runs_of(Versioned) == 0


async def test_cached_properties_of_a_node_are_no_configuration():
    """They are computed from it."""

    class Derives(BaseNode[Desk]):
        cache = True

        @cached_property
        def pattern(self) -> str:
            return "p"

        async def run(self, ctx: Ctx) -> End[str]:
            ctx.deps.append(1)
            return End(self.pattern)

    one = Derives()
    assert await runs_of(one, one) == 1


async def test_deps_are_no_part_of_the_key():
    """Services are not digested; name an attribute in `inputs` where it matters."""
    ran: list[list[str]] = [[], []]
    cache = MemoryCache()
    for deps in ran:
        await run(Ask, Desk(), cache=cache, deps=deps)

    assert ran == [["Ask"], []]


async def test_random_is_an_input_like_others():
    """Two seeds are two results; the same seed at the same step is one."""

    class Draws(BaseNode[Desk]):
        cache = CachePolicy(inputs=("random",))

        async def run(self, ctx: Ctx) -> End[float]:
            return End(ctx.random.random())

    cache, hits = MemoryCache(), []
    for seed in (1, 2, 1):
        result = await Graph(Draws).run(state=Desk(), cache=cache, seed=seed)
        plain = await Graph(Draws).run(state=Desk(), seed=seed)
        assert result.output == plain.output
        hits.append(result.statistics["cache_hits"])
    assert hits == [0, 0, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: CachePolicy(ttl=0),
        lambda: CachePolicy(tags="one"),
        lambda: CachePolicy(inputs=("state",)),
        lambda: MemoryCache(0),
        lambda: MemoryCache(ttl=-1),
    ],
)
def test_policies_that_make_no_sense(make):
    """They are refused where they are written."""
    with pytest.raises((ValueError, TypeError)):
        make()


async def test_what_is_no_policy_is_refused():
    """Also on an instance, which shares its class's."""

    class Wrong(Ask):
        cache = "yes"

    class OnInstance(Ask):
        def __init__(self) -> None:
            self.cache = {}

    with pytest.raises(UsageError, match="Wrong.cache is 'yes'"):
        await run(Wrong, Desk(), cache=MemoryCache())
    with pytest.raises(UsageError, match="sets `cache` on an instance"):
        await run(OnInstance(), Desk(), cache=MemoryCache())


async def test_reads_that_are_no_fields_are_found_before_anything_runs():
    """A misspelt field would be no part of the key."""

    class Misspelt(Ask):
        reads = ("qestion",)

    with pytest.raises(GraphError, match="qestion"):
        Graph(Misspelt)


async def test_a_subgraph_is_not_cached_as_a_whole():
    """It is told; its steps can be cached themselves."""

    class Inside(Subgraph[Desk, Desk]):
        cache = CachePolicy(version="1")

    inner = Graph(Ask)

    class Start(BaseNode[Desk]):
        async def run(self, ctx: Ctx) -> Inside:
            return Inside(inner, enter=lambda s: s.model_copy(), leave=leave)

    def leave(state: Desk, result: Any) -> None:
        state.answer = result.state.answer

    with pytest.raises(UsageError, match="Inside.graph"):
        await Graph(Start).run(state=Desk(), cache=MemoryCache(), deps=[])

    class Plain(BaseNode[Desk]):
        async def run(self, ctx: Ctx) -> Subgraph[Desk, Desk]:
            return Subgraph(inner, enter=lambda s: s.model_copy(), leave=leave)

    cache, ran = MemoryCache(), []
    for _ in range(2):
        result = await Graph(Plain).run(state=Desk(question="q"), cache=cache, deps=ran)
    assert ran == ["Ask"]
    assert result.statistics["cache_hits"] == 1
    assert result.state.answer == "Q"


def test_contexts_of_cached_nodes_are_contexts():
    """`isinstance` holds, so annotations and helpers that ask for a RunContext do."""
    from lift_sys.execution.withheld import WithheldContext

    assert issubclass(WithheldContext, RunContext)
