"""Declared reads and writes are compared with the state and between the branches of a fork."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.strategies import MergeStrategy
from lift_sys.core.successors import End, Fork
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.check import check_structure
from lift_sys.graph.structure import read_structure
from lift_sys.reducers import Append


class Base(BaseModel):
    plan: str = ""


class Doc(Base):
    draft: str | None = None
    notes: Annotated[list[str], Append()] = []
    answers: dict[str, str] = {}
    inner: Base | None = None


Ctx = RunContext[Doc]


def mistakes_from(start: Any) -> list[str]:
    return check_structure(read_structure(start, local_names=caller_names(1)))


def made(name: str, returns: Any, **fields: Any) -> type[BaseNode[Doc]]:
    """A node class with this return annotation and these class attributes."""

    async def run(self, ctx):
        return Fork([], then=End())

    run.__annotations__["return"] = returns

    class Made(BaseNode[Doc]):
        pass

    return type(name, (Made,), {"run": run, **fields})


class Finish(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End[str]:
        return End("")


def test_reads_and_writes_name_fields_of_the_state():
    """A declared field that the state does not have is a mistake, and so is bare text."""
    wrong = made("Wrong", End, reads=("plan", "plam"), writes=("a", "b"))
    text = made("Text", wrong, writes="plan")

    as_text, reads, writes = mistakes_from(text)

    assert "has writes = 'plan', which is text" in as_text
    assert "names `plam` in its `reads`, which is no field of `Doc`" in reads
    assert "names `a`, `b` in its `writes`, which are no fields of `Doc`" in writes
    assert "Its fields are: plan, draft, notes, answers, inner." in writes


def test_branches_that_write_one_field_conflict():
    """Two branches that declare to write one field without a reducer are told apart."""
    last = made("Last", End, writes=("draft",))
    one = made("One", last, writes=("plan", "notes"))
    two = made("Two", End, writes=("plan", "draft", "notes", "answers"))

    on_plan, on_draft = mistakes_from(made("Start", Fork[one | two, Finish]))

    assert on_plan.startswith("`One` (")
    assert "`Two` (" in on_plan
    assert "branches of one fork in `Start`, and both declare to write `plan`" in on_plan
    assert "declare to write `draft`, which has no reducer" in on_draft


@pytest.mark.parametrize("field", ["notes", "answers", "inner"])
def test_fields_that_can_be_merged_do_not_conflict(field):
    """A reducer combines values; dicts and models merge by key, which only the run can know."""
    one, two = (made(name, End, writes=(field,)) for name in ("One", "Two"))

    assert mistakes_from(made("Start", Fork[one | two, Finish])) == []


def test_branch_that_does_not_declare_its_writes_is_not_judged():
    """A branch's writes are known only if every node of its walk declares them."""
    silent = made("Silent", End)
    one = made("One", silent, writes=("plan",))
    two = made("Two", End, writes=("plan",))

    assert mistakes_from(made("Start", Fork[one | two, Finish])) == []


def test_what_follows_the_join_is_not_part_of_a_branch():
    """After the join there is one writer only."""
    one = made("One", End, writes=("plan",))
    two = made("Two", End, writes=("draft",))
    after = made("After", End, writes=("plan", "draft"))

    assert mistakes_from(made("Start", Fork[one | two, after])) == []


def test_branches_in_branches_count_as_writers():
    """A nested fork's branches, and what follows its join, belong to the outer branch."""
    inner = made("Inner", End, writes=("plan",))
    joined = made("Joined", End, writes=("draft",))
    one = made("One", Fork[inner, joined], writes=())
    two = made("Two", End, writes=("plan", "draft"))

    on_plan, on_draft = mistakes_from(made("Start", Fork[one | two, Finish]))

    assert "both declare to write `plan`" in on_plan
    assert "both declare to write `draft`" in on_draft


A = made("A", End, writes=("plan",))
B = made("B", End, writes=("plan",))


class TakesFirst(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> Fork[A | B, Finish]:
        return Fork([A(), B()], then=Finish(), strategy=MergeStrategy.FIRST_SUCCESS)


class TakesSome(BaseNode[Doc]):
    strategy = MergeStrategy.RACE

    async def run(self, ctx: Ctx) -> Fork[A | B, Finish]:
        return Fork([A(), B()], then=Finish(), strategy=self.strategy)


class Helped(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> Fork[A | B, Finish]:
        return self.alternatives()


class MayTakeFirst(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> Fork[A | B, Finish]:
        how = MergeStrategy.ALL_SUCCESS if ctx.state.notes else MergeStrategy.FIRST_SUCCESS
        return Fork([A(), B()], then=Finish(), strategy=how)


class MergesAll(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> Fork[A | B, Finish]:
        return Fork([A(), B()], then=Finish(), strategy=MergeStrategy.ALL_SUCCESS)


@pytest.mark.parametrize("start", [TakesFirst, TakesSome, MayTakeFirst, Helped])
def test_fork_that_may_take_a_single_branch_is_not_refused(start):
    """Alternatives write one field on purpose: a strategy that takes one has no conflict."""
    assert mistakes_from(start) == []


def test_fork_that_says_it_merges_is_checked():
    """Naming a strategy that merges is as good as the default."""
    (mistake,) = mistakes_from(MergesAll)

    assert "both declare to write `plan`" in mistake
