"""Nodes and their contexts, as the first design names them (hole H6).

Nothing is defined here: the names are those of `lift_sys.core`, which costs little to import.
"""

from lift_sys.core.context import RunContext
from lift_sys.core.node import AbstractBaseNode, BaseNode
from lift_sys.core.successors import End, NextNode

__all__ = ["AbstractBaseNode", "BaseNode", "End", "NextNode", "RunContext"]
