"""Attribution looks past what its caller has left out, as repeats and schedules do."""

import asyncio
import random
import time

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, RunContext
from lift_sys.determinism import check_determinism
from lift_sys.determinism.attribution import Workers, attribute
from lift_sys.errors import UsageError


class Letter(BaseModel):
    text: str = ""
    created: float = 0.0
    tags: list[str] = []


class Draft(BaseNode[Letter]):
    async def run(self, ctx: RunContext[Letter]) -> End:
        ctx.state.created = time.time()
        return End()


class Sign(BaseNode[Letter]):
    async def run(self, ctx: RunContext[Letter]) -> End:
        ctx.state.created = time.time()
        ctx.state.text = random.choice("abcdefgh")
        return End()


async def tagged(letter: Letter) -> None:
    async def tag(name: str) -> None:
        await asyncio.sleep(0.001)
        letter.tags.append(name)

    await asyncio.gather(*map(tag, ("work", "home", "later")))


@pytest.fixture(scope="module")
def workers():
    with Workers() as started:
        yield started


def test_what_moves_only_what_is_left_out_is_no_cause(workers):
    assert attribute(Draft(), Letter(), workers=workers).sources == ("clock",)

    found = attribute(Draft(), Letter(), ignore=["$.created"], workers=workers)

    assert found.verdict == "innocent", str(found)


def test_other_causes_of_the_same_step_are_found_past_it(workers):
    found = attribute(Sign(), Letter(), ignore=["$.created"], workers=workers)

    assert found.sources == ("rng",), str(found)
    assert found.guilty[0].difference.startswith("state.text: ")


def test_the_order_of_a_bag_has_no_cause(workers):
    assert attribute(tagged, Letter(), workers=workers).sources == ("schedule",)
    assert not attribute(tagged, Letter(), multiset=["$.tags"], workers=workers).guilty


def test_a_check_hands_on_what_it_leaves_out(workers):
    options = {"attribute": {"workers": workers}, "ignore": ["$.created"]}
    report = asyncio.run(check_determinism(Draft(), Letter(), 2, **options))

    assert (report.verdict, report.accepted) == ("deterministic", True)


def test_a_path_that_is_none_is_refused_before_anything_runs():
    with pytest.raises(UsageError, match="is no path"):
        attribute(Draft(), Letter(), ignore=["$.["])
