"""Several ways to one answer, best first: FIRST_SUCCESS takes the first that works.

    python examples/first_answer.py ["some text with a date in it"]

Three nodes look for a date in a text, each in its own way. All start at once. The first in the
list that succeeds wins, however fast the others are; what they wrote is discarded, and those that
are still busy are cancelled. Which way won is in the state and in the result's `discarded`.
"""

import asyncio
import re
import sys
from datetime import date, timedelta

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext
from lift_sys.errors import ParallelExecutionError


class Question(BaseModel):
    """A text, and the date that it speaks of."""

    text: str
    today: date
    found: date | None = None
    found_by: str = ""


class NoDateError(ValueError):
    """This way of looking found nothing."""


MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class IsoDate(BaseNode[Question]):
    """Looks for 2024-02-29: no doubt about what it means, so it comes first."""

    async def run(self, ctx: RunContext[Question]) -> End:
        """Take the first one that the calendar has."""
        match = re.search(r"\b(\d{4})-(\d\d)-(\d\d)\b", ctx.state.text)
        if match is None:
            raise NoDateError("no date such as 2024-02-29")
        ctx.state.found = date(*map(int, match.groups()))
        ctx.state.found_by = "IsoDate"
        return End()


class WrittenDate(BaseNode[Question]):
    """Looks for 29 February 2024."""

    async def run(self, ctx: RunContext[Question]) -> End:
        """Take the first one whose month has an English name."""
        for day, month, year in re.findall(
            r"(\d{1,2})\.? ([A-Za-z]{3})[a-z]* (\d{4})", ctx.state.text
        ):
            if month.lower() in MONTHS:
                ctx.state.found = date(int(year), MONTHS.index(month.lower()) + 1, int(day))
                ctx.state.found_by = "WrittenDate"
                return End()
        raise NoDateError("no date such as 29 February 2024")


class RelativeDate(BaseNode[Question]):
    """Looks for "3 days ago" and "yesterday": depends on today, so it comes last."""

    async def run(self, ctx: RunContext[Question]) -> End:
        """Count back from today."""
        text = ctx.state.text.lower()
        match = re.search(r"\b(\d+) days? ago\b", text)
        if match is None and "yesterday" not in text:
            raise NoDateError("no date such as 3 days ago")
        days = 1 if match is None else int(match[1])
        ctx.state.found = ctx.state.today - timedelta(days=days)
        ctx.state.found_by = "RelativeDate"
        return End()


class Answer(BaseNode[Question]):
    """Runs on the state of the winner."""

    async def run(self, ctx: RunContext[Question]) -> End[str]:
        """Put the answer into words."""
        return End(f"{ctx.state.found} (found by {ctx.state.found_by})")


class FindDate(BaseNode[Question]):
    """Tries all ways at once."""

    async def run(
        self, ctx: RunContext[Question]
    ) -> Fork[IsoDate | WrittenDate | RelativeDate, Answer]:
        """List the ways in the order of trust."""
        return Fork(
            [IsoDate(), WrittenDate(), RelativeDate()],
            then=Answer(),
            strategy=MergeStrategy.FIRST_SUCCESS,
        )


graph = Graph(FindDate)

TEXTS = [
    "The meeting of 29 February 2024 was moved to 2024-03-07.",
    "We met on 3 May 2021, or so he said 12 days ago.",
    "It broke yesterday.",
    "It never worked.",
]


async def main() -> None:
    """Ask about each text of the command line, or about some that show each case."""
    for text in sys.argv[1:] or TEXTS:
        print(text)
        try:
            result = await graph.run(state=Question(text=text, today=date(2026, 11, 21)))
        except ParallelExecutionError as error:
            print(f"  -> {error}")
        else:
            print(f"  -> {result.output}")
            for lost in result.discarded:
                print(f"     not used: {lost.label}")


if __name__ == "__main__":
    asyncio.run(main())
