"""A chain of nodes, ÷ a bare loop that awaits the very same nodes on the same state and context.

Both sides make a fresh instance for each step, change one field of the pydantic state, and pay for
that alike; what is left is what we add to a step: address, successor check, change detection,
validation. The run's own start and end are in it, spread over all steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from figures import Figure, least_cpu
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext

STEPS = 2000


class Count(BaseModel):
    """Three plain fields."""

    done: int = 0
    label: str = "chain"
    active: bool = True


class Listing(Count):
    """With a list beside them, which has to be compared after each step."""

    items: list[str] = ["a", "b", "c"]


@dataclass
class Step(BaseNode[Count]):
    """Changes a field and returns a fresh instance, as users write it."""

    left: int

    async def run(self, ctx: RunContext[Count]) -> Step | End:
        """One step."""
        ctx.state.done += 1
        return Step(self.left - 1) if self.left else End()


async def bare(state: Count, steps: int = STEPS) -> None:
    """What the same nodes cost without us."""
    node: Step | End = Step(steps)
    ctx = RunContext(state)
    while not isinstance(node, End):
        node = await node.run(ctx)


async def measure() -> list[Figure]:
    """Ours ÷ bare, with addresses, change detection and validation on."""
    graph = Graph(Step(STEPS))
    figures = []
    for name, model, goal in (
        ("chain, per node", Count, 8.0),
        ("chain, a list in the state", Listing, None),
    ):
        ours, alone = await least_cpu(
            [lambda m=model: graph.run(state=m()), lambda m=model: bare(m())],  # type: ignore[misc]
            rounds=25,
        )
        aim = "; aim 5" if goal else ""
        note = f"{ours / STEPS * 1e6:.2f} us ÷ {alone / STEPS * 1e6:.2f} us{aim}"
        figures.append(Figure(name=name, value=ours / alone, goal=goal, note=note))
    return figures
