"""Run graphs of LLM nodes in parallel, and trust the answer.

Everyday names are here and load when they are first used; the rest is in the subpackages:
`lift_sys.reducers`, `lift_sys.errors`, `lift_sys.llm`, `lift_sys.testing`.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.core.context import RunContext as RunContext
    from lift_sys.core.node import BaseNode as BaseNode
    from lift_sys.core.node import node as node
    from lift_sys.core.policies import Isolation as Isolation
    from lift_sys.core.policies import RetryPolicy as RetryPolicy
    from lift_sys.core.policies import Timeouts as Timeouts
    from lift_sys.core.strategies import AllSuccess as AllSuccess
    from lift_sys.core.strategies import BestEffort as BestEffort
    from lift_sys.core.strategies import FirstSuccess as FirstSuccess
    from lift_sys.core.strategies import Majority as Majority
    from lift_sys.core.strategies import MergeStrategy as MergeStrategy
    from lift_sys.core.strategies import Race as Race
    from lift_sys.core.successors import End as End
    from lift_sys.core.successors import Fork as Fork
    from lift_sys.core.successors import NextNode as NextNode
    from lift_sys.core.successors import Stop as Stop
    from lift_sys.core.successors import Suspend as Suspend
    from lift_sys.execution.executor import ParallelExecutor as ParallelExecutor
    from lift_sys.execution.results import NodeResult as NodeResult
    from lift_sys.graph.graph import Graph as Graph
    from lift_sys.graph.subgraph import Subgraph as Subgraph

__version__ = "0.1.0"

_SOURCES = {
    "core.context": ["RunContext"],
    "core.node": ["BaseNode", "node"],
    "core.policies": ["Isolation", "RetryPolicy", "Timeouts"],
    "core.strategies": [
        "AllSuccess",
        "BestEffort",
        "FirstSuccess",
        "Majority",
        "MergeStrategy",
        "Race",
    ],
    "core.successors": ["End", "Fork", "NextNode", "Stop", "Suspend"],
    "execution.executor": ["ParallelExecutor"],
    "execution.results": ["NodeResult"],
    "graph.graph": ["Graph"],
    "graph.subgraph": ["Subgraph"],
}

__all__ = [
    "AllSuccess",
    "BaseNode",
    "BestEffort",
    "End",
    "FirstSuccess",
    "Fork",
    "Graph",
    "Isolation",
    "Majority",
    "MergeStrategy",
    "NextNode",
    "NodeResult",
    "ParallelExecutor",
    "Race",
    "RetryPolicy",
    "RunContext",
    "Stop",
    "Subgraph",
    "Suspend",
    "Timeouts",
    "__version__",
    "node",
]
__getattr__, __dir__ = attach(__name__, _SOURCES)
