"""`check_determinism` on graphs, nodes and functions: the origin is named, and nobody else."""

import asyncio
import itertools
import random
from typing import Any

import pytest
from determinism.tables import Cell, Link, Plan, Table, addresses, build, plans
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext
from lift_sys.core.usage import Usage
from lift_sys.determinism.check import assert_deterministic, check_determinism
from lift_sys.determinism.statistics import Sprt
from lift_sys.errors import DivergenceError

RUNS = 6


def check(target: Any, state: Any = None, runs: int = RUNS, **options: Any) -> Any:
    return asyncio.run(check_determinism(target, state, runs, **options))


def noisy_graph(plan: Plan, data: st.DataObject) -> tuple[str, Graph[Any]]:
    where = data.draw(st.sampled_from(addresses(plan)))
    return where, Graph(build(plan, where, itertools.count(1)))


# --- graphs -------------------------------------------------------------------------------------


@given(plan=plans(), data=st.data())
def test_the_step_that_differs_is_named_and_no_other(plan: Plan, data: st.DataObject):
    """The one origin is the step that draws; who sees what it drew has only passed it on."""
    where, graph = noisy_graph(plan, data)

    report = check(graph, Table())

    assert not report.deterministic
    assert [origin.label for origin in report.divergences.origins] == [f"{where}:Cell"]
    assert report.first_divergent_node == f"{where}:Cell"
    assert report.first_divergent_field in ("$.noise", f'$.cells["{where}"]')
    assert report.framework_deterministic
    assert report.code_deterministic is False
    assert report.model_stable is None


@given(plan=plans(), data=st.data())
def test_leaving_out_what_it_wrote_makes_the_graph_pass(plan: Plan, data: st.DataObject):
    """A view decides what counts: without the noise and what shows it, the same graph agrees."""
    _, graph = noisy_graph(plan, data)

    report = check(graph, Table(), ignore=["noise", "$.cells"])

    assert report.deterministic
    assert report.accepted
    assert not report.divergences.origins


@given(plan=plans())
def test_a_graph_that_draws_nothing_agrees(plan: Plan):
    """No alarm without a cause, and the playback of its results agrees, too."""
    report = check(Graph(build(plan, "none", itertools.count())), Table(start=3))

    assert report.deterministic
    assert report.framework_deterministic
    assert len(set(report.digests)) == 1
    assert all(step.status == "agrees" for step in report.steps)
    assert [step.address for step in report.steps] == sorted(
        addresses(plan), key=lambda at: [step.address for step in report.steps].index(at)
    )


@given(length=st.integers(0, 5), data=st.data())
def test_in_a_chain_the_step_that_differs_is_named(length: int, data: st.DataObject):
    """The same for a graph of one walk, which is traced in a cheaper way."""
    noisy = data.draw(st.integers(0, length))
    report = check(Graph(Link(length, noisy)), Table())

    where = length - noisy
    assert report.first_divergent_node == f"{where}:Link"
    assert len(report.divergences.origins) == 1
    assert len(report.steps) == length + 1
    assert report.timelines[0].rows[where].differs


def test_runs_inside_a_step_of_a_chain_are_compared_step_by_step():
    """The origin is the inner step; the outer one only runs it. Usage inside is counted."""
    draws = itertools.count()

    class Inner(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            ctx.state.noise = next(draws)
            ctx.add_usage(Usage(calls=1))
            return End()

    class Last(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            return End()

    class Outer(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> Last:
            ctx.add_usage(Usage(calls=2))
            result = await Graph(Inner).run_inside(ctx, Table())
            ctx.state.noise = result.state.noise
            return Last()

    class First(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> Outer:
            return Outer()

    report = check(Graph(First), Table(), runs=4)

    assert [origin.label for origin in report.divergences.origins] == ["1>0:Inner"]
    assert report.divergences.passed_on == ("1:Outer", "2:Last")
    assert report.usage.calls == 12
    assert [step.label for step in report.steps] == ["0:First", "1:Outer", "1>0:Inner", "2:Last"]


def test_what_a_node_hands_on_in_its_fields_is_its_own_doing():
    """A value drawn by one node and written by the next one comes from the first."""

    class Draw(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> "Write":
            return Write(random.random())

    class Write(BaseNode[Table]):
        def __init__(self, value: float) -> None:
            self.value = value

        async def run(self, ctx: RunContext[Table]) -> End:
            ctx.state.cells["drawn"] = int(self.value * 1e9)
            return End()

    report = check(Graph(Draw()), Table())

    assert [origin.label for origin in report.divergences.origins] == ["0:Draw"]
    assert report.divergences.passed_on == ("1:Write",)
    assert report.first_divergent_field == "successor"


def test_a_join_that_goes_by_order_is_the_frameworks_doing():
    """RACE takes who is first: its branches agree, and the join does not."""
    turns = itertools.cycle([1, 30])

    class Racer(BaseNode[Table]):
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self, ctx: RunContext[Table]) -> End:
            for _ in range(next(turns) if self.name == "a" else 10):
                await asyncio.sleep(0)
            ctx.state.cells[self.name] = 1
            return End()

    class Begin(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> Fork[Racer, End]:
            return Fork([Racer("a"), Racer("b")], then=End(), strategy=MergeStrategy.RACE)

    report = check(Graph(Begin()), Table())

    assert not report.deterministic
    assert report.framework_deterministic is False
    assert report.first_divergence.kind == "join"
    assert report.first_divergent_node == "0:Begin"
    assert report.code_deterministic

    both = check([Racer("a"), Racer("b")], Table(), strategy=MergeStrategy.RACE)

    assert both.framework_deterministic is False
    assert [origin.kind for origin in both.divergences.origins] == ["join"]
    assert both.first_divergent_node == "Race(Racer, Racer)"


def test_a_failure_that_comes_and_goes_is_found_at_its_step():
    """A failure is an outcome: it is compared, and its step is the origin."""
    tries = itertools.count()

    class Shaky(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            if next(tries) % 3 == 2:
                raise OSError("no route")
            return End()

    class Begin(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> Shaky:
            return Shaky()

    report = check(Graph(Begin()), Table(), runs=9)

    assert report.first_divergent_node == "1:Shaky"
    assert report.first_divergence.differences[0].path == "error"
    assert report.first_divergence.differences[0].other == "OSError: no route"
    assert [each.share for each in report.outcomes] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert report.outcomes[1].error.address == "1:Shaky"


async def fail(state: Table) -> None:
    raise ValueError("always")


def test_a_target_that_always_fails_alike_does_not_pass():
    """The verdict is about sameness; the head line says what is worse, with the error."""
    report = check(fail, Table())

    assert report.deterministic
    assert not report.accepted
    assert report.modal_error.type == "ValueError"
    assert str(report).startswith("EVERY RUN FAILED  function fail, one outcome in")
    assert "failure      ValueError: always" in str(report)
    assert (report.to_dict()["headline"], report.to_dict()["always_fails"]) == (
        report.headline,
        True,
    )
    with pytest.raises(DivergenceError, match="^fail: every run failed\n"):
        asyncio.run(assert_deterministic(fail, Table(), RUNS))


def test_a_target_that_fails_only_while_it_is_explored_does_not_pass():
    """Nothing is known about other orders then, whatever the repeats came to."""

    async def ask_loop(state: Table) -> None:
        if "Controlled" in type(asyncio.get_running_loop()).__name__:
            raise ValueError("what loop is this")

    report = check(ask_loop, Table(), 3, explore=10)

    assert report.deterministic
    assert not report.accepted
    assert report.headline == "every explored run failed"
    assert any("every run of the exploration failed: ValueError" in each for each in report.notes)


def test_the_failures_of_a_tolerated_share_are_named_and_most_may_not_fail():
    """One run of 20 may differ; that the other 19 fail is not what was tolerated."""
    numbers = itertools.count()

    async def rarely(state: Table) -> None:
        if next(numbers) % 40 == 5:
            raise ValueError("rarely")

    async def mostly(state: Table) -> None:
        if next(numbers) % 40 != 5:
            raise ValueError("mostly")

    assert check(rarely, Table(), 30, stop=Sprt(h0=0.1, h1=0.5)).accepted
    assert not check(mostly, Table(), 30, stop=Sprt(h0=0.1, h1=0.5)).accepted


def test_the_ways_in_which_runs_fail_are_told_one_by_one():
    """Type, message, and how many runs it were; of a graph also the step."""
    numbers = itertools.count()

    async def fail_twice(state: Table) -> None:
        raise (ValueError("even") if next(numbers) % 3 else KeyError("odd"))

    report = check(fail_twice, Table(), 6)

    assert report.always_fails
    assert not report.fails_alike
    text = str(report)
    assert text.startswith("NOT DETERMINISTIC")
    assert "every run failed" in text
    assert "failures     4 of 6: ValueError: even" in text
    assert "2 of 6: KeyError: 'odd'" in text


# --- nodes and functions ------------------------------------------------------------------------


def test_nodes_with_a_strategy_are_compared_one_by_one():
    """A list of nodes runs side by side and is joined; the branch that differs is named."""
    nodes = [Cell(End()), Cell(End(), itertools.count(1))]

    report = check(nodes, Table(), strategy=MergeStrategy.ALL_SUCCESS)

    assert report.kind == "nodes"
    assert report.first_divergent_node == "1:Cell"
    assert report.framework_deterministic


def test_functions_sync_and_async_changing_or_returning():
    """What changed in place, what is returned as a state, and what is returned beside it."""
    draws = itertools.count()

    def in_place(state: Table) -> None:
        state.noise = next(draws)

    async def returned(state: Table) -> Table:
        return Table(noise=next(draws))

    async def beside(state: Table) -> str:
        return f"number {next(draws)}"

    assert [each.path for each in check(in_place, Table()).differing_fields] == ["$.noise"]
    assert [each.path for each in check(returned, Table()).differing_fields] == ["$.noise"]
    assert [each.path for each in check(beside, Table()).differing_fields] == ["output"]


def test_the_given_state_is_left_alone_and_every_repeat_gets_its_own():
    """A function that adds to its state sees the same state each time."""
    state = Table()

    def add(own: Table) -> None:
        own.cells[str(len(own.cells))] = 1

    assert check(add, state).deterministic
    assert state == Table()


def test_a_factory_that_makes_other_states_is_the_origin():
    """Different inputs explain different results: no node is blamed for them."""
    draws = itertools.count()
    report = check(Graph(Cell(End())), lambda: Table(noise=next(draws)))

    assert not report.deterministic
    assert report.first_divergence.kind == "input"
    assert report.first_divergence.differences[0].path == "$.noise"
    assert [origin.kind for origin in report.divergences.origins] == ["input"]


def test_deps_are_shared_as_an_object_and_fresh_from_a_function():
    """What a repeat leaves in shared deps is there in the next one; made ones begin anew."""

    class Count(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            ctx.deps.append(1)
            ctx.state.noise = len(ctx.deps)
            return End()

    assert not check(Graph(Count), Table(), deps=[]).deterministic
    assert check(Graph(Count), Table(), deps=list).deterministic


def test_random_time_and_names_of_a_context_are_the_same_in_all_repeats():
    """What a run is given by its context is held; another seed is another result."""

    class Look(BaseModel):
        seen: list[str] = []

    class Ask(BaseNode[Look]):
        async def run(self, ctx: RunContext[Look]) -> End:
            ctx.state.seen = [str(ctx.random.random()), str(ctx.now()), ctx.execution_id]
            return End()

    one, other = check(Graph(Ask), Look()), check(Graph(Ask), Look(), seed=1)

    assert one.deterministic
    assert one.modal_state.seen[0] != other.modal_state.seen[0]
    assert one.modal_state.seen[2] == "check"


def test_a_first_run_that_differs_from_all_others_is_called_a_warm_up():
    """Module state that the first run leaves behind is a frequent cause."""
    known: list[int] = []

    def warm(state: Table) -> None:
        state.noise = len(known)
        known[:] = [1]

    report = check(warm, Table())

    assert report.outcomes[0].runs == (1, 2, 3, 4, 5)
    assert any("only the first run differs" in note for note in report.notes)


def test_a_difference_that_is_overwritten_later_is_told_and_no_failure():
    """The final states agree; the step that drew is still shown."""
    draws = itertools.count(1)

    class Clean(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> End:
            ctx.state = Table()
            return End()

    class Draw(BaseNode[Table]):
        async def run(self, ctx: RunContext[Table]) -> Clean:
            ctx.state.noise = next(draws)
            return Clean()

    report = check(Graph(Draw), Table())

    assert report.deterministic
    assert report.first_divergent_node == "0:Draw"
    assert any("overwritten or left out later" in note for note in report.notes)


# --- in tests -----------------------------------------------------------------------------------


async def test_assert_deterministic_returns_the_report_or_raises_with_it():
    """It is an AssertionError whose text is the report."""
    report = await assert_deterministic(Cell(End()), Table(), RUNS)
    assert report.modal_state.cells

    with pytest.raises(AssertionError, match=r"\$\.noise") as caught:
        await assert_deterministic(Graph(Cell(End(), itertools.count())), Table(), RUNS)

    assert isinstance(caught.value, DivergenceError)
    assert caught.value.report.first_divergent_node == "0:Cell"
    assert "0:Cell" in str(caught.value)
