"""Models that declare the type of their extras, in the two ways in which pydantic takes it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from lift_sys import BaseNode, End, Fork, Graph, Isolation, ParallelExecutor, RunContext
from lift_sys.durability import MemoryStore
from lift_sys.errors import MergeConflictError, NodeError, StateValidationError


class Base(BaseModel):
    pass


class Part(BaseModel):
    number: int = 0


class Annotated(Base):
    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, int | Part]
    text: str = ""


class WithField(Base):
    """As pydantic's documentation writes it, for type checkers: its extras stand in `__dict__`."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, int | Part] = Field(init=False)
    text: str = ""


class Heir(WithField):
    more: list[int] = []


class Closed(WithField):
    """Takes none after all."""

    model_config = ConfigDict(extra="forbid")


KINDS = [Annotated, WithField, Heir]


class Holder(Base):
    inner: Any = None
    rows: list[Any] = []


@dataclass
class Set(BaseNode[Base]):
    """Sets extras, and deletes those that are to be None; of the state, or of what is in it."""

    values: dict[str, Any] = field(default_factory=dict)
    then: Any = None

    async def run(self, ctx: RunContext[Any]) -> BaseNode[Base] | Fork[Any, Any] | End:
        state = ctx.state
        for each in (state.inner, *state.rows) if isinstance(state, Holder) else (state,):
            for name, value in self.values.items():
                if value is not None:
                    setattr(each, name, copy.deepcopy(value))
                elif name in (each.model_extra or {}):
                    delattr(each, name)
                for part in (each.model_extra or {}).values():
                    if isinstance(part, Part):
                        part.number += 1
        if ctx.deps is not None and self.then is None:
            ctx.deps.pop()  # the first time there is one too few
        return self.then or End()


def made(kind: Any, nested: bool, **extras: Any) -> Any:
    one = kind(**copy.deepcopy(extras))
    return Holder(inner=one, rows=[one.model_copy(deep=True)]) if nested else one


changes = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.integers(0, 3) | st.builds(Part), max_size=3
)


@given(
    kind=st.sampled_from(KINDS),
    nested=st.booleans(),
    begun=changes,
    steps=st.lists(changes, min_size=1, max_size=3),
    isolation=st.sampled_from([*Isolation]),
)
async def test_extras_are_kept(kind, nested, begun, steps, isolation):
    """What steps make of them is what plain code makes of them: also copied, kept and resumed."""
    begun = {name: value for name, value in begun.items() if value is not None}
    first: Any = None
    for values in reversed(steps):
        first = Set(values, first)
    expected, step = made(kind, nested, **begun), first
    while step is not None:
        await step.run(RunContext(state=expected))
        step = step.then

    graph, store = Graph(Set, executor=ParallelExecutor(isolation=isolation)), MemoryStore()
    state = made(kind, nested, **begun)
    with pytest.raises(NodeError):
        await graph.run(first, state=state, store=store, execution_id="r", deps=[])
    result = await graph.resume("r", store=store, deps=[1])
    loaded = await graph.resume("r", store=store)

    for found in (result.state, loaded.state):
        assert found == expected
        assert found.model_dump() == expected.model_dump()
    assert state == made(kind, nested, **begun)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("nested", [False, True])
async def test_extras_are_merged_by_name(kind, nested):
    """Two branches set different ones, or the same one to different values."""

    class Spread(BaseNode[Base]):
        async def run(self, ctx: RunContext[Any]) -> Fork[Set, End]:
            return Fork([Set({"a": 1}), Set({"b": Part()})], then=End())

    class Clash(BaseNode[Base]):
        async def run(self, ctx: RunContext[Any]) -> Fork[Set, End]:
            return Fork([Set({"a": 1}), Set({"a": 2})], then=End())

    def state() -> Any:
        return Holder(inner=kind()) if nested else kind()

    result = await Graph(Spread).run(state=state())
    found = result.state.inner if nested else result.state
    with pytest.raises(MergeConflictError, match=r"\ba\b"):
        await Graph(Clash).run(state=state())

    assert found == kind(a=1, b=Part(number=1))


@pytest.mark.parametrize("kind", KINDS)
async def test_extras_of_another_type_are_refused(kind):
    """Pydantic lets an assignment pass; a node's end does not."""
    with pytest.raises(StateValidationError) as e:
        await Graph(Set).run(Set({"a": "text"}), state=kind())

    assert {path for path, _ in e.value.problems} == {"a"}


async def test_a_class_that_takes_no_extras_after_all():
    """It has none, before and after."""
    result = await Graph(Set).run(state=Closed(text="t"), store=MemoryStore())

    assert result.state == Closed(text="t")
    assert result.state.model_extra is None
