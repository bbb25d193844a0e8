"""Whole states under a name, in the store of runs: what the first design called StatePersistence (H2).

A run with `store=` keeps each step, and needs none of this. It is for code that keeps a context by
itself: between two calls of nodes, or between two programs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from lift_sys.core.context import RunContext
from lift_sys.durability.codec import Codec, Names
from lift_sys.durability.facts import SAVED, Fact, Json, RunRecord, chain
from lift_sys.durability.query import RunQuery
from lift_sys.durability.reading import refuse_edited
from lift_sys.durability.store import Store
from lift_sys.errors import MissingSecretError, SecretError, UsageError
from lift_sys.execution.plugged import refuse_no_store
from lift_sys.state.leaves import type_name

StateT = TypeVar("StateT", bound=BaseModel)


class NodeOutput(BaseModel):
    """What a node gave out.

    Attributes:
        node: Its name.
        output: In typed JSON.
        saved_at: In UTC.
    """

    model_config = ConfigDict(frozen=True)

    node: str
    output: Json = None
    saved_at: datetime


class GraphState(BaseModel):
    """A saved state.

    Attributes:
        execution_id: Its name.
        state_snapshot: The state, in typed JSON.
        state_type: The name of its class, `module:class`.
        provenance, metadata: Of the context, in typed JSON.
        user_id: Whose it is.
        created_at, updated_at: In UTC.
        node_outputs: By the name of the node.
    """

    model_config = ConfigDict(frozen=True)

    execution_id: str
    state_snapshot: dict[str, Json]
    state_type: str
    provenance: list[Json] = []
    metadata: dict[str, Json] = {}
    user_id: str | None = None
    created_at: datetime
    updated_at: datetime
    node_outputs: dict[str, NodeOutput] = {}


class StatePersistence:
    """Saves contexts in a store, and finds them again.

    Args:
        store: Any store of `lift_sys.durability`.

    Raises:
        UsageError: It is no store.
    """

    def __init__(self, store: Store) -> None:
        refuse_no_store(store)
        self.store = store

    async def save(self, context: RunContext[Any]) -> GraphState:
        """Save a context's state, metadata and provenance under its `execution_id`.

        It replaces what was saved under that name; outputs of nodes stay.

        Raises:
            UnkeptValueError: Something in it can't be kept; it names the path.
            UsageError: There is a run of a graph under that name.
        """
        state = context.state
        codec = Codec(Names([type(state)]))
        body: dict[str, Json] = {
            "state": codec.encode(state, type(state)),
            "state_type": type_name(type(state)),
            "metadata": codec.encode(context.metadata, dict[str, Any], path="metadata"),
            "provenance": codec.encode(context.provenance, list[dict[str, Any]], path="provenance"),
        }
        now = datetime.now(UTC)
        record = RunRecord(
            execution_id=context.execution_id,
            graph=SAVED,
            status="finished",
            user_id=context.user_id,
            created_at=now,
            updated_at=now,
        )
        fact = _fact("edit", "", "", body, now)
        if not await self.store.create(record, [fact]):
            known, _ = await self._known(context.execution_id)
            await self.store.commit(known.execution_id, known.epoch, [fact])
        return await self.load(context.execution_id)

    async def load(self, execution_id: str) -> GraphState:
        """What was saved under a name.

        Raises:
            UnknownRunError: Nothing was.
            UsageError: It is a run of a graph.
            JournalError: What was saved was edited.
        """
        record, facts = await self._known(execution_id)
        saved: dict[str, Any] = {}
        outputs: dict[str, NodeOutput] = {}
        for fact in facts:
            refuse_edited(execution_id, fact)
            if fact.kind == "edit":
                saved = fact.body
            elif fact.kind == "step":
                outputs[fact.node] = NodeOutput(
                    node=fact.node, output=fact.body["output"], saved_at=fact.started_at
                )
        return GraphState(
            execution_id=execution_id,
            state_snapshot=saved["state"],
            state_type=saved["state_type"],
            provenance=saved["provenance"],
            metadata=saved["metadata"],
            user_id=record.user_id,
            created_at=record.created_at,
            updated_at=record.updated_at,
            node_outputs=outputs,
        )

    async def load_context(
        self,
        execution_id: str,
        state_type: type[StateT],
        *,
        deps: Any = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> RunContext[StateT]:
        """The context as it was saved; `state_type` is the class of its state.

        Raises:
            UnknownRunError: There is none.
            UsageError: The state is of another class, or no longer fits it.
            SecretError: A secret has to be given, or is of another type: `token` of the state,
                `ctx.metadata['note']` of the rest.
        """
        saved = await self.load(execution_id)
        if saved.state_type != type_name(state_type):
            raise UsageError(
                f"The state {execution_id!r} is a {saved.state_type}, not a {type_name(state_type)}."
            )
        codec = Codec(Names([state_type]))
        parts: list[tuple[Any, Any, str]] = [
            (saved.state_snapshot, state_type, "state"),
            (saved.metadata, dict[str, Any], "ctx.metadata"),
            (saved.provenance, list[dict[str, Any]], "ctx.provenance"),
        ]
        found: list[Any] = []
        missing: list[str] = []
        for form, annotation, path in parts:
            try:
                found.append(codec.decode(form, annotation, path=path, secrets=secrets))
            except MissingSecretError as error:  # all that are missing are named at once
                missing += error.paths
            except SecretError:
                raise
            except (ValueError, TypeError) as error:
                raise UsageError(
                    f"The state {execution_id!r} fits its class no more: {error}"
                ) from error
        if missing:
            raise MissingSecretError(paths=missing)
        state, metadata, provenance = found
        return RunContext(
            state,
            execution_id=execution_id,
            user_id=saved.user_id,
            metadata=metadata,
            provenance=provenance,
            deps=deps,
        )

    async def update_node_output(self, execution_id: str, node: str, output: Any) -> NodeOutput:
        """Keep what a node gave out, beside the state; it replaces what it gave before.

        Raises:
            UnknownRunError: Nothing was saved under this name.
            UnkeptValueError: The output can't be kept.
        """
        record, _ = await self._known(execution_id)
        classes = [type(output)] if isinstance(output, BaseModel) else []
        form = Codec(Names(classes)).encode(output, path=f"output of {node}")
        now = datetime.now(UTC)
        fact = _fact("step", f"output:{node}", node, {"output": form}, now)
        await self.store.commit(execution_id, record.epoch, [fact])
        return NodeOutput(node=node, output=form, saved_at=now)

    async def delete(self, execution_id: str) -> None:
        """Remove what was saved under a name.

        Raises:
            UnknownRunError: Nothing was.
            UsageError: It is a run of a graph.
        """
        await self._known(execution_id)
        await self.store.delete(execution_id)

    async def list_states(
        self, *, user_id: str | None = None, limit: int = 100
    ) -> list[GraphState]:
        """Saved states, the newest first."""
        found = await self.store.runs(RunQuery(graph=SAVED, user_id=user_id, limit=limit))
        return [await self.load(record.execution_id) for record in found]

    async def _known(self, execution_id: str) -> tuple[RunRecord, list[Fact]]:
        record, facts = await self.store.load(execution_id)
        if record.graph != SAVED:
            raise UsageError(
                f"{execution_id!r} is a run of the graph {record.graph!r}, which keeps its state "
                f"step by step: `graph.resume({execution_id!r}, store=...)` gives it."
            )
        return record, facts


def _fact(kind: Any, address: str, node: str, body: dict[str, Json], now: datetime) -> Fact:
    return Fact(
        kind=kind, address=address, node=node, digest=chain("", body), body=body, started_at=now
    )
