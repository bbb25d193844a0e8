"""What tells two requests apart: all that is asked, secrets included, but not who asks."""

import json
from typing import Any

import httpx
import pytest

from lift_sys.llm.cassette import Cassette

URL = "http://127.0.0.1:9/ask"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def ask(cassette: Cassette, answer: Any = None, *, url: str = URL, **sent: Any) -> Any:
    """Ask a service that answers with `answer`."""
    transport = cassette.transport(httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))
    with httpx.Client(transport=transport) as client:
        return client.post(url, **sent).json()


@pytest.mark.parametrize(
    ("one", "other"),
    [("text/plain", "text/html"), ("text/plain", None), ("application/json", "application/x+json")],
)
def test_content_type_of_a_request_tells_it_apart(path, one, other):
    """The same bytes can mean another thing."""
    body = json.dumps("x").encode()
    with Cassette(path).use() as cassette:
        for kind in (one, other):
            headers = {"content-type": kind} if kind else {}
            ask(cassette, str(kind), content=body, headers=headers)

    with Cassette(path, "replay").use() as cassette:
        for kind in (other, one):
            headers = {"content-type": kind} if kind else {}
            assert ask(cassette, content=body, headers=headers) == str(kind)
