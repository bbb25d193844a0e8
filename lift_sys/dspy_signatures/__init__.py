"""The names of the first design, under its import paths; they are the very objects of the engine.

Code that was written against the first design goes on to work: `BaseNode` and its neighbours are in
`node_interface`, `ParallelExecutor` and its neighbours in `parallel_executor`, caches in `caching`,
saved states in `state_persistence`, all of them here.
There is no logic in this folder, and new code imports from `lift_sys` and `lift_sys.errors`.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.dspy_signatures.caching import CachedParallelExecutor as CachedParallelExecutor
    from lift_sys.dspy_signatures.caching import CachingStrategy as CachingStrategy
    from lift_sys.dspy_signatures.caching import InMemoryCache as InMemoryCache
    from lift_sys.dspy_signatures.caching import NoOpCache as NoOpCache
    from lift_sys.dspy_signatures.node_interface import AbstractBaseNode as AbstractBaseNode
    from lift_sys.dspy_signatures.node_interface import BaseNode as BaseNode
    from lift_sys.dspy_signatures.node_interface import End as End
    from lift_sys.dspy_signatures.node_interface import NextNode as NextNode
    from lift_sys.dspy_signatures.node_interface import RunContext as RunContext
    from lift_sys.dspy_signatures.parallel_executor import MergeError as MergeError
    from lift_sys.dspy_signatures.parallel_executor import MergeStrategy as MergeStrategy
    from lift_sys.dspy_signatures.parallel_executor import NodeResult as NodeResult
    from lift_sys.dspy_signatures.parallel_executor import (
        ParallelExecutionError as ParallelExecutionError,
    )
    from lift_sys.dspy_signatures.parallel_executor import ParallelExecutor as ParallelExecutor
    from lift_sys.dspy_signatures.state_persistence import GraphState as GraphState
    from lift_sys.dspy_signatures.state_persistence import NodeOutput as NodeOutput
    from lift_sys.dspy_signatures.state_persistence import StatePersistence as StatePersistence

_SOURCES = {
    "caching": ["CachedParallelExecutor", "CachingStrategy", "InMemoryCache", "NoOpCache"],
    "node_interface": ["AbstractBaseNode", "BaseNode", "End", "NextNode", "RunContext"],
    "parallel_executor": [
        "MergeError",
        "MergeStrategy",
        "NodeResult",
        "ParallelExecutionError",
        "ParallelExecutor",
    ],
    "state_persistence": ["GraphState", "NodeOutput", "StatePersistence"],
}

__all__ = [
    "AbstractBaseNode",
    "BaseNode",
    "CachedParallelExecutor",
    "CachingStrategy",
    "End",
    "GraphState",
    "InMemoryCache",
    "MergeError",
    "MergeStrategy",
    "NextNode",
    "NoOpCache",
    "NodeOutput",
    "NodeResult",
    "ParallelExecutionError",
    "ParallelExecutor",
    "RunContext",
    "StatePersistence",
]
__getattr__, __dir__ = attach(__name__, _SOURCES)
