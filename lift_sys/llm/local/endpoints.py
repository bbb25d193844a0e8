"""Which model to ask, and where: the embedded one, or any other by environment variables.

The embedded model by its name, without a server, stands for the one whose answers a cassette has.

Before editing: an endpoint never holds a key, only the name of the variable that does, so that no
repr, log, pickle or traceback can show one.
"""

import os
from dataclasses import dataclass
from types import MappingProxyType

from lift_sys.errors import UsageError
from lift_sys.llm.local.weights import MODEL_NAME

__all__ = ["Endpoint", "LocalEndpoint", "resolve_endpoint", "unserved"]

MODEL_VARIABLE = "LIFT_MODEL"
BASE_URL_VARIABLE = "LIFT_BASE_URL"

# Provider, as written before the colon in LIFT_MODEL, and the variables that hold its key in the
# order of preference (docs of the providers' own Python clients; read November 2026).
_KEY_VARIABLES = MappingProxyType(
    {
        "anthropic": ("ANTHROPIC_API_KEY",),
        "deepseek": ("DEEPSEEK_API_KEY",),
        "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        "groq": ("GROQ_API_KEY",),
        "mistral": ("MISTRAL_API_KEY",),
        "openai": ("OPENAI_API_KEY",),
        "openrouter": ("OPENROUTER_API_KEY",),
        "xai": ("XAI_API_KEY",),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model and the place that serves it.

    Attributes:
        model: Name of the model, as the server knows it.
        base_url: Address of an OpenAI-compatible server, with its `/v1`; empty for the provider's
            own address.
        provider: Whose protocol and key: "openai" (also for every server with a `base_url`),
            "anthropic", "google", ...
        key_variable: Environment variable that holds the key; empty if none is needed.
    """

    model: str
    base_url: str = ""
    provider: str = "openai"
    key_variable: str = ""

    def load_key(self) -> str | None:
        """Read the key from the environment, now; None if there is none."""
        return (os.environ.get(self.key_variable) or None) if self.key_variable else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEndpoint(Endpoint):
    """The embedded model, while its server runs.

    Attributes:
        pid: The child process that is the server.
        parallel: Requests that it answers at the same time; more wait their turn.
        context_tokens: What one request may use, prompt and answer together.
        is_served: False where there is no server, and a cassette has to answer; then the other
            three are 0.
    """

    pid: int
    parallel: int
    context_tokens: int
    is_served: bool = True


def unserved(model: str = MODEL_NAME) -> LocalEndpoint:
    """The embedded model where no server runs: its clients can only replay."""
    # Port 9 discards what it gets: for clients of the user's own behind a cassette's transport.
    return LocalEndpoint(
        model=model,
        base_url="http://127.0.0.1:9/v1",
        pid=0,
        parallel=0,
        context_tokens=0,
        is_served=False,
    )


def resolve_endpoint(endpoint: Endpoint | str | None = None) -> Endpoint:
    """Return the endpoint to use: the one given, or else what the environment says.

    `LIFT_MODEL` is `provider:model` ("openai:gpt-5-mini", "anthropic:claude-haiku-4-5"); without a
    provider it is OpenAI's. With `LIFT_BASE_URL` the model stands on an OpenAI-compatible server
    there, all of `LIFT_MODEL` (less a leading "openai:") is its name, and `OPENAI_API_KEY`, if set,
    is sent to it. "smollm2-135m-instruct" is the embedded model without its server, for replay.

    Args:
        endpoint: An endpoint, returned as it is; or a model as `LIFT_MODEL` has it.

    Raises:
        UsageError: No model was chosen, or its provider's key variable is not set.
    """
    if isinstance(endpoint, Endpoint):
        return endpoint
    model = endpoint or os.environ.get(MODEL_VARIABLE, "")
    base_url = os.environ.get(BASE_URL_VARIABLE, "").rstrip("/")
    if not model:
        where = f"at {base_url} " if base_url else ""
        raise UsageError(
            f"No model {where}was chosen. Set {MODEL_VARIABLE} (for instance to "
            f"'openai:gpt-5-mini'), or pass the endpoint of the embedded model: "
            f"`async with local_model() as endpoint`."
        )
    if base_url:
        name = model.removeprefix("openai:")
        return Endpoint(model=name, base_url=base_url, key_variable=_key_variable("openai"))
    if model == MODEL_NAME:
        return unserved()
    provider, name = model.split(":", 1) if ":" in model else ("openai", model)
    # "openai/gpt-x" is how DSPy spells it; OpenAI itself would only say that it has no such model.
    if provider not in _KEY_VARIABLES or not name or name.partition("/")[0] == provider:
        known = ", ".join(_KEY_VARIABLES)
        raise UsageError(
            f"The model {model!r} is not `provider:model` with a provider that we know: {known}. "
            f"For any other server set {BASE_URL_VARIABLE} to its OpenAI-compatible address."
        )
    found = Endpoint(model=name, provider=provider, key_variable=_key_variable(provider))
    if found.load_key() is None:
        variables = " or ".join(_KEY_VARIABLES[provider])
        raise UsageError(f"The model {model!r} needs a key: set {variables}.")
    return found


def _key_variable(provider: str) -> str:
    """Return the first of the provider's variables that is set, or else its usual one."""
    variables = _KEY_VARIABLES[provider]
    return next((name for name in variables if os.environ.get(name)), variables[0])
