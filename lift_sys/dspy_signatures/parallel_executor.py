"""The executor, its results and its errors, as the first design names them (hole H4).

Nothing is defined here: the names are those of `lift_sys.execution`, `core` and `errors`.
"""

from lift_sys.core.strategies import MergeStrategy
from lift_sys.errors import MergeError, ParallelExecutionError
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.execution.results import NodeResult

__all__ = [
    "MergeError",
    "MergeStrategy",
    "NodeResult",
    "ParallelExecutionError",
    "ParallelExecutor",
]
