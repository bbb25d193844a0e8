"""Metadata and provenance are a part of a run, so checks and explorations compare them, too."""

import asyncio
import itertools
import threading
import time
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.core.usage import Usage
from lift_sys.determinism import attribute, check_determinism, explore
from lift_sys.llm.usage import usage_entry

draws = itertools.count()


class Note(BaseModel):
    """What the graphs here work on."""

    value: int = 0
    metadata: int = 0


class Write(BaseNode[Note]):
    """Notes what nobody else draws, and leaves the state alone."""

    async def run(self, ctx: RunContext[Note]) -> "Read":
        ctx.metadata["k"] = next(draws)
        return Read()


class Read(BaseNode[Note]):
    """Passes the note on, into the state."""

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.state.value = ctx.metadata["k"]
        return End()


class WriteAndEnd(BaseNode[Note]):
    """As `Write`, at the end."""

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.metadata["k"] = next(draws)
        return End()


class Silent(BaseNode[Note]):
    """Does nothing."""

    async def run(self, ctx: RunContext[Note]) -> End:
        return End()


class Split(BaseNode[Note]):
    """Lets a branch write what the node after the join reads."""

    async def run(self, ctx: RunContext[Note]) -> Fork[WriteAndEnd | Silent, Read]:
        return Fork([WriteAndEnd(), Silent()], then=Read())


class Branch(BaseNode[Note]):
    """Says who came first."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Note]) -> End:
        await asyncio.sleep(0.01)
        ctx.deps.append(self.name)
        return End()


class Tell(BaseNode[Note]):
    """Notes who came first."""

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.metadata["first"] = ctx.deps[0]
        return End()


class Clock(BaseNode[Note]):
    """Notes the time."""

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.metadata["at"] = time.time()
        return End()


class Race(BaseNode[Note]):
    """Lets two come."""

    async def run(self, ctx: RunContext[Note]) -> Fork[Branch, Tell]:
        return Fork([Branch("a"), Branch("b")], then=Tell())


def check(target: Any, **options: Any) -> Any:
    return asyncio.run(check_determinism(target, Note(), 4, **options))


@pytest.mark.parametrize("target", [Graph(WriteAndEnd), WriteAndEnd()], ids=["graph", "node"])
def test_metadata_is_compared(target: Any):
    """A run that differs in nothing else differs, and the report says where."""
    report = check(target)

    assert not report.deterministic
    assert [field.path for field in report.differing_fields] == ["metadata.k"]
    if report.kind == "graph":
        assert report.first_divergent_node == "0:WriteAndEnd"
    assert report.first_divergent_field == "metadata.k"


@pytest.mark.parametrize("in_a_fork", [False, True], ids=["chain", "fork"])
def test_who_writes_a_note_is_the_origin_and_who_reads_it_is_not(in_a_fork: bool):
    """The note is what the first node wrote, and what the second was given."""

    report = check(Graph(Split if in_a_fork else Write))

    wanted = "0.0:WriteAndEnd" if in_a_fork else "0:Write"
    assert [origin.label for origin in report.divergences.origins] == [wanted]
    assert [label.partition(":")[2] for label in report.divergences.passed_on] == ["Read"]
    assert report.framework_deterministic


@pytest.mark.parametrize("ignore", ["metadata", "metadata.k", "metadata.*"])
def test_notes_can_be_left_out(ignore: str):
    """A view decides; a field of the state that is called so is left out with it."""
    report = check(Graph(WriteAndEnd), ignore=[ignore])

    assert report.deterministic
    assert not report.divergences.origins
    assert not [note for note in report.notes if "fits nothing" in note]


def test_provenance_is_compared_but_not_what_a_call_has_cost():
    """Whether a provider's cache has answered is no result of a run."""

    class Say(BaseNode[Note]):
        def __init__(self, varied: bool) -> None:
            self.varied = varied

        async def run(self, ctx: RunContext[Note]) -> End:
            usage = usage_entry(Usage(calls=1, input_tokens=next(draws)))
            ctx.add_provenance("Say", "s", usage=usage, said=next(draws) if self.varied else 1)
            return End()

    assert check(Graph(Say(False))).deterministic
    report = check(Graph(Say(True)))

    assert report.first_divergent_field == "provenance[0].said"
    assert check(Graph(Say(True)), ignore=["provenance"]).deterministic


def test_services_among_the_notes_stand_for_their_type():
    """A client that nobody can copy does not end the run that it would not end in use."""

    class Keep(BaseNode[Note]):
        async def run(self, ctx: RunContext[Note]) -> End:
            ctx.metadata["lock"] = threading.Lock()
            ctx.metadata["k"] = 1
            return End()

    report = check(Graph(Keep))

    assert report.accepted
    assert report.fields["metadata.lock"].modal == '"a lock"'


def test_exploration_compares_metadata():
    """Two branches note in a shared list who came first: schedules differ."""

    found = explore(Graph(Race), Note(), deps=list, budget=20)

    assert found.verdict == "differs"
    assert "metadata {'first': 'a'}" in str(found)


def test_attribution_compares_metadata():
    """A cause that moves nothing but a note is a cause."""
    report = attribute(Clock(), Note())

    assert [cause.source for cause in report.guilty] == ["clock"]
