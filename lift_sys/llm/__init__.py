"""Nodes that ask language models, and the embedded model (hole H1, ProviderAdapter).

`SignatureNode` asks through DSPy and `AgentNode` through Pydantic AI: the frameworks know the
providers, these classes tie them to state, successors, usage and events. Neither is imported before
a node runs. `lift_sys.llm.local` is a real small model on this machine.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.llm import local as local
    from lift_sys.llm.agent_node import AgentNode as AgentNode
    from lift_sys.llm.signature_node import SignatureNode as SignatureNode

__all__ = ["AgentNode", "SignatureNode", "local"]
__getattr__, __dir__ = attach(
    __name__,
    {"agent_node": ["AgentNode"], "local": [], "signature_node": ["SignatureNode"]},
)
