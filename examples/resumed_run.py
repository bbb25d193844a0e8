"""A run that is killed in the middle, and goes on in another process.

    python examples/resumed_run.py

The parent starts the work in a child process and kills it (SIGKILL) as soon as two of four
chapters are summarised. Then it goes on with the run by itself: the chapters that were done are
not done again, a person is asked before anything is published, and answers.
"""

import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Suspend
from lift_sys.durability import SqliteStore

CHAPTERS = ["Dawn over the bay", "Noon in town", "Evening rain", "Night train"]
DONE_BEFORE_THE_KILL = 2


class Book(BaseModel):
    """The chapters, and what became of them."""

    chapters: list[str] = CHAPTERS
    summaries: dict[str, str] = {}
    published: bool = False


class Begin(BaseNode[Book]):
    """Summarises all chapters at once."""

    async def run(self, ctx: RunContext[Book]) -> "Fork[Summarise, Ask]":
        """Start a branch for each chapter."""
        return Fork([Summarise(chapter) for chapter in ctx.state.chapters], then=Ask())


class Summarise(BaseNode[Book]):
    """Takes the first word of a chapter for its summary; `deps` says when to get stuck."""

    def __init__(self, chapter: str) -> None:
        self.chapter = chapter

    async def run(self, ctx: RunContext[Book]) -> End:
        """Work on one chapter."""
        if CHAPTERS.index(self.chapter) >= ctx.deps["stuck_from"]:
            await asyncio.sleep(3600)
        print(f"  summarising {self.chapter!r}", flush=True)
        ctx.state.summaries[self.chapter] = self.chapter.partition(" ")[0]
        return End()


class Ask(BaseNode[Book]):
    """Waits for a person."""

    async def run(self, ctx: RunContext[Book]) -> "Suspend[Publish]":
        """Ask whether this may be published."""
        said = ", ".join(ctx.state.summaries.values())
        return Suspend(f"publish {said}?", key="publish", schema=bool, then=Publish())


class Publish(BaseNode[Book]):
    """Does what was answered."""

    async def run(self, ctx: RunContext[Book]) -> End:
        """Publish, or not."""
        ctx.state.published = ctx.answer
        return End()


graph = Graph(Begin)


async def work(path: Path) -> None:
    """The child: gets stuck after some chapters."""
    deps = {"stuck_from": DONE_BEFORE_THE_KILL}
    async with SqliteStore(path) as store:
        await graph.run(state=Book(), store=store, execution_id="book", deps=deps)


async def finished_steps(path: Path) -> int:
    """How many steps are in the store."""
    async with SqliteStore(path) as store:
        return sum(run.steps for run in await store.runs())


async def go_on(path: Path) -> None:
    """The parent: goes on with the run, and answers its question."""
    deps = {"stuck_from": len(CHAPTERS)}
    async with SqliteStore(path) as store:
        waiting = await graph.resume("book", store=store, deps=deps)
        print(f"it asks: {waiting.questions[0].reason}")
        result = await graph.resume("book", store=store, deps=deps, answers={"publish": True})
        print(f"published: {result.state.published}, {len(result.state.summaries)} summaries")


def main() -> None:
    """Start, kill, go on."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        print("in a process that will be killed:", flush=True)
        child = subprocess.Popen([sys.executable, __file__, str(path)])
        while asyncio.run(finished_steps(path)) < 1 + DONE_BEFORE_THE_KILL:
            assert child.poll() is None, "the child ended by itself"
        child.kill()
        child.wait()
        print("killed; in another process:", flush=True)
        asyncio.run(go_on(path))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(work(Path(sys.argv[1])))
    else:
        main()
