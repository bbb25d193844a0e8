"""A run goes on where it was: what has finished is never run again, and the result is the same."""

import asyncio
from typing import Annotated

import pytest
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    Majority,
    MergeStrategy,
    ParallelExecutor,
    RetryPolicy,
    RunContext,
    Stop,
    Subgraph,
    Timeouts,
)
from lift_sys.durability import MemoryStore, SqliteStore
from lift_sys.errors import (
    JournalError,
    LiftError,
    OtherInputError,
    RunningLoopError,
    UnkeptValueError,
    UnknownRunError,
)
from lift_sys.reducers import Append
from lift_sys.testing import virtual


class Work(BaseModel):
    done: Annotated[list[str], Append()] = []
    total: int = 0
    notes: dict[str, int] = {}


class Effects:
    """What nodes did to the world: each time they run, whether it counts or not."""

    def __init__(self, *failing: str) -> None:
        self.ran: list[str] = []
        self.failing = list(failing)

    def happen(self, name: str) -> None:
        self.ran.append(name)
        if name in self.failing:
            self.failing.remove(name)
            raise ConnectionError(name)


class First(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> "Second":
        ctx.deps.happen("first")
        ctx.state.total += 1
        ctx.metadata["first"] = True
        ctx.add_provenance("First", "plain")
        return Second(by=2)


class Second(BaseNode[Work]):
    def __init__(self, by: int) -> None:
        self.by = by

    async def run(self, ctx: RunContext[Work]) -> End[int]:
        ctx.deps.happen("second")
        ctx.state.total += self.by
        return End(ctx.state.total)


async def finish(graph, state, *failing, execution_id="run"):
    """Run, and resume until it is finished; the result, and all that happened."""
    store, effects = MemoryStore(), Effects(*failing)
    try:
        result = await graph.run(
            state=state, store=store, execution_id=execution_id, deps=effects, seed=7
        )
    except LiftError:
        while True:
            try:
                result = await graph.resume(execution_id, store=store, deps=effects)
                break
            except LiftError:
                assert effects.failing or len(effects.ran) < 1000
    await store.close()
    return result, effects.ran


async def test_a_chain_goes_on_after_its_last_finished_step():
    graph = Graph(First)
    plain, _ = await finish(graph, Work())

    result, ran = await finish(graph, Work(), "second")

    assert ran == ["first", "second", "second"]
    assert (result.output, result.state) == (3, Work(total=3)) == (plain.output, plain.state)
    assert result.context.metadata == {"first": True}
    assert len(result.context.provenance) == 1
    assert dict(result.blame) == dict(plain.blame)


class Start(BaseNode[Work]):
    def __init__(self, width: int = 4, strategy: MergeStrategy = MergeStrategy.ALL_SUCCESS):
        self.width, self.strategy = width, strategy

    async def run(self, ctx: RunContext[Work]) -> "Fork[Branch, Collect]":
        ctx.deps.happen("start")
        nodes = [Branch(str(number)) for number in range(self.width)]
        return Fork(nodes, then=Collect(), strategy=self.strategy)


class Branch(BaseNode[Work]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Work]) -> "Leaf":
        ctx.deps.happen(f"branch {self.name}")
        ctx.state.notes[self.name] = len(self.name)
        return Leaf(self.name)


class Leaf(BaseNode[Work]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Work]) -> End[str]:
        ctx.deps.happen(f"leaf {self.name}")
        ctx.state.done.append(self.name)
        return End(self.name)


class Collect(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End[list[str]]:
        ctx.deps.happen("collect")
        return End([str(branch.output) for branch in ctx.branches])


async def test_of_a_fork_only_unfinished_steps_run_again():
    graph = Graph(Start)
    plain, _ = await finish(graph, Work())

    result, ran = await finish(graph, Work(), "leaf 2", "collect")

    assert sorted(ran) == sorted(
        [
            "start",
            *[f"branch {n}" for n in range(4)],
            *[f"leaf {n}" for n in range(4)],
            "leaf 2",
            "collect",
            "collect",
        ]
    )
    assert result.output == plain.output == ["0", "1", "2", "3"]
    assert result.state == plain.state
    assert dict(result.blame) == dict(plain.blame)


@pytest.mark.parametrize("strategy", list(MergeStrategy))
async def test_a_finished_run_gives_its_result_again(strategy):
    graph, store, effects = Graph(Start(3, strategy)), MemoryStore(), Effects("branch 1")
    options = {"store": store, "execution_id": "run", "deps": effects, "seed": 1}
    best = strategy in (
        MergeStrategy.BEST_EFFORT,
        MergeStrategy.MAJORITY,
        MergeStrategy.FIRST_SUCCESS,
    )
    if not best:
        effects.failing.clear()
    first = await graph.run(state=Work(), **options)
    ran = len(effects.ran)

    again = await graph.resume("run", store=store, deps=effects)
    once_more = await graph.run(state=Work(), **options)

    assert len(effects.ran) == ran
    for other in (again, once_more):
        assert (other.state, other.output) == (first.state, first.output)
        assert dict(other.blame) == dict(first.blame)
        assert other.votes == first.votes
        assert [(each.label, each.writes.paths) for each in other.discarded] == [
            (each.label, each.writes.paths) for each in first.discarded
        ]
        assert other.usage == first.usage
        assert other.seed == first.seed


class Halting(BaseNode[Work]):
    def __init__(self, name: str = "") -> None:
        self.name = name

    async def run(self, ctx: RunContext[Work]) -> "Fork[Halting, End] | Stop[str] | End":
        ctx.deps.happen(f"halting {self.name}")
        if not self.name:
            return Fork([Halting("a"), Halting("b")], then=End())
        if self.name == "b":
            ctx.state.total = 5
            return Stop("enough")
        return End()


async def test_a_stop_is_final():
    graph, store, effects = Graph(Halting), MemoryStore(), Effects()
    graph = Graph(Halting, executor=ParallelExecutor(1))
    first = await graph.run(state=Work(), store=store, execution_id="run", deps=effects)
    ran = list(effects.ran)

    again = await graph.resume("run", store=store, deps=effects)

    assert effects.ran == ran
    assert (again.state, again.output, again.stopped) == (first.state, "enough", True)


class Inner(BaseModel):
    value: int = 0


class Double(BaseNode[Inner]):
    async def run(self, ctx: RunContext[Inner]) -> "Increment":
        ctx.deps.happen("double")
        ctx.state.value *= 2
        return Increment()


class Increment(BaseNode[Inner]):
    async def run(self, ctx: RunContext[Inner]) -> End[int]:
        ctx.deps.happen("increment")
        ctx.state.value += 1
        return End(ctx.state.value)


INNER = Graph(Double)


def leave(state, result):
    state.total = result.state.value


class Nested(Subgraph[Work, Inner]):
    def __init__(self) -> None:
        super().__init__(INNER, enter=lambda state: Inner(value=state.total), leave=leave)


async def test_steps_inside_a_subgraph_are_not_run_again():
    result, ran = await finish(Graph(Nested), Work(total=3), "increment")

    assert ran == ["double", "increment", "increment"]
    assert result.state.total == 7


class Trying(BaseNode[Work]):
    retry = RetryPolicy(max_attempts=3, first_delay=0.001)

    async def run(self, ctx: RunContext[Work]) -> Second:
        ctx.deps.happen("trying")
        ctx.state.total = ctx.attempt
        return Second(1)


async def test_attempts_are_counted_on():
    result, ran = await finish(Graph(Trying), Work(), "trying", "trying", "second")

    assert ran == ["trying"] * 3 + ["second"] * 2
    assert result.state.total == 4


async def test_another_input_under_the_same_name_is_refused():
    graph, store = Graph(First), MemoryStore()
    await graph.run(state=Work(), store=store, execution_id="run", deps=Effects())

    with pytest.raises(OtherInputError, match="total"):
        await graph.run(state=Work(total=1), store=store, execution_id="run", deps=Effects())


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (Work(total=1), "fields that differ: total."),
        (Work(total=0), "other fields were given, and not left to their defaults."),
    ],
)
async def test_what_differs_is_said_in_words_of_the_state(other, text):
    """Not in those of the journal, whose own names begin with `$`."""
    graph, store = Graph(First), MemoryStore()
    await graph.run(state=Work(), store=store, execution_id="run", deps=Effects())

    with pytest.raises(OtherInputError) as caught:
        await graph.run(state=other, store=store, execution_id="run", deps=Effects())

    assert text in str(caught.value)
    assert "$" not in str(caught.value)


async def test_an_unknown_run_is_said():
    with pytest.raises(UnknownRunError, match="unknown run 'nobody'"):
        await Graph(First).resume("nobody", store=MemoryStore())


class Odd(BaseModel):
    what: object = None


class Nothing(BaseNode[Odd]):
    async def run(self, ctx: RunContext[Odd]) -> End:
        return End()


async def test_what_cannot_be_kept_is_named_before_the_first_step():
    with pytest.raises(UnkeptValueError, match=r"state\.what"):
        await Graph(Nothing).run(state=Odd(what=iter([1])), store=MemoryStore())


@pytest.mark.parametrize(
    ("known", "given"), [(1, True), (1, 1.0), (0.0, -0.0), ([0], [False]), ({"a": 1}, {"a": 1.0})]
)
async def test_what_python_calls_equal_may_be_another_input(known, given):
    graph, store = Graph(Nothing), MemoryStore()
    await graph.run(state=Odd(what=known), store=store, execution_id="run", metadata={"k": known})
    await graph.run(state=Odd(what=known), store=store, execution_id="run", metadata={"k": known})

    with pytest.raises(OtherInputError, match="fields that differ: what"):
        await graph.run(state=Odd(what=given), store=store, execution_id="run")
    with pytest.raises(OtherInputError, match="the metadata is another one"):
        await graph.run(
            state=Odd(what=known), store=store, execution_id="run", metadata={"k": given}
        )


async def test_majority_is_kept_with_its_votes():
    graph = Graph(Start(3, Majority(quorum=0.5, key="total")))
    result, _ = await finish(graph, Work(), "collect")
    plain, _ = await finish(graph, Work())

    assert result.votes == plain.votes
    assert result.state == plain.state


class Removing(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> End:
        await ctx.deps.delete(ctx.execution_id)
        return End()


async def test_a_run_that_is_removed_meanwhile_ends():
    store = MemoryStore()

    with pytest.raises(JournalError, match="removed it while it ran"):
        await Graph(Removing).run(state=Work(), store=store, deps=store)


class Wide(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> "Fork[Start, End]":
        return Fork([Start(2) for _ in range(3)], then=End(), strategy=MergeStrategy.BEST_EFFORT)


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
async def test_recalled_steps_hold_no_slots(limit):
    """Or the steps below them, which did not finish, would wait for ever."""
    graph = Graph(Wide, executor=ParallelExecutor(limit))
    failing = ["leaf 0"] * 3

    async with asyncio.timeout(5):
        result, ran = await finish(graph, Work(), "collect", *failing)

    assert result.output is None
    assert graph.executor.slots().free == limit
    assert ran.count("start") == 3


@pytest.mark.parametrize(
    "changes", [{"user_id": "bob"}, {"seed": 1}, {"state": {"total": 900}}, {"metadata": {"a": 1}}]
)
async def test_a_beginning_that_was_edited_is_refused(changes):
    store, effects = MemoryStore(), Effects("second")
    with pytest.raises(LiftError):
        await Graph(First).run(
            state=Work(), store=store, execution_id="run", deps=effects, user_id="ann", seed=7
        )
    record, facts = await store.load("run")
    epoch = await store.take_over("run")
    edited = record.model_copy(update=changes)
    await store.delete("run")
    await store.create(edited.model_copy(update={"epoch": epoch}), facts)

    with pytest.raises(JournalError, match=r"edited it\. Restore a copy"):
        await Graph(First).resume("run", store=store, deps=effects)


class SlowDisk(MemoryStore):
    """Needs longer for a commit than nodes may take."""

    async def commit(self, *arguments, **options):
        await asyncio.sleep(30)
        await super().commit(*arguments, **options)


@pytest.mark.parametrize("failures", [0, 1])
@virtual
async def test_a_deadline_of_a_node_is_not_for_its_commit(failures):
    """It has done its work in time; also when an attempt before has failed."""
    retry = RetryPolicy(max_attempts=2, first_delay=1)
    limits = Timeouts(node=10)
    graph = Graph(First, executor=ParallelExecutor(timeouts=limits, retry=retry))
    effects, store = Effects(*["first"] * failures), SlowDisk()

    result = await graph.run(state=Work(), store=store, execution_id="run", deps=effects)

    assert result.output == 3
    _, facts = await store.load("run")
    assert [fact.elapsed < 10 for fact in facts] == [True, True]
    assert [fact.attempt for fact in facts] == [1 + failures, 1]


def made_here():
    return Subgraph(INNER, enter=lambda state: Inner(value=state.total), leave=leave)


NAMED = made_here()


class Always(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Subgraph[Work, Inner]:
        ctx.deps.happen("always")
        return NAMED


class Unnamed(Subgraph[Work, Inner]):
    """A class of which no module holds an instance."""


class Surely(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Unnamed:
        ctx.deps.happen("surely")
        raise NotImplementedError


class Perhaps(BaseNode[Work]):
    async def run(self, ctx: RunContext[Work]) -> Unnamed | End[int]:
        ctx.deps.happen("perhaps")
        if ctx.state.total:
            return End(0)
        return Unnamed(INNER, enter=lambda state: Inner(), leave=leave)


async def test_a_subgraph_that_has_a_name_is_kept():
    result, ran = await finish(Graph(Always), Work(total=3), "increment")

    assert ran == ["always", "double", "increment", "increment"]
    assert result.state.total == 7


async def test_a_subgraph_that_a_step_makes_is_refused():
    """Before the first step where the run is sure to come there, else at that step."""
    effects, store = Effects(), MemoryStore()

    with pytest.raises(UnkeptValueError, match="what Surely returns is a Unnamed") as early:
        await Graph(Surely).run(state=Work(), store=store, deps=effects)
    assert (effects.ran, await store.runs()) == ([], [])
    with pytest.raises(UnkeptValueError, match=r"Step 0 \(Perhaps\): Unnamed is a Unn") as late:
        await Graph(Perhaps).run(state=Work(), store=store, deps=effects)

    for caught in (early, late):
        assert "`DETAIL = Subgraph(...)`" in str(caught.value)
    other = await Graph(Perhaps).run(state=Work(total=1), store=store, deps=effects)
    assert other.output == 0


@pytest.mark.parametrize("kind", [MemoryStore, SqliteStore])
def test_a_run_goes_on_without_an_event_loop(kind, tmp_path):
    """By `resume_sync`, which takes what `resume` takes."""
    store = MemoryStore() if kind is MemoryStore else SqliteStore(tmp_path / "runs.db")
    effects = Effects("second")
    with pytest.raises(LiftError):
        Graph(First).run_sync(state=Work(), store=store, execution_id="run", deps=effects)

    result = Graph(First).resume_sync("run", store=store, deps=effects)

    assert (result.output, effects.ran) == (3, ["first", "second", "second"])


async def test_in_an_event_loop_it_says_what_to_write_instead():
    """In a notebook or a server it can't block."""
    with pytest.raises(RunningLoopError, match=r"Write `await graph\.resume\(\.\.\.\)`"):
        Graph(First).resume_sync("run", store=MemoryStore())
