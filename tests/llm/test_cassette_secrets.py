"""Secrets never reach the file of a cassette, and what only looks like one is left as it is."""

import base64
import json
import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_sys.errors import CassetteMissError
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.cassette.file import read
from lift_sys.llm.cassette.journal import journal_path
from lift_sys.llm.cassette.scrub import Scrubber
from lift_sys.llm.cassette.shapes import is_secret_name

URL = "http://127.0.0.1:9/ask"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def ask(
    cassette: Cassette, answer: Any = None, *, url: str = URL, headers: Any = None, **sent: Any
) -> httpx.Response:
    """Ask a service that answers with JSON, or with the response that it is given."""

    def respond(request: httpx.Request) -> httpx.Response:
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)

    transport = cassette.transport(httpx.MockTransport(respond))
    with httpx.Client(transport=transport, headers=headers) as client:
        return client.post(url, **sent)


# --- nothing gets in ------------------------------------------------------------------------------


BODY = st.text(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=32, max_size=40
)
secrets = st.one_of(
    BODY.map(lambda body: f"sk-proj-{body}"),
    BODY.map(lambda body: f"sk-ant-api03-{body}"),
    BODY.map(lambda body: f"gsk_{body}"),
    BODY.map(lambda body: f"ghp_{body}"),
    BODY.map(lambda body: f"hf_{body}"),
    BODY.map(lambda body: f"AIza{body}"),
    BODY.map(lambda body: f"eyJ{body}.{body}.{body}"),
    BODY.map(lambda body: f"AKIA{body[:16].upper()}"),
    BODY,  # of no known shape: known as the key that was sent
)
around = st.text(
    st.characters(exclude_categories=["L", "N", "Cs"], exclude_characters="_-"), max_size=5
)


@given(secrets, around, around, st.sampled_from(["key", "api_key", "access_token"]))
def test_no_secret_is_ever_in_a_file(tmp_path_factory, secret, before, after, parameter):
    """Not from a header, a query, a body, an address, an answer or an error."""
    path = tmp_path_factory.mktemp("secret") / "calls.jsonl"
    text = f"{before}{secret}{after}"

    def respond(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/fail":
            raise httpx.ConnectError(f"no {text}")
        headers = {"set-cookie": secret, "x-echo": secret}
        return httpx.Response(200, json={"echo": text, "list": [text]}, headers=headers)

    with Cassette(path).use() as cassette:
        transport = cassette.transport(httpx.MockTransport(respond))
        with httpx.Client(transport=transport, headers={"x-api-key": secret}) as client:
            for name in ("authorization", "x-goog-api-key"):
                client.post(
                    f"http://user:{secret}@127.0.0.1:9/ask?{parameter}={secret}",
                    headers={name: f"Bearer {secret}" if name == "authorization" else secret},
                    json={"api_key": secret, "messages": [{"content": text}], text: 1},
                )
            with pytest.raises(httpx.ConnectError):
                client.post("http://127.0.0.1:9/fail", json={"password": "short"})

    raw = path.read_text() + repr(cassette)
    assert secret not in raw
    assert "short" not in raw
    assert "[scrubbed" in raw


# Where a secret may stand: each has its name, what is sent, and what is answered.
PLACES: dict[str, Callable[[str], tuple[dict[str, Any], Any]]] = {
    "token of an answer": lambda s: ({}, {"access_token": s, "token_type": "bearer"}),
    "refresh token": lambda s: ({}, {"data": [{"refresh_token": s}]}),
    "client secret": lambda s: ({}, {"client": {"client_secret": s}}),
    "password": lambda s: ({}, {"user": "ann", "db_password": s}),
    "key with a prefix": lambda s: ({}, {"OPENAI_API_KEY": s, "openai-api-key": [s]}),
    "authorization": lambda s: ({}, {"headers": {"Authorization": f"Basic {s}"}}),
    "JSON that says it is text": lambda s: (
        {"content": json.dumps({"api_key": s}), "headers": {"content-type": "text/plain"}},
        httpx.Response(200, text=json.dumps({"id_token": s})),
    ),
    "JSON in a text of JSON": lambda s: ({"json": {"text": json.dumps({"password": s})}}, None),
    "JSON that is broken": lambda s: ({}, httpx.Response(200, text=f'{{"api_key": "{s}", ')),
    "form": lambda s: (
        {"data": {"grant_type": "password", "password": s}},
        httpx.Response(200, text=f"access_token={s}&scope=all"),
    ),
    "bearer that is echoed": lambda s: (
        {"headers": {"authorization": f"Bearer {s}"}, "json": {"said": f"with {s}"}},
        {"echo": [f"sent {s}"], s: 1},
    ),
    "key that is echoed": lambda s: ({"headers": {"api-key": s}}, httpx.Response(200, text=s)),
    "key of an unusual header": lambda s: (
        {"headers": {"x-custom-auth": f"Bearer {s}"}},
        httpx.Response(401, text=f"unknown: {s}"),
    ),
    "query that is echoed": lambda s: ({"params": {"key": s}}, {"next": f"/ask?page=2#{s}"}),
    "query that is encoded": lambda s: ({"params": {"sig": s}}, {"next": f"/{quote(s, safe='')}"}),
    "password of the URL": lambda s: ({"url": f"http://ann:{s}@127.0.0.1:9/ask"}, {"echo": s}),
    "field that is echoed": lambda s: ({"json": {"options": {"api_key": s}}}, {"echo": s}),
    "stream": lambda s: (
        {"headers": {"authorization": f"Bearer {s}"}},
        httpx.Response(
            200,
            text=f'event: a\ndata: {{"text": "{s}"}}\n\ndata: is {s}\n\n',
            headers={"content-type": "text/event-stream"},
        ),
    ),
    "bytes": lambda s: (
        {"headers": {"authorization": f"Bearer {s}"}},
        httpx.Response(200, content=b"\xff" + s.encode() + b"\x00"),
    ),
}
random_secrets = BODY.map(lambda text: f"{text}7")


@pytest.mark.parametrize("place", PLACES)
@given(secret=random_secrets)
@settings(max_examples=10)
def test_secret_is_taken_out_wherever_it_stands(tmp_path_factory, place, secret):
    """A random one, of no known shape: by its name, or because it was sent as a key."""
    path = tmp_path_factory.mktemp("secret") / "calls.jsonl"
    sent, answer = PLACES[place](secret)
    with Cassette(path).use() as cassette:
        got = ask(cassette, answer, **sent)
        assert secret not in journal_path(path).read_text()

    assert secret not in path.read_text()
    assert secret not in "".join(map(base64_text, read(path)))
    assert "[scrubbed" in path.read_text() or place == "bytes"
    assert got.status_code in (200, 401)


def base64_text(entry: Any) -> str:
    return base64.b64decode(entry.answer.get("base64", "")).decode("latin-1")


@given(random_secrets)
@settings(max_examples=10)
def test_secret_of_an_answer_is_one_from_then_on_and_before(tmp_path_factory, secret):
    """What a service has given out comes back in later calls, and may have stood in earlier ones."""
    path = tmp_path_factory.mktemp("secret") / "calls.jsonl"
    with Cassette(path).use() as cassette:
        ask(cassette, {"echo": secret}, json={"text": f"early {secret}"})
        token = ask(cassette, {"access_token": secret}).json()["access_token"]
        ask(cassette, {"echo": secret}, json={"text": f"late {secret}"})

    assert token == secret
    assert secret not in path.read_text()


@given(random_secrets)
@settings(max_examples=3)
def test_replay_finds_what_was_asked_with_a_secret(tmp_path_factory, secret):
    """Nothing that is scrubbed makes a difference between the two."""
    path = tmp_path_factory.mktemp("secret") / "calls.jsonl"
    for place in PLACES:
        path.unlink(missing_ok=True)
        for mode in ("record", "replay"):
            sent, answer = PLACES[place](secret)
            with Cassette(path, mode).use() as cassette:
                ask(cassette, answer, **sent)
        assert cassette.hits == 1, place


def test_keys_of_the_environment_and_patterns_of_ones_own_are_scrubbed(path, monkeypatch):
    """Also where they stand in a text, whatever they look like, and if they were set meanwhile."""
    monkeypatch.setenv("MY_SERVICE_API_KEY", "plain-but-secret-1")
    with Cassette(path, scrub=[r"customer-\d+"]).use() as cassette:
        ask(cassette, "for customer-4711", json="plain-but-secret-1 of customer-12")
        ask(cassette, "set-later-2", json="later")
        monkeypatch.setenv("MY_OTHER_API_KEY", "set-later-2")

    text = path.read_text()
    assert "plain-but" not in text
    assert "4711" not in text
    assert "set-later" not in text
    assert re.search(r"\[scrubbed\] of \[scrubbed-[0-9a-f]{16}\]", text)


ALPHANUMERIC = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def drawn(shape: str, chars: str = ALPHANUMERIC) -> st.SearchStrategy[str]:
    """A key of this shape, in which a run of `*` is drawn at random."""
    runs = [
        st.text(chars, min_size=len(run), max_size=len(run)).map(_mixed) if "*" in run
        else st.just(run)
        for run in re.split(r"(\*+)", shape)
    ]  # fmt: skip
    return st.tuples(*runs).map("".join)


def _mixed(run: str) -> str:
    return f"{run[:-2]}A7"


KEYS = {
    "OpenAI": drawn(f"sk-proj-{'*' * 48}"),
    "OpenAI, old": drawn(f"sk-{'*' * 48}"),
    "Anthropic": drawn(f"sk-ant-api03-{'*' * 20}_{'*' * 30}-{'*' * 41}AA"),
    "Groq": drawn(f"gsk_{'*' * 52}"),
    "Hugging Face": drawn(f"hf_{'*' * 34}"),
    "Stripe": drawn(f"sk_live_{'*' * 24}"),
    "Stripe, restricted": drawn(f"rk_live_{'*' * 24}"),
    "Slack bot": drawn(f"xoxb-123456789012-1234567890123-{'*' * 24}"),
    "Slack user": drawn(f"xoxp-1234567890-1234567890-{'*' * 32}"),
    "GitHub": drawn(f"ghp_{'*' * 36}"),
    "GitHub, user to server": drawn(f"ghu_{'*' * 36}"),
    "GitHub, server": drawn(f"ghs_{'*' * 36}"),
    "GitHub, fine-grained": drawn(f"github_pat_{'*' * 22}_{'*' * 59}"),
    "npm": drawn(f"npm_{'*' * 36}"),
    "Google OAuth": drawn(f"ya29.{'*' * 60}-{'*' * 20}"),
    "Google": drawn(f"AIza{'*' * 35}"),
    "SendGrid": drawn(f"SG.{'*' * 22}.{'*' * 43}"),
    "Tavily": drawn(f"tvly-{'*' * 32}"),
    "Tavily, dev": drawn(f"tvly-dev-{'*' * 32}"),
    "DigitalOcean": drawn(f"dop_v1_{'*' * 64}", "0123456789abcdef"),
    "AWS": drawn(f"AKIA{'*' * 16}", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "JSON Web Token": drawn(f"eyJ{'*' * 17}.eyJ{'*' * 40}.{'*' * 43}"),
    "private key": drawn(
        f"-----BEGIN RSA PRIVATE KEY-----\n{'*' * 64}\n{'*' * 30}==\n-----END RSA PRIVATE KEY-----"
    ),
    "private key, cut off": drawn(f"-----BEGIN PRIVATE KEY-----\n{'*' * 64}\n{'*' * 64}"),
}
# Where it is the text before it that tells.
TOLD = {
    "AWS secret": ("aws_secret_access_key = ", drawn(f"{'*' * 20}/{'*' * 19}")),
    "basic": (
        "Authorization: Basic ",
        st.text(ALPHANUMERIC, min_size=6).map(lambda s: base64.b64encode(f"a:{s}".encode()).decode()),
    ),
    "bearer": ("BEARER ", drawn("*" * 24)),
    "header": ('"authorization": "Bearer ', drawn("*" * 12)),
    "URL": ("postgres://ann:", drawn("pa:ss/wo*****")),
    "URL without a name": ("redis://:", drawn("********")),
    "URL with an at": ("postgres://ann:", drawn("p@ss*****")),
}  # fmt: skip


@pytest.mark.parametrize("kind", [*KEYS, *TOLD])
@given(data=st.data())
@settings(max_examples=10)
def test_keys_are_known_by_their_shapes_in_any_text(kind, data):
    """Of a prompt, and of what a model or a service has said."""
    before, key = ("", KEYS[kind]) if kind in KEYS else TOLD[kind]
    secret = data.draw(key)
    after = "@host/db" if kind.startswith("URL") else ""
    text = f"say: {before}{secret}{after}, (thanks)"
    scrubber = Scrubber(salt="00" * 16)
    for scrubbed in (
        scrubber.scrub(text),
        scrubber.scrub_request({"messages": [{"content": text}]}),
        scrubber.scrub_response({"json": {"content": [text]}}),
    ):
        assert secret not in str(scrubbed)
        assert secret[len(secret) // 2 :] not in str(scrubbed)
        assert "thanks" in str(scrubbed)


@pytest.mark.parametrize(
    "beginning",
    ["://a:", "://a:b/", "xoxb-", "-----BEGIN PRIVATE KEY-----", "sk-", "eyJ", "SG.", "Bearer ",
     "authorization: ", '"', "password=", "a", "A7", "[scrubbed"],
)  # fmt: skip
def test_no_text_takes_long(beginning):
    """In a long one that is made of beginnings of keys none of them is looked for to its end."""
    text = beginning * (200_000 // len(beginning))

    assert Scrubber().scrub(text)


@pytest.mark.parametrize(
    "name",
    ["SMTP_PASS", "SIGNING_KEY", "GPG_PASSPHRASE", "DB_PWD", "APP_SECRET_VALUE", "MY_TOKEN_2",
     "AWS_CREDENTIALS_JSON", "PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_APIKEY"],
)  # fmt: skip
def test_variables_of_the_environment_that_hold_secrets(name, monkeypatch):
    """By what providers and tools call them."""
    monkeypatch.setenv(name, "of-no-shape-1")

    assert Scrubber().scrub("is of-no-shape-1") == "is [scrubbed]"


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAX_TOKENS", "16384000"), ("TOKENIZERS_PARALLELISM", "of-no-shape-1"),
     ("PWD", "of-no-shape-1"), ("SSH_KEY", os.devnull), ("KEYBOARD", "of-no-shape-1"),
     ("SORT_KEY", "created")],
)  # fmt: skip
def test_variables_of_the_environment_that_hold_none(name, value, monkeypatch):
    """Numbers, words and files."""
    monkeypatch.setenv(name, value)

    assert Scrubber().scrub(f"is {value}") == f"is {value}"


FIELDS: list[Any] = [
    lambda s: {"token": s}, lambda s: {"bot_token": s}, lambda s: {"pwd": s}, lambda s: {"api_keys": [s, s]},
    lambda s: {"secret_value": s}, lambda s: {"secrets": {"a": s}},
    lambda s: {"credentials": {"type": "x", "inner": [{"value": s}]}},
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FIELDS)))
@given(secret=drawn("*" * 24))
@settings(max_examples=5)
def test_fields_that_hold_secrets(tmp_path_factory, number, secret):
    """Of what is sent, and of what a service answers; also nested, and in lists."""
    path = tmp_path_factory.mktemp("secret") / "calls.jsonl"
    field = FIELDS[number](secret)
    with Cassette(path).use() as cassette:
        ask(cassette, {"echo": secret}, json={"options": field})
        ask(cassette, field)

    assert secret not in path.read_text()


# --- nothing else is changed ----------------------------------------------------------------------

LOOK_ALIKES = {
    "usage": {"total_tokens": 30, "prompt_tokens": 10, "completion_tokens": 20},
    "max_tokens": 5,
    "logprobs": [{"token": "key-4711", "top_logprobs": [{"token": "sk", "bytes": [1]}]}],
    "text": 'The password=x of api_key=os.environ[\'KEY\'] is "password": "swordfish-1".',
    "message": {
        "content": '{"password": "a-poem-1", "access_token": "b-poem-2"}',
        "tool_calls": [{"arguments": '{"api_key": "c-poem-3"}', "input": {"password": "d-poem-4"}}],
    },
    "finish_reason": "stop",
    "key": "value",
    "token": "word",
    "tokens": ["a", "b"],
    "secretary": "Ann",
    "signature": "Ann",
    "password": None,
    "authorization": False,
    "next_page_token": "page-2",
    "words": [
        "sk-learn-random-forest-classifier, hf_hub_download_files, gsk_something_or_other",
        "https://x.test/?key=alpha&page=2 https://x.test:8080/npm/@scope/package@1 ann@x.test",
        "Authorization: Bearer YOUR_API_KEY, basic understanding, the bearer certificates",
        "task-management-for-everybody-2026 AKIA xoxb- npm_config_registry npm_package_version",
        "pk-something-with-many-words-2026 -----BEGIN PRIVATE KEY----- and so on",
        "0123456789abcdef0123456789abcdef01234567",
    ],
    "tool": {"properties": {"password": {"type": "string"}, "credentials": {"type": "object"}}},
    "chosen": {"token": "abcdefgh0123456789", "logprob": -0.1, "bytes": [97]},
}


@pytest.mark.parametrize("as_stream", [False, True])
def test_what_only_looks_like_a_secret_in_an_answer_stays(path, as_stream):
    """A replay has to be what was recorded: counts, tokens of a text, and a model's own words."""
    answer: Any = LOOK_ALIKES
    if as_stream:
        kind = {"content-type": "text/event-stream"}
        answer = httpx.Response(200, text=f"data: {json.dumps(LOOK_ALIKES)}\n\n", headers=kind)
    with Cassette(path).use() as cassette:
        ask(cassette, answer)
    with Cassette(path, "replay").use() as cassette:
        text = ask(cassette).text.removeprefix("data: ").strip()

    assert json.loads(text) == LOOK_ALIKES


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["text", "max_tokens", "token", "content", "arguments", "key", "id"]), inner
), max_leaves=8))  # fmt: skip
def test_any_answer_without_a_secret_is_kept_to_the_letter(answer):
    """Scrubbing has nothing to do with it."""
    recorded = {"status": 200, "headers": {}, "json": answer}

    assert Scrubber().scrub_response(recorded) == recorded
    assert Scrubber().scrub({"response": answer}) == {"response": answer}


def test_words_of_a_model_that_sound_like_secrets_stay():
    """Of a wrapped model all is its own: a field `password` is what it was asked for."""
    answer = {"password": "a poem", "tokens": 3, "logprobs": [{"token": "key"}], "signature": "Ann"}

    assert Scrubber().scrub(answer) == answer


def test_what_a_model_was_told_is_no_secret_that_it_could_not_say_again():
    """A word under such a name is taken out of the request, and out of nothing else."""
    scrubber = Scrubber()
    request = {
        "json": {"messages": [{"content": '{"password": "open-sesame-1"}'}], "password": "a b"}
    }

    assert "sesame" not in str(scrubber.scrub_request(request))
    assert scrubber.scrub("open-sesame-1, a b") == "open-sesame-1, a b"


def test_secrets_of_a_form_are_taken_out_by_their_names():
    """What is none stays to be read."""
    form = "grant_type=x&client_secret=formsecret&refresh_token=refr44&password=fpw&user=ann"
    text = Scrubber().scrub_request(form)

    assert re.sub(r"-[0-9a-f]{16}", "", text) == (
        "grant_type=x&client_secret=[scrubbed]&refresh_token=[scrubbed]"
        "&password=[scrubbed]&user=ann"
    )


@pytest.mark.parametrize(
    "name",
    ["api_key", "API-Key", "openai_api_key", "Authorization", "refresh_token", "clientSecret",
     "DB_PASSWORD", "X-Amz-Security-Token", "aws_secret_access_key", "x-auth-token", "Set-Cookie"],
)  # fmt: skip
def test_names_of_secrets(name):
    """In any spelling, with any prefix."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "total_tokens", "token", "key", "tokens", "secretary", "author", "passage",
     "token_type", "password_hint", "signature", "tokenizer", "next_page_token"],
)  # fmt: skip
def test_names_of_no_secrets(name):
    """They only look alike."""
    assert not is_secret_name(name)


WRITTEN = [
    "My password: {}",
    "db_password = '{}'",
    "api_key: {}\nuser: ann",
    "The API key: `{}`, and no other",
    "export CLIENT_SECRET='{}'",
    "client-secret:{};",
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_secret_that_a_prompt_writes_to_its_name_is_taken_out(text, path):
    secret = "hunter2-of-ann"
    with Cassette(path).use() as cassette:
        ask(cassette, {"ok": True}, json={"messages": [{"content": text.format(secret)}]})

    assert secret not in path.read_text()
    with Cassette(path, "replay").use() as cassette:
        ask(cassette, json={"messages": [{"content": text.format(secret)}]})
        with pytest.raises(CassetteMissError):
            ask(cassette, json={"messages": [{"content": text.format("hunter3-of-bob")}]})


@pytest.mark.parametrize(
    "text", ["The secret: nobody came", "password: required", "token: abcdef1", "see: item-2026-01"]
)
def test_words_behind_such_a_name_stay(text):
    assert Scrubber().scrub_request(text) == text
