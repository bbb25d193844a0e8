"""Choosing a model by argument and environment."""

import pytest

from lift_sys.errors import UsageError
from lift_sys.llm.local import Endpoint, resolve_endpoint

SECRET = "sk-do-not-show"


def test_explicit_endpoint_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is passed is used as it is, whatever the environment says."""
    monkeypatch.setenv("LIFT_MODEL", "openai:another")
    mine = Endpoint(model="mine", base_url="http://127.0.0.1:1/v1")

    assert resolve_endpoint(mine) is mine


@pytest.mark.parametrize(
    ("model", "variable", "expected"),
    [
        ("openai:gpt-x", "OPENAI_API_KEY", ("openai", "gpt-x")),
        ("gpt-x", "OPENAI_API_KEY", ("openai", "gpt-x")),
        ("anthropic:claude-x", "ANTHROPIC_API_KEY", ("anthropic", "claude-x")),
        ("google:gemini-x", "GOOGLE_API_KEY", ("google", "gemini-x")),
    ],
)
def test_provider_model_and_key_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, model: str, variable: str, expected: tuple[str, str]
) -> None:
    """`LIFT_MODEL` names provider and model; the key is found and never shown."""
    monkeypatch.setenv("LIFT_MODEL", model)
    monkeypatch.setenv(variable, SECRET)

    found = resolve_endpoint()

    assert (found.provider, found.model) == expected
    assert found.load_key() == SECRET
    assert SECRET not in repr(found)


def test_base_url_makes_any_name_an_openai_compatible_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Colons and slashes belong to the name then, and no key is needed."""
    monkeypatch.setenv("LIFT_BASE_URL", "http://127.0.0.1:11434/v1/")
    monkeypatch.setenv("LIFT_MODEL", "qwen/qwen3:8b")

    found = resolve_endpoint()

    assert (found.provider, found.model) == ("openai", "qwen/qwen3:8b")
    assert found.base_url == "http://127.0.0.1:11434/v1"
    assert found.load_key() is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("", "No model was chosen"),
        ("openai:gpt-x", "set OPENAI_API_KEY"),
        ("google:gemini-x", "set GEMINI_API_KEY or GOOGLE_API_KEY"),
        ("nobody:model", "'nobody:model' is not `provider:model`"),
        ("openai:", "is not `provider:model`"),
        ("openai/gpt-x", "is not `provider:model`"),
    ],
)
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, model: str, message: str) -> None:
    """No model, no key, an unknown provider: each one sentence with the remedy."""
    monkeypatch.setenv("LIFT_MODEL", model)

    with pytest.raises(UsageError, match=message):
        resolve_endpoint()
