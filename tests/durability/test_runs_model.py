"""Any order of runs, crashes, cancellations, take-overs, answers and resumes, against a model.

The model knows nothing of time or of stores: it reads a plan and says what the result must be, and
which questions are open, given the answers so far.
"""

import asyncio
import itertools
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
from durability.mortal import Mortal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Suspend
from lift_sys.durability import MemoryStore
from lift_sys.errors import (
    AnswerError,
    FencedError,
    LiftError,
    OtherInputError,
    StoreError,
    UnknownRunError,
)
from lift_sys.reducers import Append


class Log(BaseModel):
    done: Annotated[list[str], Append()] = []
    count: int = 0


@dataclass
class Act(BaseNode[Log]):
    """Does the first item of a plan, and leaves the others to its successor."""

    items: list[list[Any]]
    asked: str = ""

    async def run(self, ctx: RunContext[Log]) -> "Act | Fork[Act, Act] | Suspend[Act] | End[int]":
        await ctx.deps.begin(ctx.address)
        if self.asked:
            ctx.state.done.append(f"{self.asked}={ctx.answer}")
        if not self.items:
            return End(len(ctx.state.done))
        (kind, what), *rest = self.items
        if kind == "fan":
            return Fork([Act(items) for items in what], then=Act(rest))
        ctx.state.done.append(f"{kind} {what}")
        ctx.metadata[what] = ctx.attempt
        if kind == "ask":
            return Suspend(f"{what}?", key=what, schema=int, then=Act(rest, what))
        return Act(rest)


GRAPH = Graph(Act([]))
_numbers = itertools.count()  # stores on disk are the same for all examples

works = st.tuples(st.just("work"), st.just(None))
asks = st.tuples(st.just("ask"), st.just(None))
plans = st.recursive(
    st.lists(st.one_of(works, works, asks), max_size=3),
    lambda inner: st.lists(
        st.one_of(works, asks, st.tuples(st.just("fan"), st.lists(inner, max_size=3))),
        min_size=2,
        max_size=4,
    ),
    max_leaves=8,
)


troubles = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"lives": st.integers(0, 8), "heard": st.booleans()}),
    st.fixed_dictionaries({"cancel_at": st.integers(1, 5)}),
    st.fixed_dictionaries({"fence_at": st.integers(1, 5)}),
)


def named(plan: Any, prefix: str = "") -> list[list[Any]]:
    """The plan with a name for each of its items."""
    return [
        [
            kind,
            [named(one, f"{prefix}{place}.{branch}.") for branch, one in enumerate(what)]
            if kind == "fan"
            else f"{prefix}{place}",
        ]
        for place, (kind, what) in enumerate(plan)
    ]


def expected(plan: list[list[Any]], answers: dict[str, int]) -> tuple[list[str], set[str]]:
    """What a walk writes, and what it waits for."""
    done: list[str] = []
    for kind, what in plan:
        if kind == "fan":
            ends = [expected(branch, answers) for branch in what]
            if waiting := set[str]().union(*(end[1] for end in ends)):
                return done, waiting
            done += [entry for end in ends for entry in end[0]]
            continue
        done.append(f"{kind} {what}")
        if kind == "ask":
            if what not in answers:
                return done, {what}
            done.append(f"{what}={answers[what]}")
    return done, set()


class World:
    """What nodes do, and what is done to them: at one of their attempts something happens."""

    def __init__(self, store, run, *, cancel_at=None, fence_at=None):
        self.begun: list[str] = []
        self.store, self.run = store, run
        self.cancel_at, self.fence_at = cancel_at, fence_at
        self.task = asyncio.current_task()
        self.kept_then: list[str] | None = None  # None while nobody has looked

    async def begin(self, address):
        self.begun.append(address)
        number = len(self.begun)
        await asyncio.sleep(0)
        if number == self.cancel_at:
            self.task.cancel()
            await asyncio.sleep(0)
        if number == self.fence_at:
            await self.store.take_over(self.run)
            _, facts = await self.store.load(self.run)
            self.kept_then = [fact.address for fact in facts if fact.kind == "step"]


@dataclass
class Run:
    """The model of one run."""

    name: str
    plan: list[list[Any]]
    answers: dict[str, int]


class Runs(RuleBasedStateMachine):
    """Set `make_store` before it is used."""

    make_store: Any = None
    runs = Bundle("runs")

    def __init__(self):
        super().__init__()
        self.store = type(self).make_store()
        self.loop = asyncio.Runner()

    def teardown(self):
        self.loop.run(self.store.close())
        self.loop.close()

    async def kept(self, run):
        try:
            record, facts = await self.store.load(run.name)
        except UnknownRunError:
            return None, []
        steps = [fact.address for fact in facts if fact.kind == "step"]
        assert len(steps) == len(set(steps)) == record.steps
        return record, steps

    def go(self, run, *, answers=None, begin=False, lives=None, heard=True, **happens):
        return self.loop.run(self._go(run, answers or {}, begin, lives, heard, happens))

    async def _go(self, run, answers, begin, lives, heard, happens):
        """Begin or resume; the end is the model's, or that of what happens to it."""
        before, kept = await self.kept(run)
        world = World(self.store, run.name, **happens)
        store = self.store if lives is None else Mortal(self.store, lives, heard=heard)
        options = {"store": store, "deps": world}
        end: Any
        try:
            if begin or before is None:
                work = GRAPH.run(
                    Act(run.plan), state=Log(), execution_id=run.name, seed=3, **options
                )
            else:
                work = GRAPH.resume(run.name, answers=answers, **options)
            end = await work
        except LiftError as error:
            end = error
        except asyncio.CancelledError as error:
            asyncio.current_task().uncancel()
            end = error
        after, now_kept = await self.kept(run)
        assert set(kept) <= set(now_kept)
        assert set(world.begun).isdisjoint(kept)
        assert len(set(world.begun)) == len(world.begun)
        for address in answers:
            if after is not None and await self.is_answered(run, address):
                run.answers[address] = answers[address]
        if isinstance(end, StoreError):
            assert lives is not None
            assert (after is None) == (before is None and lives == 0)
            possible = {"running"} if before is None else {"running", before.status}
            if not heard:  # the last write said how it ended
                possible |= {"finished", "suspended", "cancelled"}
            assert after is None or after.status in possible
        elif isinstance(end, asyncio.CancelledError):
            assert after.status == "cancelled"
        elif isinstance(end, FencedError):
            assert len(world.begun) >= world.fence_at
            assert world.kept_then in (None, now_kept)
            assert after.status == "running"
        else:
            assert not isinstance(end, BaseException), end
            assert world.fence_at is None or len(world.begun) < world.fence_at
            done, waiting = expected(run.plan, run.answers)
            assert {question.key for question in end.questions} == waiting
            assert after.status == ("suspended" if waiting else "finished")
            if not waiting:
                assert (end.state.done, end.output) == (done, len(done))
                assert set(now_kept) == {*kept, *world.begun}
        return end, world

    def assert_untouched(self, run, record, kept):
        """A mark of an attempt may come later, and nothing else."""
        now, kept_now = self.loop.run(self.kept(run))
        assert kept_now == kept
        assert now.model_copy(update={"updated_at": record.updated_at}) == record

    async def is_answered(self, run, key):
        """Whether the answer was kept."""
        _, facts = await self.store.load(run.name)
        asking = {fact.address for fact in facts if fact.body.get("asks") == key}
        return any(fact.kind == "answer" and fact.address in asking for fact in facts)

    @rule(target=runs, plan=plans, trouble=troubles)
    def begin(self, plan, trouble):
        run = Run(f"run {next(_numbers)}", named(plan), {})
        self.go(run, begin=True, **trouble)
        return run

    @rule(run=runs, trouble=troubles)
    def resume(self, run, trouble):
        self.go(run, **trouble)

    @rule(run=runs, trouble=troubles)
    def run_again(self, run, trouble):
        """The same name and input go on, too."""
        self.go(run, begin=True, **trouble)

    @rule(run=runs, data=st.data(), trouble=troubles, value=st.integers(0, 9))
    def answer(self, run, data, trouble, value):
        """Some of the questions that are open."""
        record, _ = self.loop.run(self.kept(run))
        if record is None or record.status != "suspended":
            return
        _, waiting = expected(run.plan, run.answers)
        keys = data.draw(st.lists(st.sampled_from(sorted(waiting)), min_size=1, unique=True))
        self.go(run, answers=dict.fromkeys(keys, value), **trouble)

    @rule(run=runs, key=st.sampled_from(["0", "nobody"]))
    def answer_wrongly(self, run, key):
        record, kept = self.loop.run(self.kept(run))
        if record is None:
            return
        with pytest.raises(AnswerError):
            self.loop.run(
                GRAPH.resume(run.name, store=self.store, answers={key: "no number"}, deps=None)
            )
        self.assert_untouched(run, record, kept)

    @rule(run=runs)
    def begin_another_under_its_name(self, run):
        record, kept = self.loop.run(self.kept(run))
        if record is None:
            return
        with pytest.raises(OtherInputError):
            self.loop.run(
                GRAPH.run(
                    Act(run.plan),
                    state=Log(count=1),
                    store=self.store,
                    execution_id=run.name,
                )
            )
        self.assert_untouched(run, record, kept)

    @rule(runs=st.lists(runs, min_size=2, max_size=4, unique_by=id))
    def resume_together(self, runs):
        """Several runs in one loop share the store's transactions."""

        async def together():
            await asyncio.gather(*(self._go(run, {}, False, None, True, {}) for run in runs))

        self.loop.run(together())

    @rule()
    def restart(self):
        """Another process opens the store."""
        if not isinstance(self.store, MemoryStore):
            self.loop.run(self.store.close())
            self.store = type(self).make_store()

    @rule()
    def check(self):
        self.loop.run(self.store.check())


EXAMPLES = {"memory": 40, "sqlite": 15, "postgres": 5}


def play(request, make_store, tmp_path, *, times):
    machine = type("OfOneStore", (Runs,), {"make_store": staticmethod(make_store)})
    examples = EXAMPLES[request.node.callspec.params["make_store"]] * times
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=examples, stateful_step_count=15, deadline=None),
    )


@pytest.mark.parametrize("make_store", ["memory", "sqlite"], indirect=True)
def test_runs_are_as_the_model_says(request, make_store, tmp_path):
    play(request, make_store, tmp_path, times=1)


@pytest.mark.slow
def test_runs_are_as_the_model_says_for_long(request, make_store, tmp_path):
    play(request, make_store, tmp_path, times=3)
