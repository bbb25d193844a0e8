"""Mistakes in nodes and successors: the marked lines must be errors, and no others."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass

from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    MergeStrategy,
    NextNode,
    RetryPolicy,
    RunContext,
    Stop,
    Timeouts,
    node,
)


class Review(BaseModel):
    text: str
    words: int = 0


class Order(BaseModel):
    price: float = 0.0


class Left(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        return End()


class Right(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End[int]:
        return End(1)


class Join(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End[str]:
        return End("joined")


class Pay(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> End:
        return End()


class PlainPay:
    async def run(self, ctx: RunContext[Order]) -> End:
        return End()


# --- what `run` returns, against its annotation ----------------------------------------------


class WrongSuccessor(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Left | End:
        if ctx.state.words:
            return Right()  # E: return-value
        return Left  # E: return-value


class ForgottenReturn(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Left:  # E: return
        ctx.state.words += 1


class WrongData(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End[str]:
        if ctx.state.words:
            return End(ctx.state.words)  # E: arg-type
        return End()  # E: return-value


class WrongStop(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Left | Stop[str]:
        if ctx.state.words:
            return Stop(3)  # E: arg-type
        return End("an End is no Stop")  # E: return-value


class BranchOutside(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left, Join]:
        if ctx.state.words:
            return Fork([Left(), Right()], then=Join())  # E: list-item
        return Fork([Right()], then=Join())  # E: list-item


class WrongThen(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left | Right, Join]:
        if ctx.state.words:
            return Fork([Left(), Right()], then=Left())  # E: arg-type
        return Fork([Left(), Right()], then=End())  # E: arg-type


class MissingThen(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left, Join]:
        return Fork([Left()])  # E: then


class ForkedClass(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left, Join]:
        return Fork([Left], then=Join())  # E: list-item


# --- nodes of another state ------------------------------------------------------------------


class ForeignSuccessor(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Pay | End:  # E: override
        return Pay()


class ForeignPlainSuccessor(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> PlainPay:  # E: override
        return PlainPay()


class ForeignBranch(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left | Pay, Join]:  # E: override
        return Fork([Left(), Pay()], then=Join())


class ForeignThen(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> Fork[Left, Pay]:  # E: override
        return Fork([Left()], then=Pay())


class ForeignDynamic(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> NextNode[Review]:
        if ctx.state.words:
            return Fork([Left(), Pay()], then=Join())  # E: Pay
        return Pay()  # E: return-value


class ForeignContext(BaseNode[Review]):
    async def run(self, ctx: RunContext[Order]) -> End:  # E: override
        return End()


class NoSuccessor(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> int:  # E: override
        return 1


class OptionalSuccessor(BaseNode[Review]):
    def run(self, ctx: RunContext[Review]) -> Awaitable[Left | None]:  # E: override
        raise NotImplementedError


class Part(BaseModel):
    """A node on a subclass of the state can't run on the state."""

    size: int = 0


class Whole(Part):
    weight: int = 0


class Weigh(BaseNode[Whole]):
    async def run(self, ctx: RunContext[Whole]) -> End[int]:
        return End(ctx.state.weight)


class Measure(BaseNode[Part]):
    async def run(self, ctx: RunContext[Part]) -> Weigh:  # E: override
        return Weigh()


# --- contexts --------------------------------------------------------------------------------


class WrongState(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        ctx.state.txt = "new"  # E: attr-defined
        print(ctx.state.price)  # E: attr-defined
        ctx.state.words = "three"  # E: assignment
        ctx.state = Order()  # E: assignment
        ctx.metadata = ["a"]  # E: assignment
        ctx.add_provenance("WrongState")  # E: signature_name
        ctx.report_progress("half")  # E: arg-type
        ctx.emit_token("text")  # E: attr-defined
        return End()


class NoModel(BaseNode[int]):  # E: type-var
    async def run(self, ctx: RunContext[int]) -> End:  # E: type-var
        return End()


RunContext(state={"text": "x"})  # E: dict
RunContext(Review(text="x"), "run-1")  # E: positional

# --- policies of a node ----------------------------------------------------------------------


class WrongPolicies(BaseNode[Review]):
    retry = 3  # E: assignment
    timeouts = 2.5  # E: assignment
    writes = "words"  # E: assignment
    priority = "high"  # E: assignment

    async def run(self, ctx: RunContext[Review]) -> End:
        return End()


RetryPolicy(max_attempt=3)  # E: max_attempt
RetryPolicy(3)  # E: positional
RetryPolicy(retry_on=ConnectionError)  # E: arg-type
Timeouts(attempt="2s")  # E: arg-type
Timeouts(total=3)  # E: total
RetryPolicy().max_attempts = 4  # E: misc

Fork([Left()], then=Join(), strategy="majority")  # E: arg-type
Fork([Left()], then=Join(), strategy=MergeStrategy)  # E: arg-type
Fork([Left()], then=Join(), max_concurrent="2")  # E: arg-type

# --- functions as nodes ----------------------------------------------------------------------


@node  # E: arg-type
async def no_context() -> End:
    return End()


@node  # E: arg-type
async def two_arguments(ctx: RunContext[Review], state: Review) -> End:
    return End()


@node  # E: arg-type
async def wrong_result(ctx: RunContext[Review]) -> str:
    return ctx.state.text


# mypy finds a state that is both, Never, and so refuses the node where it is used.
@node  # E[basedpyright]: arg-type
def foreign_result(ctx: RunContext[Review]) -> Pay:
    return Pay()


class ForeignResult(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> BaseNode[Review]:
        return foreign_result  # E[mypy]: return-value


@node
async def order(ctx: RunContext[Order]) -> End:
    return End()


class ForeignFunction(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> BaseNode[Review]:
        return order  # E: return-value


@dataclass
class Sized(BaseNode[Review]):
    size: int

    async def run(self, ctx: RunContext[Review]) -> Sized:
        return Sized("large")  # E: arg-type
