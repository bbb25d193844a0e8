"""Majorities: when they are decided, what is compared, and how ties and quorums end."""

from typing import Any

import pytest
from execution.nodes import Watch, Work, run_fork

from lift_sys import (
    Majority,
    MergeStrategy,
)
from lift_sys.errors import ParallelExecutionError
from lift_sys.testing import virtual


@virtual
async def test_a_majority_stops_when_the_rest_can_change_nothing():
    """Three of five agree at 3 s, the lowest index among them: the others are not waited for."""
    watch = Watch()
    labels = ["x", "y", "x", "x", "y"]
    nodes = [
        Work(str(index), seconds, label=label, notes=False)
        for index, (seconds, label) in enumerate(zip([1, 60, 2, 3, 60], labels, strict=True))
    ]

    result = await run_fork(nodes, watch=watch, strategy=MergeStrategy.MAJORITY)

    assert result.state.label == "x"
    assert result.elapsed == 3
    assert watch.how("1") == watch.how("4") == "cancelled"
    vote = result.votes["0"]
    assert (vote.classes, vote.winner, vote.share) == (((0, 2, 3),), 0, 1.0)


@pytest.mark.parametrize("seconds", [(1, 2, 3, 4), (4, 3, 2, 1), (2, 4, 1, 3)])
@virtual
async def test_a_tie_goes_to_the_lowest_index(seconds: tuple[float, ...]):
    """Two against two: the class that index 0 is in wins, whoever was first."""
    nodes = [
        Work(str(index), length, label=label, notes=False)
        for index, (length, label) in enumerate(zip(seconds, "yxxy", strict=True))
    ]

    result = await run_fork(nodes, strategy=MergeStrategy.MAJORITY)

    assert result.state.label == "y"
    assert result.votes["0"].winner == 0


@pytest.mark.parametrize(
    ("quorum", "met"),
    [("plurality", True), ("majority", False), ("all", False), (2, True), (3, False), (0.5, True)],
)
@virtual
async def test_quorums(quorum: Any, met: bool):
    """Two of four agree: enough for a plurality, a count of two and a half share."""
    nodes = [Work(label, label=label, notes=False) for label in "xxyz"]
    strategy = Majority(quorum=quorum)

    if met:
        assert (await run_fork(nodes, strategy=strategy)).state.label == "x"
    else:
        with pytest.raises(ParallelExecutionError, match="largest class has 2 of 4 votes"):
            await run_fork(nodes, strategy=strategy)


@pytest.mark.parametrize(
    "key",
    ["label", ("label",), ("label", "count"), lambda state: state.label, lambda s: s.label[0]],
)
@virtual
async def test_votes_compare_by_key(key: Any):
    """What else the branches wrote does not split their vote; the winner's whole context stays."""
    nodes = [Work(str(index), label=label) for index, label in enumerate("yxx")]

    result = await run_fork(nodes, strategy=Majority(key=key))

    assert result.state.notes == {"1": "0.1"}
    assert result.votes["0"].classes == ((1, 2), (0,))


@virtual
async def test_votes_do_not_compare_metadata_or_provenance():
    """Branches that leave equal states agree, whatever they noted beside it."""

    def note(ctx: Any) -> None:
        ctx.metadata["at"] = ctx.address
        ctx.add_provenance("Work", "x")

    result = await run_fork(
        [Work(str(index), act=note, notes=False) for index in range(3)],
        strategy=Majority(quorum="all"),
    )

    assert result.context.metadata == {"at": "0.0"}
    assert [entry["address"] for entry in result.context.provenance] == ["0.0"]
