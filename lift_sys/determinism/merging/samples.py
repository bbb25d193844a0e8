"""Branches to prove the merges of lift_sys on: some agree, some fail, all write something."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel

from lift_sys.core.strategies import AllSuccess, Strategy
from lift_sys.state.reducers import Append, Last, Max, MergeDict, Min, Sum, Union, UnionBy


class SampleState(BaseModel):
    """A field for each way in which branches of one fork can write side by side."""

    own: dict[str, int] = {}
    notes: Annotated[list[str], Append()] = []
    total: Annotated[float, Sum()] = 0.0
    tags: Annotated[set[str], Union()] = set()
    best: Annotated[int, Max()] = 0
    latest: Annotated[str, Last()] = ""


def sample_branches(strategy: Strategy, n: int) -> tuple[Any, list[Any]]:
    """A state, and how `n` branches end; some fail if the strategy bears that.

    Every third branch comes to the same state as the first one, so that there is a majority.
    """
    base = SampleState(own={"base": 0}, notes=["base"], total=0.5)
    branches: list[Any] = []
    for index in range(n):
        vote = index if index % 3 else 0
        if index == 1 and not isinstance(strategy, AllSuccess):
            branches.append(ValueError("branch 1 fails"))
            continue
        branches.append(
            SampleState(
                own={"base": 0, f"branch {vote}": vote},
                notes=["base", f"note {vote}"],
                total=0.5 + vote / 10,
                tags={"all", f"tag {vote}"},
                best=10 - vote,
                latest=f"branch {vote}",
            )
        )
    return base, branches


def sample_values(reducer: Any, n: int) -> tuple[Any, list[Any]] | None:
    """A value, and what `n` branches make of it, that suit a reducer of ours; None for others."""
    match reducer:
        case Append():
            return ["base"], [["base", index] for index in range(n)]
        case Union():
            return {"base"}, [{"base", index, index // 2} for index in range(n)]
        case UnionBy():
            key = reducer.key
            items = [{key: index, "text": f"item {index}"} for index in range(n + 1)]
            return items[:1], [[items[0], items[index + 1]] for index in range(n)]
        case Sum():
            return 1, [1 + 2**index for index in range(n)]
        case Max() | Min():
            return 0, [(index * 7) % 11 for index in range(n)]
        case MergeDict():
            return {"base": 0}, [{"base": 0, "all": index, index: index} for index in range(n)]
        case Last():
            return "base", [f"branch {index}" for index in range(n)]
    return None
