"""What decides the answers of a model, as plain data for the key of a cached node.

It is the model's name and settings, the instructions, the output's type and the tools; never a key,
and no address of a server: the same model at another place is the same model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lift_sys.execution.code_version import made_of
from lift_sys.state.leaves import type_name

__all__ = ["identity_of_adapter", "identity_of_agent", "identity_of_lm", "identity_of_signature"]

_OF_THE_PLACE = frozenset(
    {
        *("api_base", "api_key", "base_url", "headers", "extra_headers", "azure_ad_token"),
        *("aws_access_key_id", "aws_secret_access_key", "aws_session_token", "vertex_credentials"),
    }
)


def identity_of_lm(lm: Any) -> Any:
    """A `dspy.LM`: its class, model and settings."""
    settings = {
        name: value
        for name, value in getattr(lm, "kwargs", {}).items()
        if name not in _OF_THE_PLACE
    }
    return [
        type_name(type(lm)),
        getattr(lm, "model", None),
        getattr(lm, "model_type", None),
        settings,
    ]


def identity_of_signature(signature: Any) -> Any:
    """A `dspy.Signature`: its instructions, and what it says of its fields."""
    fields = [
        [name, str(field.annotation), field.json_schema_extra]
        for name, field in signature.fields.items()
    ]
    return [signature.__name__, signature.instructions, fields]


def identity_of_adapter(adapter: Any) -> Any:
    """A `dspy.Adapter`: its class and settings; None is DSPy's own choice."""
    if adapter is None:
        return None
    settings = {name: value for name, value in vars(adapter).items() if name != "callbacks"}
    return [type_name(type(adapter)), settings]


def identity_of_agent(agent: Any, model: Any, options: Mapping[str, Any]) -> Any:
    """An agent of Pydantic AI.

    Args:
        agent: The agent.
        model: The model that it asks, or its name.
        options: Further arguments of its run.
    """
    prompts = {
        name: [made_of(_said(prompt)) for prompt in getattr(agent, name, ())]
        for name in ("_system_prompts", "_system_prompt_functions", "_instructions")
    }
    tools = [
        [name, tool.description, made_of(tool.function)]
        for toolset in agent.toolsets
        for name, tool in getattr(toolset, "tools", {}).items()
    ]
    return [
        _model(model),
        _settings(agent.model_settings),
        {name: _settings(value) for name, value in options.items()},
        agent.output_type,
        prompts,
        tools,
    ]


def _said(prompt: Any) -> Any:
    """A text, or the function that makes it, out of what an agent keeps."""
    return getattr(prompt, "instruction", getattr(prompt, "function", prompt))


def _model(model: Any) -> Any:
    if model is None or isinstance(model, str):
        return model
    return [type_name(type(model)), model.system, model.model_name, _settings(model.settings)]


def _settings(settings: Any) -> Any:
    if isinstance(settings, Mapping):
        return {name: value for name, value in settings.items() if name not in _OF_THE_PLACE}
    return made_of(settings)
