"""Keep the frameworks off the network and out of the home folder."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def quiet_frameworks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """DSPy reads these when it is first imported: no price map, no cache in the home folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        patch.setenv("DSPY_CACHEDIR", str(tmp_path_factory.mktemp("dspy")))
        yield
