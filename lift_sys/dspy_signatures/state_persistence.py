"""Saved states, as the first design names them (hole H2).

Nothing is defined here: the names are those of `lift_sys.durability`. What is saved is typed JSON in
the same stores that keep runs; nothing is pickled.
"""

from lift_sys.durability.saved_states import GraphState, NodeOutput, StatePersistence

__all__ = ["GraphState", "NodeOutput", "StatePersistence"]
