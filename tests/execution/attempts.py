"""A node that fails as often as a test wants, and the errors that clients of servers raise."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from execution.nodes import Board, Ctx, Watch

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RetryPolicy
from lift_sys.errors import NodeError
from lift_sys.testing import run_virtual


class HttpError(Exception):
    """What an HTTP client raises: a status, and the headers of the answer."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        names = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.response = SimpleNamespace(status_code=status, headers=names)


class Attempts(BaseNode[Board]):
    """Raises one error after the other, then succeeds; notes when each attempt began."""

    def __init__(self, *errors: BaseException, act: Any = None) -> None:
        self.errors, self.act = errors, act
        self.began: list[float] = []

    async def run(self, ctx: Ctx) -> End[int]:
        self.began.append(asyncio.get_running_loop().time())
        if self.act is not None:
            self.act(ctx)
        if ctx.attempt <= len(self.errors):
            raise self.errors[ctx.attempt - 1]
        return End(ctx.attempt)


def attempt(
    *errors: BaseException, seed: int = 0, act: Any = None, on_event: Any = None, **policy: Any
) -> tuple[list[float], Any]:
    """Run a node that fails so; return when its attempts began, and its output or final error."""
    node = Attempts(*errors, act=act)
    retry = RetryPolicy(**{"first_delay": 1, "jitter": 0, **policy})
    graph = Graph(node, executor=ParallelExecutor[Board](1, retry=retry))
    try:
        result, _ = run_virtual(
            graph.run(state=Board(), deps=Watch(), seed=seed, on_event=on_event)
        )
    except NodeError as error:
        return node.began, error
    return node.began, result


def raised_from(outer: BaseException, cause: BaseException) -> BaseException:
    """`outer` as if it had been raised from `cause`."""
    outer.__cause__ = cause
    return outer
