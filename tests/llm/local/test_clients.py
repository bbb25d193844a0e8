"""Both frameworks against the running model, and what their clients send."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.exceptions import ModelHTTPError

from lift_sys.errors import UsageError
from lift_sys.llm.local import Endpoint, LocalEndpoint, dspy_lm, pydantic_ai_model

SECRET = "sk-do-not-send"
Family = Literal["permissive", "copyleft", "proprietary"]


class Licence(BaseModel):
    """What a licence is."""

    family: Family


class NameFamily(dspy.Signature):
    """Name the licence family of a text."""

    text: str = dspy.InputField()
    family: Family = dspy.OutputField()


@pytest.fixture
def refusing() -> Iterator[tuple[Endpoint, list[str]]]:
    """A server that answers 500, and the `Authorization` header of each request that it got."""
    seen: list[str] = []

    class Refuse(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_error(500)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        yield (
            LocalEndpoint(model="m", base_url=url, pid=0, parallel=1, context_tokens=1),
            seen,
        )
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("output", [Licence, NativeOutput(Licence)])
async def test_pydantic_ai_gets_typed_output(endpoint: LocalEndpoint, output: Any) -> None:
    """The schema is enforced by the server, asked for by name or not; usage is counted."""
    async with Agent(pydantic_ai_model(endpoint), output_type=output) as agent:
        result = await agent.run("Which family is the MIT licence?")

    assert isinstance(result.output, Licence)
    assert result.usage.output_tokens > 0


@pytest.mark.slow
@pytest.mark.parametrize("module", [dspy.Predict, dspy.ChainOfThought])
async def test_dspy_gets_the_outputs_of_any_module(endpoint: LocalEndpoint, module: Any) -> None:
    """One LM serves every signature: the outputs that a module adds are in the schema too."""
    lm = dspy_lm(endpoint)
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        answer = await module(NameFamily).acall(text="Permission is hereby granted, free of charge")

    assert answer.family in {"permissive", "copyleft", "proprietary"}
    assert ("reasoning" in answer) == (module is dspy.ChainOfThought)
    assert len(lm.history) == 1
    await lm.aclose()


@pytest.mark.slow
async def test_a_fixed_signature_constrains_a_plain_question(endpoint: LocalEndpoint) -> None:
    """With `signature=` even a call without an adapter answers in its schema."""
    lm = dspy_lm(endpoint, signature=NameFamily)

    (text,) = await lm.acall("Which family is the MIT licence?")

    assert Licence.model_validate_json(text).family
    await lm.aclose()


async def test_pydantic_ai_neither_retries_nor_sends_the_users_key(
    refusing: tuple[Endpoint, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request, one error; a key meant for another server stays here."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    place, seen = refusing

    async with Agent(pydantic_ai_model(place)) as agent:
        with pytest.raises(ModelHTTPError, match="500"):
            await agent.run("Hello")

    assert seen == ["Bearer none"]


async def test_dspy_neither_retries_nor_sends_the_users_key(
    refusing: tuple[Endpoint, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request, one error; a key meant for another server stays here."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    place, seen = refusing
    lm = dspy_lm(place)

    with pytest.raises(dspy.LMError):
        await lm.acall("Hello")

    assert seen == ["Bearer none"]
    await lm.aclose()


@pytest.mark.slow
async def test_a_proxy_is_not_asked_for_loopback(
    endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a company's proxy the embedded model still answers, in both frameworks."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "intranet.example")
    lm = dspy_lm(endpoint, max_tokens=4)

    async with Agent(pydantic_ai_model(endpoint, max_tokens=4)) as agent:
        assert (await agent.run("Hello")).output
    assert await lm.acall("Hello")
    await lm.aclose()


def test_other_providers_get_their_settings_and_no_secret_in_the_repr(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model of the environment is made ready, without a request, and shows no key."""
    monkeypatch.setenv("LIFT_MODEL", "openai:gpt-x")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)

    model, lm = pydantic_ai_model(temperature=0.5, seed=7), dspy_lm(temperature=0.5, seed=7)

    assert (model.model_name, lm.model) == ("gpt-x", "openai/gpt-x")
    assert model.settings == {"temperature": 0.5, "seed": 7}
    assert (lm.kwargs["temperature"], lm.kwargs["seed"], lm.num_retries) == (0.5, 7, 0)
    assert SECRET not in repr(model) + repr(lm) + repr(lm.kwargs)


def test_a_provider_with_a_client_of_its_own_gets_the_same_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Any provider that Pydantic AI knows is set up alike, without retries."""
    monkeypatch.setenv("DEEPSEEK_API_KEY", SECRET)

    model: Any = pydantic_ai_model("deepseek:deepseek-chat", max_tokens=5)

    assert (model.system, model.settings) == ("deepseek", {"max_tokens": 5})
    assert (model.client.api_key, model.client.max_retries) == (SECRET, 0)


@pytest.mark.skipif(find_spec("anthropic") is not None, reason="its client is installed")
def test_a_provider_whose_client_is_missing_says_what_to_install() -> None:
    """The package to install is in the message, which is no traceback of an import."""
    with pytest.raises(UsageError, match="anthropic"):
        pydantic_ai_model(Endpoint(model="claude-x", provider="anthropic"), api_key=SECRET)
