"""What a graph and its state look like, to see whether a run's code has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lift_sys.durability.facts import Json


def shape_of(graph: Any) -> dict[str, Json]:
    """The names of the graph's nodes and of the fields of its state."""
    return {
        "nodes": [spec.name for spec in graph.structure.nodes.values()],
        "fields": [*getattr(graph.state_type, "model_fields", {})],
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What has changed, a line each."""
    return [
        f"the {part} were {old[part]}, are {new[part]}" for part in old if old[part] != new[part]
    ]
