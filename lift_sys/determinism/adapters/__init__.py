"""Programs of other frameworks, unported: each adapter makes one of them a `Target`.

An adapter knows its framework by the module that a target's class comes from, so nothing of it is
imported unless such a target was given.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lift_sys.determinism.runs.targets import Target

# Module and class of what is known, and the module here whose `adapt` makes it a target. A module
# that is not in `sys.modules` has no instances, so it is never imported to find out.
_KNOWN = (
    ("langgraph.pregel", "Pregel", "langgraph_graphs"),
    ("langgraph.graph.state", "StateGraph", "langgraph_graphs"),
    ("pydantic_graph", "Graph", "pydantic_graphs"),
    ("pydantic_graph", "GraphBuilder", "pydantic_graphs"),
    ("pydantic_graph.beta", "Graph", "pydantic_graphs"),
    ("pydantic_ai.agent", "AbstractAgent", "pydantic_agents"),
    ("dspy", "Module", "dspy_modules"),
)


def foreign_target(target: Any) -> Target | None:
    """The target that an adapter makes of `target`; None if it is of no framework known here.

    Known are LangGraph's compiled graphs, graphs of pydantic-graph, Pydantic AI's agents, and
    DSPy's modules.

    Raises:
        UsageError: It is of one of these frameworks, but can't be run as it is.
    """
    for module_name, class_name, adapter in _KNOWN:
        found = getattr(sys.modules.get(module_name), class_name, None)
        if isinstance(found, type) and isinstance(target, found):
            made: Target = import_module(f"{__name__}.{adapter}").adapt(target)
            return made
    return None
