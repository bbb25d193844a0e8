"""What a run begins with: its context, who listens, and the journal that it goes on with."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from lift_sys.core.cache_ports import Cache
from lift_sys.core.context import RunContext, RunScope, fresh_execution_id, fresh_seed
from lift_sys.core.ports import Clock, Journal, Observer, Opened, RunStore
from lift_sys.core.usage import UsageLedger
from lift_sys.execution.bus import Bus
from lift_sys.execution.log import log_observer
from lift_sys.execution.plugged import (
    refuse_no_cache,
    refuse_no_mapping,
    refuse_no_name,
    refuse_no_store,
)

if TYPE_CHECKING:
    from lift_sys.execution.engine import Engine
    from lift_sys.graph.graph import Graph

StateT = TypeVar("StateT", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Generic[StateT]):
    """A run that can be launched.

    Attributes:
        start: The node that it starts with; None is the graph's own.
        context: Its context.
        bus: To close after it, if anybody listens.
        journal: Where its steps are kept; None keeps nothing.
    """

    start: Any
    context: RunContext[StateT]
    bus: Bus | None
    journal: Journal | None = None

    def engine(self, graph: Graph[StateT]) -> Engine:
        """What its steps share."""
        engine = graph.executor.engine(self.context.scope, self.context.execution_id)
        engine.journal = self.journal
        return engine

    async def close(self) -> None:
        """Wait until everybody has heard everything."""
        if self.bus is not None:
            await self.bus.close()


async def begin(
    graph: Graph[StateT],
    start_node: Any,
    state: StateT,
    *,
    store: RunStore | None = None,
    deps: Any = None,
    execution_id: str | None = None,
    user_id: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    seed: int | None = None,
    clock: Clock | None = None,
    on_event: Observer | None = None,
    cache: Cache | None = None,
) -> Ready[StateT]:
    """A run of `graph`; with a store it may be one that was begun before."""
    refuse_no_cache(cache)
    if store is None:
        return _ready(
            start_node,
            state,
            execution_id=execution_id,
            metadata=metadata,
            user_id=user_id,
            seed=seed,
            deps=deps,
            clock=clock,
            on_event=on_event,
            cache=cache,
        )
    refuse_no_store(store)
    execution_id = fresh_execution_id() if execution_id is None else execution_id
    refuse_no_name(execution_id)
    opened = await store.begin_run(
        graph,
        execution_id=execution_id,
        start=start_node,
        state=state,
        metadata=metadata,
        user_id=user_id,
        seed=seed,
    )
    return _opened(opened, execution_id, deps=deps, clock=clock, on_event=on_event, cache=cache)


async def reopen(
    graph: Graph[StateT],
    execution_id: str,
    *,
    store: RunStore,
    answers: Mapping[str, Any] | None = None,
    secrets: Mapping[str, Any] | None = None,
    migrations: Mapping[str, Callable[[Any], Any]] | None = None,
    deps: Any = None,
    clock: Clock | None = None,
    on_event: Observer | None = None,
    cache: Cache | None = None,
) -> Ready[StateT]:
    """A run that goes on."""
    refuse_no_store(store)
    refuse_no_cache(cache)
    refuse_no_mapping("answers", answers, "{'approval': True}")
    refuse_no_mapping("secrets", secrets, "{'token': ...}")
    refuse_no_mapping("migrations", migrations, "{'Order': lambda old: {...}}")
    opened = await store.resume_run(
        graph,
        execution_id,
        answers=answers,
        secrets=secrets,
        migrations=migrations,
        now=datetime.now(UTC) if clock is None else clock.now(),
    )
    return _opened(opened, execution_id, deps=deps, clock=clock, on_event=on_event, cache=cache)


def _opened(opened: Opened, execution_id: str, **services: Any) -> Ready[Any]:
    return _ready(
        opened.start,
        opened.state,
        execution_id=execution_id,
        metadata=opened.metadata,
        user_id=opened.user_id,
        seed=opened.seed,
        journal=opened.journal,
        ledger=opened.usage,
        **services,
    )


def _ready(
    start: Any,
    state: StateT,
    *,
    execution_id: str | None,
    metadata: Mapping[str, Any] | None,
    user_id: str | None,
    seed: int | None,
    deps: Any,
    clock: Clock | None,
    on_event: Observer | None,
    cache: Cache | None,
    journal: Journal | None = None,
    ledger: UsageLedger | None = None,
) -> Ready[StateT]:
    log = log_observer(level=logging.INFO if on_event is None else logging.WARNING)
    observers = [observer for observer in (on_event, log) if observer is not None]
    bus = Bus(observers) if observers else None
    scope = RunScope(
        seed=fresh_seed() if seed is None else seed,
        clock=clock,
        ledger=ledger,
        publish=None if bus is None else bus.publish,
        cache=cache,
    )
    context = RunContext(
        state,
        execution_id=execution_id,
        user_id=user_id,
        metadata=dict(metadata) if metadata else None,
        deps=deps,
        scope=scope,
    )
    return Ready(start=start, context=context, bus=bus, journal=journal)
