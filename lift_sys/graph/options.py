"""The options of a run as types, so that a misspelt one is seen before anything runs.

Only type checkers read this: `Graph.run` names its arguments itself, and what is passed on to it
by `run_sync`, `stream` and `iter`, and to `resume` by `resume_sync`, is declared here. A new argument belongs into both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from lift_sys.core.cache_ports import Cache
from lift_sys.core.ports import Clock, Observer, RunStore


class QuietRunOptions(TypedDict, total=False):
    """The arguments of `Graph.run` without `on_event`, which `Graph.stream` sets itself."""

    deps: Any
    execution_id: str | None
    user_id: str | None
    metadata: Mapping[str, Any] | None
    seed: int | None
    clock: Clock | None
    cache: Cache | None
    store: RunStore | None


class RunOptions(QuietRunOptions, total=False):
    """The arguments of `Graph.run` besides the start node and the state."""

    on_event: Observer | None


class ResumeOptions(TypedDict, total=False):
    """The arguments of `Graph.resume` besides the run and its store."""

    answers: Mapping[str, Any] | None
    secrets: Mapping[str, Any] | None
    migrations: Mapping[str, Callable[[Any], Any]] | None
    deps: Any
    clock: Clock | None
    on_event: Observer | None
    cache: Cache | None
