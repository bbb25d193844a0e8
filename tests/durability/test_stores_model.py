"""Any order of calls leaves a store and a dictionary with the same runs."""

import asyncio
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from durability.records import fact, run
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from hypothesis.stateful import run_state_machine_as_test as explore

from lift_sys.durability import MemoryStore, PostgresStore, RunQuery, SqliteStore
from lift_sys.errors import FencedError, UnknownRunError

pytestmark = pytest.mark.timeout(120)  # thousands of commits, on a disk that may be busy

RUNS = st.sampled_from(["a", "b", "c"])
FACTS = st.lists(
    st.builds(
        fact,
        st.sampled_from(["0", "0.1", "1"]),
        st.sampled_from(["step", "join", "started", "answer", "edit"]),
        node=st.sampled_from(["Search", "Rank"]),
        tokens=st.integers(0, 3),
        cost=st.sampled_from([None, 0.0, 0.5]),  # these add up exactly
        body=st.dictionaries(st.text(max_size=2), st.none() | st.text(max_size=2), max_size=1),
    ),
    max_size=4,
)
STALE = st.integers(0, 1)


class Runs(RuleBasedStateMachine):
    """A store beside a model of it."""

    def __init__(self, make_store, *, reopens):
        super().__init__()
        self.make_store, self.reopens = make_store, reopens
        self.loop = asyncio.Runner()
        self.records, self.facts, self.minutes = {}, {}, itertools.count()

    def ask(self, awaitable):
        return self.loop.run(self.wait(awaitable))

    @staticmethod
    async def wait(awaitable):
        return await awaitable

    def teardown(self):
        self.ask(self.store.check())
        self.ask(self.store.close())
        self.loop.close()

    def keep(self, name, facts):
        kept = self.facts[name]
        for one in facts:
            gone = {(one.kind, one.address)}
            if one.kind == "step":
                gone.add(("started", one.address))
            kept[:] = [old for old in kept if (old.kind, old.address) not in gone]
            kept.append(one)
        costs = [one.cost for one in kept if one.cost is not None]
        sums = {
            "steps": sum(one.kind == "step" for one in kept),
            "tokens": sum(one.tokens for one in kept),
            "cost": sum(costs) if costs else None,
        }
        self.records[name] = self.records[name].model_copy(update=sums)

    def expect(self, name, stale):
        """The error that is due for a worker of some epoch, if any."""
        if name not in self.records:
            return UnknownRunError
        return FencedError if stale else None

    def done(self, asked, name, stale):
        """Whether what a worker asked for was done; it is refused where that is due."""
        error = self.expect(name, stale)
        if error is None:
            self.ask(asked)
            return True
        with pytest.raises(error):
            self.ask(asked)
        return False

    def epoch(self, name, stale):
        return (self.records[name].epoch if name in self.records else 0) - stale

    @initialize()
    def open(self):
        self.store = self.make_store()

    @rule(name=RUNS, facts=FACTS, state=st.none() | st.text(max_size=3))
    def create(self, name, facts, state):
        given = run(name, minute=next(self.minutes), state=state, epoch=len(facts))

        assert self.ask(self.store.create(given, facts)) == (name not in self.records)

        if name not in self.records:
            self.records[name], self.facts[name] = given, []
            self.keep(name, facts)

    @rule(name=RUNS, facts=FACTS, stale=STALE)
    def commit(self, name, facts, stale):
        asked = self.store.commit(name, self.epoch(name, stale), facts)
        if self.done(asked, name, stale):
            self.keep(name, facts)

    @rule(groups=st.lists(st.tuples(RUNS, FACTS, STALE), min_size=2, max_size=4))
    def commit_together(self, groups):
        async def all_of_them():
            return await asyncio.gather(
                *(
                    self.store.commit(name, self.epoch(name, stale), facts)
                    for name, facts, stale in groups
                ),
                return_exceptions=True,
            )

        results = self.ask(all_of_them())

        for (name, facts, stale), result in zip(groups, results, strict=True):
            assert type(result) is (self.expect(name, stale) or type(None))
            if result is None:
                self.keep(name, facts)

    @rule(name=RUNS, facts=FACTS, state=st.none() | st.text(max_size=3), stale=STALE)
    def rewrite(self, name, facts, state, stale):
        other = run(name, state=state, input=f"{state}")
        asked = self.store.rewrite(other, self.epoch(name, stale), facts)
        if self.done(asked, name, stale):
            changed = {"state": other.state, "input": other.input}
            self.records[name] = self.records[name].model_copy(update=changed)
            self.facts[name].clear()
            self.keep(name, facts)

    @rule(name=RUNS)
    def take_over(self, name):
        if name not in self.records:
            with pytest.raises(UnknownRunError):
                self.ask(self.store.take_over(name))
            return
        epoch = self.records[name].epoch + 1
        assert self.ask(self.store.take_over(name)) == epoch
        changed = {"epoch": epoch, "status": "running", "error": None}
        self.records[name] = self.records[name].model_copy(update=changed)

    @rule(
        name=RUNS,
        status=st.sampled_from(["finished", "failed", "suspended", "cancelled"]),
        stale=STALE,
        error=st.none() | st.just("boom"),
    )
    def finish(self, name, status, stale, error):
        asked = self.store.finish(name, self.epoch(name, stale), status, elapsed=0.5, error=error)
        if not self.done(asked, name, stale):
            return
        elapsed = self.records[name].elapsed + 0.5
        changed = {"status": status, "elapsed": elapsed, "error": error}
        self.records[name] = self.records[name].model_copy(update=changed)

    @rule(name=RUNS)
    def delete(self, name):
        if name not in self.records:
            with pytest.raises(UnknownRunError):
                self.ask(self.store.delete(name))
            return
        self.ask(self.store.delete(name))
        del self.records[name], self.facts[name]

    @rule()
    def reopen(self):
        if self.reopens:
            self.ask(self.store.close())
            self.store = self.make_store()

    @invariant()
    def runs_are_equal(self):
        for name, record in self.records.items():
            found, facts = self.ask(self.store.load(name))
            assert facts == self.facts[name]
            assert found == record.model_copy(update={"updated_at": found.updated_at})

    @rule(
        status=st.none() | st.sampled_from(["running", "finished"]),
        node=st.none() | st.just("Rank"),
        order=st.sampled_from(["newest", "slowest"]),
        limit=st.integers(0, 3),
    )
    def find(self, status, node, order, limit):
        query = RunQuery(status=status, node=node, order=order, limit=limit)
        found = [one.execution_id for one in self.ask(self.store.runs(query))]
        expected = [
            name
            for name, record in self.records.items()
            if status in (None, record.status)
            and (
                node is None
                or any(one.node == node and one.kind == "step" for one in self.facts[name])
            )
        ]

        def newest(name):
            return self.records[name].created_at

        def slowest(name):
            return (self.records[name].elapsed, newest(name))

        expected.sort(key=slowest if order == "slowest" else newest, reverse=True)
        assert found == expected[:limit]

    @rule(status=st.none() | st.sampled_from(["running", "finished"]))
    def add_up(self, status):
        found = self.ask(self.store.statistics(RunQuery(status=status)))
        chosen = [name for name, one in self.records.items() if status in (None, one.status)]
        records = [self.records[name] for name in chosen]
        steps = [one for name in chosen for one in self.facts[name] if one.kind == "step"]

        assert {
            name: (each.count, each.steps, each.tokens) for name, each in found.by_status.items()
        } == {
            name: (len(same), sum(one.steps for one in same), sum(one.tokens for one in same))
            for name, same in grouped(records, lambda one: one.status)
        }
        assert {name: (each.count, each.tokens) for name, each in found.by_node.items()} == {
            name: (len(same), sum(one.tokens for one in same))
            for name, same in grouped(steps, lambda one: one.node)
        }


def grouped(values, key):
    return [(name, list(same)) for name, same in itertools.groupby(sorted(values, key=key), key)]


# Each example has a place of its own to make, and each call is a write to the disk.
FEWER = settings(max_examples=15, stateful_step_count=25)


def test_memory_is_like_the_model():
    """The store that tests of others stand on."""
    explore(lambda: Runs(MemoryStore, reopens=False), settings=FEWER)


def test_sqlite_is_like_the_model():
    """Closed and opened again at any time, too."""
    numbers = itertools.count()
    with TemporaryDirectory() as folder:

        def machine():
            path = Path(folder) / f"{next(numbers)}.db"
            return Runs(lambda: SqliteStore(path), reopens=True)

        explore(machine, settings=FEWER)


def test_postgres_is_like_the_model(postgres_places):
    """The same statements, on another database."""

    def machine():
        url = postgres_places()
        return Runs(lambda: PostgresStore(url), reopens=True)

    explore(machine, settings=FEWER)
