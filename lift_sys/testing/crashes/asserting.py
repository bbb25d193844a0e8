"""The assertion that a graph survives crashes."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from lift_sys.durability.store import Store
from lift_sys.durability.stores.postgres import PostgresStore
from lift_sys.durability.stores.sqlite import SqliteStore
from lift_sys.errors import UsageError
from lift_sys.graph.graph import Graph
from lift_sys.testing.crashes.points import Point
from lift_sys.testing.crashes.processes import Child
from lift_sys.testing.crashes.rehearsal import Rehearsal
from lift_sys.testing.crashes.stage import Stage

if TYPE_CHECKING:
    from pydantic import BaseModel

    StateT = TypeVar("StateT", bound=BaseModel)

#: The URL of a PostgreSQL database, or a function that makes a store of a folder.
StoreSource: TypeAlias = str | Callable[[Path], Store]


def assert_resumable(
    graph: Graph[StateT],
    state: StateT,
    *,
    deps: Any = None,
    answers: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    store: StoreSource | None = None,
    instants: int = 20,
    seed: int = 0,
    timeout: float = 30.0,
    at: str | None = None,
) -> int:
    """Kill runs of `graph` in every place, and see that each goes on as if nothing had happened.

    The graph runs once without a crash. Then, for each write to the store, a process that runs it
    is killed (SIGKILL) right before that write, and another right after it; and others at random
    instants. A new process goes on with each run. Its state, output, metadata and provenance have
    to be those of the run without a crash, no step may begin before what leads to it is kept, or
    again when it is kept itself, the run has to end, and the store to be sound.

    Every process is a fork of this one: it has `state` and `deps` as they are now, and what it does
    to them is lost with it. `ctx.now()` stands still.

    Args:
        graph: The graph.
        state: The initial state.
        deps: As for `Graph.run`.
        answers: To questions that the run waits for, by key.
        secrets: Values of secret fields, by path, where the state has any.
        store: The URL of a PostgreSQL database, or a function that makes a store of a folder; an
            `SqliteStore` in that folder by default.
        instants: How many processes are killed at random times.
        seed: Of `ctx.random`, and of the random times.
        timeout: Seconds that one process may take.
        at: Only this place, as a failure has named it.

    Returns:
        How many runs were killed and went on.

    Raises:
        AssertionError: A run did not survive; it says where it was killed, what differs, and how
            to repeat just that.
        TypeError: `graph` is no Graph.
        UsageError: `store` is neither, `at` is no place, the run asks or has secrets and `answers` or `secrets` say
            nothing of it, or this system can't fork.
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    _refuse_no_graph(graph)
    only = None if at is None else Point.parse(at)
    if not hasattr(os, "fork"):
        raise UsageError("assert_resumable forks processes, which this system can't do.")
    rehearsal = Rehearsal(
        graph=graph,
        state=state,
        deps=deps,
        seed=seed,
        answers=answers or {},
        secrets=secrets or {},
        open_store=_opener(store),
        execution_id=f"assert-resumable-{uuid.uuid4()}",
    )
    with tempfile.TemporaryDirectory(prefix="lift-crash-", ignore_cleanup_errors=True) as folder:
        stage = Stage(
            rehearsal,
            Path(folder),
            instants=instants,
            timeout=timeout,
            only=only,
            is_shared=store is not None,
        )
        # All forks are made by a process that has one thread: nothing that another thread of this
        # one holds, a lock or a connection, is in their way.
        ended = Child(stage.play, leads=True).wait()
    verdict: Any = (
        ended.said[-1] if ended.said else {"raised": "The process that kills was killed."}
    )
    if "raised" in verdict:
        raise RuntimeError(verdict["raised"])
    if "unfit" in verdict:
        raise UsageError(verdict["unfit"])
    if "failed" in verdict:
        raise AssertionError(verdict["failed"])
    survived: int = verdict["survived"]
    return survived


def _refuse_no_graph(graph: Any) -> None:
    if not isinstance(graph, Graph):
        made = f"Graph({graph.__name__})" if isinstance(graph, type) else "Graph(FirstNode)"
        raise TypeError(f"assert_resumable takes a graph, such as {made}, not {graph!r}.")


def _opener(source: StoreSource | None) -> Callable[[Path], Store]:
    if source is None:
        return lambda folder: SqliteStore(folder / "runs.db")
    if isinstance(source, str) and ("://" in source or "=" in source):  # libpq takes either
        return lambda folder: PostgresStore(source)
    if isinstance(source, str) or not callable(source):
        raise UsageError(
            f"`store` is a URL or a function from a folder to a store, as each process needs one "
            f"of its own; not {source!r}. Without it, that is an SqliteStore in the folder."
        )
    return source
