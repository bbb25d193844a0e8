"""A step of a cached node: found, shared with who is doing it already, or run and kept.

A hit does to the context what the node did (its write set), checked as if the node had just done
it. Nothing here holds a slot: that is for nodes that run. Errors and cancellations are not kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

from lift_sys.core.cache_ports import CacheEntry
from lift_sys.core.context import RunContext
from lift_sys.core.events import CacheFailed, CacheHit
from lift_sys.core.node import node_name
from lift_sys.core.policies import Isolation
from lift_sys.execution.cached_call import CachedCall, detached
from lift_sys.execution.contract import Contract, Done, check
from lift_sys.execution.engine import Engine
from lift_sys.execution.flights import Flight
from lift_sys.execution.slots import Holder
from lift_sys.execution.telling import successor_name
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changed_paths

Run: TypeAlias = Callable[
    [Engine, Holder, Any, RunContext[Any], Snapshot[Any], Contract], Awaitable[Done]
]


async def cached_step(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
    run: Run,
) -> Done:
    """As `step` for a cached node; `run` runs it, with a contract that says nothing of the cache.

    A hit took no attempt, and no time.
    """
    caching = contract.caching
    assert caching is not None
    cache = caching.cache
    holder.release()
    begun = engine.time()
    call = CachedCall(caching, node, ctx, before)
    flight: Flight[CacheEntry] = Flight((id(cache), call.key.digest))
    with flight:
        entry = await flight.join()
        shared = entry is not None
        if entry is None:
            try:
                entry = await cache.get(call.key)
            except Exception as error:
                _fail(engine, ctx, node, error)
        if entry is not None:
            done = _replayed(engine, node, ctx, before, contract, call, entry)
            if done is not None:
                flight.land(entry)
                if holder.record is not None:
                    holder.record.cache_hits += 1
                if holder.log is not None:  # what is announced is kept
                    successor, after, *_ = done
                    kept = holder.log.finished(ctx, node, before, after, successor, 0.0, 0)
                    done = (await kept, *done[1:])
                _tell(engine, holder, node, ctx, before, done, entry, begun=begun, shared=shared)
                return done
        plain = replace(contract, caching=None, call=call)
        successor, after, attempts, seconds = await run(engine, holder, node, ctx, before, plain)
        if hasattr(type(ctx.state), "__lift_hidden__") and engine.isolation is not Isolation.LAZY:
            ctx.state = after.restore()
        try:
            made = call.entry(before, after, successor, seconds)
            if made is not None:
                await cache.put(call.key, made)
                flight.land(made)
                # Also now it shares nothing with the state, as at every hit.
                successor = detached(made.successor)
        except Exception as error:
            _fail(engine, ctx, node, error)
        return successor, after, attempts, seconds


def _replayed(
    engine: Engine,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    contract: Contract,
    call: CachedCall,
    entry: CacheEntry,
) -> Done | None:
    """Do what is kept; None, and nothing done, if it does not fit what node and state are now."""
    notes = Snapshot.take((ctx._metadata, ctx._provenance), name="notes")
    try:
        successor = call.replay(entry)
        after = check(node, ctx, before, successor, contract)
    except Exception as error:
        ctx.state = before.restore()
        ctx._metadata, ctx._provenance = notes.restore()
        _fail(engine, ctx, node, error)
        return None
    return successor, after, 0, 0.0


def _tell(
    engine: Engine,
    holder: Holder,
    node: Any,
    ctx: RunContext[Any],
    before: Snapshot[Any],
    done: Done,
    entry: CacheEntry,
    *,
    begun: float,
    shared: bool,
) -> None:
    """Say a hit."""
    holder.ended = engine.time()
    if holder.started is None:
        holder.started = begun
    if engine.scope.publish is not None:
        engine.tell(
            CacheHit,
            ctx.address,
            node_name(node),
            successor=successor_name(done[0]),
            writes=changed_paths(before, done[1]),
            elapsed=holder.ended - begun,
            saved=entry.elapsed,
            shared=shared,
        )


def _fail(engine: Engine, ctx: RunContext[Any], node: Any, error: Exception) -> None:
    engine.warn(CacheFailed, ctx.address, node_name(node), error=error)
