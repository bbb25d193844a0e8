"""A fan-out over documents: one branch per file, joined by reducers, then one node on the whole.

    python examples/document_fanout.py [FOLDER]

By default the documents are the source files of lift_sys itself. Each branch reads one and counts
its words; reducers on the state add the totals up and collect the counts by file, in declared
order. What follows the join knows all documents: it names the words that set each one apart.
"""

import asyncio
import math
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

import lift_sys
from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.reducers import MergeDict, Sum


class Corpus(BaseModel):
    """Documents and what is in them; dicts are by path."""

    paths: list[str]
    words: Annotated[int, Sum()] = 0
    counts: Annotated[dict[str, dict[str, int]], MergeDict()] = {}
    keywords: dict[str, list[str]] = {}


@dataclass(frozen=True)
class CountWords(BaseNode[Corpus]):
    """Counts the words of one document."""

    path: str

    # A plain function: reading a file blocks, so it runs in a thread of its own.
    def run(self, ctx: RunContext[Corpus]) -> End:
        """Count words of four letters and more."""
        text = Path(self.path).read_text(encoding="utf-8", errors="replace")
        found = re.findall(r"[a-z]{4,}", text.lower())
        ctx.state.words += len(found)
        ctx.state.counts[self.path] = dict(Counter(found))
        return End()


class NameKeywords(BaseNode[Corpus]):
    """Finds the words that are frequent in one document and rare in the others."""

    async def run(self, ctx: RunContext[Corpus]) -> End[int]:
        """Weigh each word by count times log of inverse document frequency."""
        counts = ctx.state.counts
        documents_with = Counter(word for words in counts.values() for word in words)
        for path, words in counts.items():
            weight = {
                word: count * math.log(len(counts) / documents_with[word])
                for word, count in words.items()
            }
            # The word itself decides among equals, so that the order never depends on luck.
            ctx.state.keywords[path] = sorted(weight, key=lambda word: (-weight[word], word))[:4]
        return End(len(counts))


class ReadAll(BaseNode[Corpus]):
    """Starts a branch for each document."""

    async def run(self, ctx: RunContext[Corpus]) -> Fork[CountWords, NameKeywords]:
        """Fan out; an empty list of documents joins at once."""
        return Fork([CountWords(path) for path in ctx.state.paths], then=NameKeywords())


graph = Graph(ReadAll, executor=ParallelExecutor(max_concurrent=8))


async def main() -> None:
    """Read the folder of the command line, or lift_sys."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(str(lift_sys.__file__)).parent
    files = [path for suffix in ("py", "md", "txt") for path in folder.rglob(f"*.{suffix}")]
    result = await graph.run(state=Corpus(paths=sorted(map(str, files))))
    for path, words in result.state.keywords.items():
        print(f"{Path(path).relative_to(folder)}: {', '.join(words)}")
    print(f"{result.output} documents, {result.state.words} words")


if __name__ == "__main__":
    asyncio.run(main())
