"""What a kept run does once, however often it needs it."""

from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.durability import MemoryStore


class Told:
    """Counts how often an annotation that is text was evaluated."""

    times = 0

    def __class_getitem__(cls, item: type) -> type:
        cls.times += 1
        return item


class Work(BaseModel):
    done: int = 0


class Count(BaseNode[Work]):
    left: "Told[int]"

    def __init__(self, left: int) -> None:
        self.left = left

    async def run(self, ctx: RunContext[Work]) -> "Count | End[int]":
        ctx.state.done += 1
        return Count(self.left - 1) if self.left else End(ctx.state.done)


async def test_text_in_annotations_is_evaluated_once_in_a_run():
    """Names, shape and codec of a run share what the annotations of its classes say."""
    graph = Graph(Count(3))
    Told.times = 0

    result = await graph.run(state=Work(), store=MemoryStore())

    assert result.output == 4
    assert Told.times == 1
