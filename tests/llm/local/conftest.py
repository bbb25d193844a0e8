"""Keep these tests off the network and out of the home folder."""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lift_sys.llm.local import LocalEndpoint, local_model

# DSPy reads these when a test module imports it, before any fixture runs: no price map from the
# network, no cache in the home folder.
_dspy_cache = tempfile.TemporaryDirectory(prefix="dspy-")
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["DSPY_CACHEDIR"] = _dspy_cache.name


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No model chosen, no key, and an empty user cache; gives the cache's folder."""
    for name in ("LIFT_MODEL", "LIFT_BASE_URL", "LIFT_MODEL_PATH", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lift_sys"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LocalEndpoint]:
    """One running embedded model for a whole module of tests."""
    with asyncio.Runner() as runner:
        context = local_model()
        yield runner.run(context.__aenter__())
        runner.run(context.__aexit__(None, None, None))
