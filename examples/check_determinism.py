"""A graph that gives another answer now and then, and how a check finds the node and the field.

Two branches read a text; one of them picks any of the longest words. The check names that node as the
origin of all differences, although the title at the end differs, too; with a rule for which word is
picked, the graph passes.

    python examples/check_determinism.py
    lift check examples/check_determinism.py:careless
"""

import asyncio
import random
import re
from typing import Any

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism import check_determinism

TEXT = "Parallel branches end in any order, yet the answer has to be the same every time."


class Article(BaseModel):
    """The text, and what the branches find in it."""

    text: str = TEXT
    length: int = 0
    keyword: str = ""
    title: str = ""


class Measure(BaseNode[Article]):
    """Counts words."""

    async def run(self, ctx: RunContext[Article]) -> End:
        """Write the number."""
        ctx.state.length = len(ctx.state.text.split())
        return End()


class PickAny(BaseNode[Article]):
    """Picks one of the longest words: which one, nobody has decided."""

    async def run(self, ctx: RunContext[Article]) -> End:
        """Write it down."""
        ctx.state.keyword = random.choice(longest_words(ctx.state.text))
        return End()


class PickFirst(BaseNode[Article]):
    """Picks the first of the longest words by the alphabet."""

    async def run(self, ctx: RunContext[Article]) -> End:
        """Write it down."""
        ctx.state.keyword = min(longest_words(ctx.state.text))
        return End()


class Title(BaseNode[Article]):
    """Makes a title of what both found."""

    async def run(self, ctx: RunContext[Article]) -> End[str]:
        """Write and return it."""
        ctx.state.title = f"{ctx.state.keyword}, in {ctx.state.length} words"
        return End(ctx.state.title)


class Careless(BaseNode[Article]):
    """Starts both branches."""

    async def run(self, ctx: RunContext[Article]) -> Fork[Measure | PickAny, Title]:
        """In declared order."""
        return Fork([Measure(), PickAny()], then=Title())


class Careful(BaseNode[Article]):
    """The same with the other way to pick."""

    async def run(self, ctx: RunContext[Article]) -> Fork[Measure | PickFirst, Title]:
        """In declared order."""
        return Fork([Measure(), PickFirst()], then=Title())


def longest_words(text: str) -> list[str]:
    """The words of the greatest length, and of one letter less."""
    words = re.findall(r"\w+", text)
    longest = max(map(len, words))
    return [word for word in words if len(word) >= longest - 1]


careless: Graph[Any] = Graph(Careless)
careful: Graph[Any] = Graph(Careful)


async def main() -> None:
    """Check both."""
    print(await check_determinism(careless, Article(), runs=50))
    print()
    print(await check_determinism(careful, Article(), runs=50))


if __name__ == "__main__":
    asyncio.run(main())
