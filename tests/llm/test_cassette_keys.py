"""What tells two requests apart: all that is asked, secrets included, but not who asks."""

import json
import re
from base64 import b64encode
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_sys.errors import CassetteMissError
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.cassette.entry import digest_of
from lift_sys.llm.cassette.scrub import Scrubber

URL = "http://127.0.0.1:9/ask"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def ask(cassette: Cassette, answer: Any = None, *, url: str = URL, **sent: Any) -> Any:
    """Ask a service that answers with `answer`."""
    transport = cassette.transport(httpx.MockTransport(lambda _: httpx.Response(200, json=answer)))
    with httpx.Client(transport=transport) as client:
        return client.post(url, **sent).json()


def prompt(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


# Prompts that differ only in what is, or looks like, a secret.
KEY = "Zx9" * 12
PAIRS = [
    ("Explain sk-learn-random-forest", "Explain sk-learn-gradient-boosting"),
    ("Rewrite: password=one", "Rewrite: password=two"),
    ('Translate {"password": "open"}', 'Translate {"password": "closed"}'),
    ("Fetch https://x.test/?key=alpha", "Fetch https://x.test/?key=beta"),
    ("Fetch https://x.test/?api_key=alpha1", "Fetch https://x.test/?api_key=beta22"),
    ("What is hf_hub_download_files?", "What is hf_transfer_enable_all?"),
    (f"Is sk-proj-{KEY} a key?", f"Is sk-proj-{KEY}1 a key?"),
    ("Is AKIAABCDEFGHIJKLMNOP one?", "Is AKIAABCDEFGHIJKLMNOQ one?"),
    ("Connect to db://ann:one@host", "Connect to db://ann:two@host"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_prompts_that_differ_in_what_looks_secret_get_their_own_answers(path, pair):
    """However late each is asked, and if only one of them was recorded the other is missing."""
    one, other = pair
    with Cassette(path).use() as cassette:
        ask(cassette, "one", json=prompt(one))
        ask(cassette, "other", json=prompt(other))
        ask(cassette, "text", content=one)

    with Cassette(path, "replay").use() as cassette:
        assert ask(cassette, json=prompt(other)) == "other"
        assert ask(cassette, json=prompt(one)) == "one"
        with pytest.raises(CassetteMissError):
            ask(cassette, content=other)


secretive = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"sk-[a-z0-9-]{16,24}", fullmatch=True),
    st.from_regex(r"(hf|gsk)_[a-zA-Z0-9]{16,34}", fullmatch=True),
    st.from_regex(r'("password": |api_key=|token=)"?[a-c1]{1,3}"?', fullmatch=True),
    st.from_regex(r"https://[ab]:[ab/:]{1,3}@host/\?key=[a-c1]{1,3}", fullmatch=True),
)
SCRUBBER = Scrubber(["customer-[0-9]"], salt="00" * 16)


@given(secretive, secretive, st.sampled_from(["content", "password", "credentials", "args"]))
@settings(deadline=None)
def test_different_requests_never_share_a_key(one, other, field):
    """Of both frameworks and of HTTP, whatever the field."""
    for client in ("pydantic_ai", "http"):
        digests = []
        for text in (one, other):
            body = {"messages": [{field: text}], "nested": {field: [text]}, "text": text}
            asked = {"method": "POST", "url": URL, "json": body} if client == "http" else body
            scrubbed = SCRUBBER.scrub_asked(client, asked)
            assert SCRUBBER.scrub_asked(client, scrubbed) == scrubbed
            digests.append(digest_of(client, scrubbed))

        assert (digests[0] == digests[1]) == (one == other)


def test_another_key_makes_no_other_request(path):
    """Who records has a key, who replays another one, or none that is valid."""

    def play(mode: Any, key: str) -> Cassette:
        with Cassette(path, mode).use() as cassette:
            ask(cassette, 1, headers={"authorization": f"Bearer {key}"}, json=prompt(f"a {key}"))
            ask(cassette, 2, headers={"x-api-key": key}, json=prompt("b"))
            ask(cassette, 3, url=f"{URL}?key={key}&page=2", json=prompt("c"))
            ask(cassette, 4, url=f"http://ann:{key}@127.0.0.1:9/ask", json=prompt("d"))
            ask(cassette, 5, json={"api_key": key, "query": "e"})
            ask(cassette, 6, data={"client_secret": key, "grant_type": "client_credentials"})
        return cassette

    play("record", KEY)

    assert play("replay", "test-key").hits == 6
    assert KEY not in path.read_text()


def test_key_of_the_environment_makes_no_other_request(path, monkeypatch):
    """Also where it stands in a text."""
    for mode, key in (("record", KEY), ("replay", "another-key-2")):
        monkeypatch.setenv("SOME_API_KEY", key)
        with Cassette(path, mode).use() as cassette:
            ask(cassette, 1, json=prompt(f"with {key}"))
    assert cassette.hits == 1


def test_what_was_masked_in_an_answer_is_found_when_it_is_sent_on(path):
    """A replay has the mask where the recording had the secret."""
    for mode in ("record", "replay"):
        with Cassette(path, mode).use() as cassette:
            said = ask(cassette, {"access_token": f"{KEY}7", "text": f"sk-{KEY}"}, json="log in")
            ask(cassette, 1, json=prompt(f"Use {said['text']} and {said['access_token']}"))
            ask(cassette, 2, json={"pwd": said["text"]}, headers={"x-api-key": said["text"]})
            ask(cassette, 3, json=prompt(f"Use {said['text']}"))
    assert cassette.hits == 4
    assert KEY not in path.read_text()


def test_masks_of_two_cassettes_have_nothing_in_common(tmp_path):
    """One list of usual passwords does not serve for all files; each keeps its own salt."""
    masks = []
    for number in (1, 2, 2):
        path = tmp_path / f"{number}.jsonl"
        with Cassette(path, "record").use() as cassette:
            ask(cassette, 1, json=prompt("password=one"))
        masks.append(re.findall(r"\[scrubbed-[0-9a-f]{16}\]", path.read_text()))

    assert masks[0] != masks[1] == masks[2]


def test_sessions_that_begin_a_file_together_have_one_salt(path):
    """What both have recorded is found by a third."""
    with Cassette(path).use() as one, Cassette(path).use() as other:
        ask(one, "one", json=prompt("password=one"))
        ask(other, "two", json=prompt("password=two"))

    with Cassette(path, "replay").use() as cassette:
        assert ask(cassette, json=prompt("password=two")) == "two"
        assert ask(cassette, json=prompt("password=one")) == "one"


def test_recording_in_memory_is_replayed_by_another_cassette():
    """It takes the salt along."""
    recorded = Cassette.memory()
    ask(recorded, "one", json=prompt("password=one"))

    assert ask(recorded.replaying(), json=prompt("password=one")) == "one"


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


FILES = [b"hello", b"\r\n--not-the-boundary\r\n", bytes(range(256)), b""]


@pytest.mark.parametrize("content", FILES)
def test_a_form_in_parts_is_known_by_its_parts(path, content):
    """Their boundary is drawn anew for each request; a key among the fields proves who asks."""

    def sent(key: str, more: bytes = b"") -> dict[str, Any]:
        return {"files": {"file": ("a.bin", content + more)}, "data": {"api_key": key, "use": "x"}}

    with Cassette(path).use() as cassette:
        assert ask(cassette, "one", **sent("first-key-4711")) == "one"
        assert ask(cassette, "two", **sent("first-key-4711", b".")) == "two"
    assert "first-key-4711" not in path.read_text()

    with Cassette(path, "replay").use() as cassette:
        assert ask(cassette, **sent("another-key-4712", b".")) == "two"
        assert ask(cassette, **sent("another-key-4712")) == "one"
        with pytest.raises(CassetteMissError, match="form"):
            ask(cassette, **sent("first-key-4711", b".."))


def test_a_key_that_is_sent_is_taken_out_of_files_too(path):
    key = "first-key-4711"
    content = b"\xff" + key.encode() + b"\xff"
    with Cassette(path).use() as cassette:
        ask(cassette, "one", files={"file": content}, headers={"api-key": key})

    assert b64encode(content).decode() not in path.read_text()
