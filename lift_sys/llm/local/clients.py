"""Ready clients for an endpoint: a `dspy.LM` and a Pydantic AI model.

Before editing: neither client retries by itself, because nodes do (`RetryPolicy`), and two layers
of retries multiply; and both frameworks are imported inside the functions, because each costs more
than a second.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment

from lift_sys.core.extras import require
from lift_sys.errors import UsageError
from lift_sys.llm.local.endpoints import Endpoint, LocalEndpoint, resolve_endpoint

if TYPE_CHECKING:
    import dspy
    from pydantic_ai.models import Model
    from pydantic_ai.settings import ModelSettings

__all__ = ["dspy_lm", "pydantic_ai_model"]

_EMBEDDED_MAX_TOKENS = 512  # it may talk without end; at 30 tokens/s this is 17 s
_NO_KEY = "none"  # sent in place of a key, lest a client take one from the environment
_NO_SERVER = (
    "The embedded model was asked, but its server does not run. By its name it only replays what a "
    "cassette has: put the run inside of `Cassette(path, 'replay').use()`; or start the server, "
    "`async with local_model() as endpoint`, and make the model for that endpoint."
)
_DSPY_PREFIXES = {"google": "gemini"}  # where DSPy's name of a provider differs from ours


def dspy_lm(
    endpoint: Endpoint | str | None = None,
    *,
    signature: type[Any] | None = None,
    api_key: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
    **settings: Any,
) -> "dspy.LM":
    """Make a `dspy.LM` for an endpoint. It neither caches nor retries.

    Use it within `dspy.context(lm=..., adapter=dspy.JSONAdapter())`: the embedded model keeps to a
    signature only if it is forced to, and that adapter sends each signature's JSON schema. (For
    any other adapter, `signature` fixes one schema for all calls of this LM.)

    Args:
        endpoint: What `local_model()` gave, or a model as `resolve_endpoint` takes it.
        signature: A `dspy.Signature` class whose outputs every answer shall have.
        api_key: A key, instead of the one in the environment.
        temperature: By default 0 for the embedded model, else the provider's default.
        max_tokens: Most tokens of an answer; by default 512 for the embedded model.
        seed: For sampling, if the temperature is not 0.
        **settings: Anything else that `dspy.LM` takes, such as `timeout` in seconds.

    Raises:
        MissingExtraError: The extra `dspy` is not installed.
        UsageError: No model was chosen, or its key is missing.
    """
    place = resolve_endpoint(endpoint)
    embedded = isinstance(place, LocalEndpoint)
    if embedded:
        # DSPy looks up model prices in the network at the first call. For this model there are
        # none, and it has to work without a network. A value that the user has set stays.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        _keep_loopback_direct()
    framework = require("dspy", extra="dspy", purpose="`dspy_lm`")
    if place.base_url:
        settings["api_base"] = place.base_url
        settings["api_key"] = api_key or place.load_key() or _NO_KEY
    elif api_key is not None:
        settings["api_key"] = api_key
    if seed is not None:
        settings["seed"] = seed
    if signature is not None:
        settings["response_format"] = _response_format(signature)
    if place.base_url:
        settings.setdefault("engine", "lm15")  # LiteLLM would not pass the schema on
    prefix = _DSPY_PREFIXES.get(place.provider, place.provider)
    make = framework.LM
    if isinstance(place, LocalEndpoint):
        make = _schema_lm_type() if place.is_served else _replayed_lm_type()
    made: dspy.LM = make(
        f"{prefix}/{place.model}",
        temperature=0.0 if embedded and temperature is None else temperature,
        max_tokens=_EMBEDDED_MAX_TOKENS if embedded and max_tokens is None else max_tokens,
        **{"cache": False, "num_retries": 0, **settings},
    )
    return made


@cache
def _schema_lm_type() -> Any:
    """Make the `dspy.LM` subclass that says its server takes JSON schemas; DSPy can't know it."""
    base = require("dspy", extra="dspy", purpose="`dspy_lm`").LM
    return type(
        "EmbeddedLM",
        (base,),
        {
            "__module__": __name__,
            "__doc__": "A `dspy.LM` for a server that constrains answers to any JSON schema.",
            "supports_response_schema": property(lambda _self: True),
            "supported_params": property(
                lambda _self: {"temperature", "max_tokens", "top_p", "seed", "response_format"}
            ),
        },
    )


@cache
def _replayed_lm_type() -> Any:
    """Make the same for where no server runs: what a cassette has no answer to is an error."""

    def ask(*_: Any, **__: Any) -> Any:
        raise UsageError(_NO_SERVER)

    async def ask_async(*_: Any, **__: Any) -> Any:
        raise UsageError(_NO_SERVER)

    # `forward` behind a cassette, which takes the place of calls; calls where there is none.
    methods = {"forward": ask, "aforward": ask_async, "__call__": ask, "acall": ask_async}
    return type("EmbeddedLM", (_schema_lm_type(),), {"__module__": __name__, **methods})


def _response_format(signature: type[Any]) -> dict[str, Any]:
    """Return the outputs of a DSPy signature as the `response_format` of the OpenAI protocol."""
    create_model = require("pydantic", extra="dspy", purpose="`dspy_lm`").create_model
    outputs = {name: (field.annotation, ...) for name, field in signature.output_fields.items()}
    schema = create_model(signature.__name__, **outputs).model_json_schema()
    schema["additionalProperties"] = False
    return {
        "type": "json_schema",
        "json_schema": {"name": signature.__name__, "schema": schema, "strict": True},
    }


def pydantic_ai_model(
    endpoint: Endpoint | str | None = None,
    *,
    api_key: str | None = None,
    temperature: float | None = None,
    max_tokens: int | None = None,
    seed: int | None = None,
) -> "Model":
    """Make a Pydantic AI model for an endpoint. It does not retry requests.

    With the embedded model an `output_type` becomes a JSON schema that the server enforces
    (`NativeOutput`); it is too small to call tools.

    Args:
        endpoint: What `local_model()` gave, or a model as `resolve_endpoint` takes it.
        api_key: A key, instead of the one in the environment.
        temperature: By default 0 for the embedded model, else the provider's default.
        max_tokens: Most tokens of an answer; by default 512 for the embedded model.
        seed: For sampling, if the temperature is not 0.

    Raises:
        MissingExtraError: The extra `ai` is not installed.
        UsageError: No model was chosen, its key is missing, or its provider's client is.
    """
    place = resolve_endpoint(endpoint)
    if isinstance(place, LocalEndpoint):
        _keep_loopback_direct()
        temperature = 0.0 if temperature is None else temperature
        max_tokens = _EMBEDDED_MAX_TOKENS if max_tokens is None else max_tokens
    settings: ModelSettings = {}
    if temperature is not None:
        settings["temperature"] = temperature
    if max_tokens is not None:
        settings["max_tokens"] = max_tokens
    if seed is not None:
        settings["seed"] = seed
    require("pydantic_ai", extra="ai", purpose="`pydantic_ai_model`")
    if isinstance(place, LocalEndpoint) and not place.is_served:
        return _replayed_model(_openai_model(place, None, settings))
    if place.provider == "openai":
        return _openai_model(place, api_key or place.load_key(), settings)
    return _other_model(place, api_key or place.load_key(), settings)


def _openai_model(place: Endpoint, key: str | None, settings: "ModelSettings") -> "Model":
    require("openai", extra="ai", purpose="`pydantic_ai_model`")
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.profiles import ModelProfile
    from pydantic_ai.providers.openai import OpenAIProvider

    if place.base_url:
        provider = OpenAIProvider(base_url=place.base_url, api_key=key or _NO_KEY)
    else:
        provider = OpenAIProvider(api_key=key)
    # Set on the provider's own client rather than passing one: the provider renews its connections
    # when another event loop uses the model, and closes them with the agent.
    provider.client.max_retries = 0
    profile: ModelProfile | None = None
    if isinstance(place, LocalEndpoint):
        profile = {"supports_json_schema_output": True, "default_structured_output_mode": "native"}
    return OpenAIChatModel(place.model, provider=provider, profile=profile, settings=settings)


def _replayed_model(model: "Model") -> "Model":
    """Put in front of a model without a server what says so, behind a cassette that has answers."""
    from pydantic_ai.models.wrapper import WrapperModel

    class Unserved(WrapperModel):
        async def request(self, *_: Any, **__: Any) -> Any:
            raise UsageError(_NO_SERVER)

        @asynccontextmanager
        async def request_stream(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
            yield await self.request()

    return Unserved(model)


def _other_model(place: Endpoint, key: str | None, settings: "ModelSettings") -> "Model":
    from pydantic_ai.models import infer_model
    from pydantic_ai.providers import infer_provider_class

    make: Any  # each provider has classes of its own, with these arguments in common
    try:
        make = infer_provider_class(place.provider)
        provider = make(api_key=key)
        make = type(infer_model(f"{place.provider}:{place.model}", lambda _name: provider))
    except ImportError as error:  # its message names the package to install
        raise UsageError(str(error)) from error
    if hasattr(provider.client, "max_retries"):  # as OpenAI's, Anthropic's and Groq's clients have
        provider.client.max_retries = 0
    model: Model = make(place.model, provider=provider, settings=settings)
    return model


def _keep_loopback_direct() -> None:
    """Except loopback from the proxies of the environment, which can't reach this machine's own.

    In the environment, because DSPy's connections can be told in no other way; and a proxy for
    127.0.0.1 is never what anybody means.
    """
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host.strip()]
        if getproxies_environment() and not {"127.0.0.1", "*"} & {host.strip() for host in hosts}:
            os.environ[name] = ",".join([*hosts, "127.0.0.1"])
