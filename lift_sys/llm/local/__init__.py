"""The embedded model: a real language model on this machine, with no network and no key.

`async with local_model() as endpoint` runs SmolLM2-135M in a child process that speaks the OpenAI
protocol on loopback; `dspy_lm` and `pydantic_ai_model` make ready clients for it, and equally for
any other endpoint. It is small: it shows that graphs, streaming and constrained output work, and it
answers short constrained questions; it is no judge of quality.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.llm.local.clients import dspy_lm as dspy_lm
    from lift_sys.llm.local.clients import pydantic_ai_model as pydantic_ai_model
    from lift_sys.llm.local.endpoints import Endpoint as Endpoint
    from lift_sys.llm.local.endpoints import LocalEndpoint as LocalEndpoint
    from lift_sys.llm.local.endpoints import resolve_endpoint as resolve_endpoint
    from lift_sys.llm.local.pull import pull_weights as pull_weights
    from lift_sys.llm.local.server import local_model as local_model
    from lift_sys.llm.local.weights import ModelFile as ModelFile
    from lift_sys.llm.local.weights import find_weights as find_weights
    from lift_sys.llm.local.weights import list_models as list_models

_SOURCES = {
    "clients": ["dspy_lm", "pydantic_ai_model"],
    "endpoints": ["Endpoint", "LocalEndpoint", "resolve_endpoint"],
    "pull": ["pull_weights"],
    "server": ["local_model"],
    "weights": ["ModelFile", "find_weights", "list_models"],
}

__all__ = [
    "Endpoint",
    "LocalEndpoint",
    "ModelFile",
    "dspy_lm",
    "find_weights",
    "list_models",
    "local_model",
    "pull_weights",
    "pydantic_ai_model",
    "resolve_endpoint",
]
__getattr__, __dir__ = attach(__name__, _SOURCES)
