"""Wrong policies, limits and predicates: refused where they stand, or located where they are asked."""

from typing import Any, ClassVar

import pytest
from execution.nodes import Board, Ctx, Watch, Work, run_fork, workers

from lift_sys import (
    BaseNode,
    BestEffort,
    End,
    Fork,
    Graph,
    Majority,
    ParallelExecutor,
    Race,
    RetryPolicy,
)
from lift_sys.errors import NodeError, ParallelExecutionError, PredicateError, UsageError
from lift_sys.testing import virtual


@pytest.mark.parametrize("value", [1.5, True, "2", None])
def test_a_limit_is_a_whole_number(value: Any) -> None:
    with pytest.raises(TypeError, match="max_concurrent is a whole number"):
        ParallelExecutor(value)
    with pytest.raises(TypeError, match="max_steps is a whole number"):
        ParallelExecutor(max_steps=value)
    with pytest.raises(TypeError, match="max_attempts is a whole number"):
        RetryPolicy(max_attempts=value)
    if value is not None:
        with pytest.raises(TypeError, match="max_concurrent is a whole number"):
            Fork([], then=End(), max_concurrent=value)


def test_a_graphs_executor_is_one() -> None:
    with pytest.raises(TypeError, match="`executor` is a ParallelExecutor, not 4"):
        Graph(Work(), executor=4)


@pytest.mark.parametrize("wrong", [(ValueError("no"),), ("ValueError",), 5])
def test_what_is_retried_is_named_by_exception_classes(wrong: Any) -> None:
    with pytest.raises(TypeError, match="retry_on is a tuple of exception classes"):
        RetryPolicy(retry_on=wrong)


def test_a_list_of_exception_classes_will_do() -> None:
    assert RetryPolicy(retry_on=[ValueError]).retry_on == (ValueError,)


@pytest.mark.parametrize(("name", "value"), [("retry", 3), ("timeouts", 5.0), ("priority", "high")])
def test_a_class_that_declares_something_else_is_named(name: str, value: Any) -> None:
    class Odd(BaseNode[Board]):
        async def run(self, ctx: Ctx) -> End:
            return End()

    setattr(Odd, name, value)
    with pytest.raises(UsageError, match=rf"Odd\.{name} is {value!r}"):
        Graph(Odd()).run_sync(state=Board(), deps=Watch())


class Plain(BaseNode[Board]):
    kept: ClassVar[list[Any]] = []

    async def run(self, ctx: Ctx) -> End:
        return End()


def test_a_policy_on_any_instance_is_refused_not_only_on_the_first() -> None:
    second = Plain()
    second.retry = RetryPolicy()
    with pytest.raises(ParallelExecutionError, match="Plain sets `retry` on an instance"):
        Graph(Both(second)).run_sync(state=Board(), deps=Watch())


class Both(BaseNode[Board]):
    def __init__(self, second: Plain) -> None:
        self.second = second

    async def run(self, ctx: Ctx) -> Fork[Plain, End[None]]:
        return Fork([Plain(), self.second], then=End(None))


def explode(_: Any) -> bool:
    raise ZeroDivisionError("in the predicate")


async def later(_: Any) -> bool:
    return False


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Race(accept=explode), "`accept=` .* branch '0.0:Work', raised ZeroDivisionError"),
        (BestEffort(accept=explode), "`accept=` .* branch '0.0:Work', raised ZeroDivisionError"),
        (Majority(key=explode), "`key=` .* branch '0.0:Work', raised ZeroDivisionError"),
        (Majority(key=lambda state: [state.count]), "`key=` .*raised TypeError: unhashable"),
        (Race(accept=later), "`accept=` .* is an `async def`"),
    ],
)
@virtual
async def test_a_predicate_that_can_say_nothing_is_an_error_that_names_the_branch(
    strategy: Any, said: str
) -> None:
    with pytest.raises(PredicateError, match=said) as caught:
        await run_fork(workers(1, 2), strategy=strategy)
    assert caught.value.branch == "0.0:Work"


@virtual
async def test_a_vote_by_a_field_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"Board has no field 'size'\. Its fields: count, label"):
        await run_fork(workers(1, 1), strategy=Majority(key=("count", "size")))


async def test_what_no_future_can_carry_is_told() -> None:
    """A plain function that raises StopIteration would be waited for without an end."""

    class Exhausted(BaseNode[Board]):
        def run(self, ctx: Ctx) -> End:
            next(iter(()))
            return End()

    with pytest.raises(NodeError, match="StopIteration") as caught:
        await Graph(Exhausted).run(state=Board())
    assert isinstance(caught.value.error, RuntimeError)
