"""Cassettes in front of HTTP clients: OpenAI's, httpx's and httpx2's, sync and async, streams too."""

import asyncio
import json
from typing import Any

import httpx
import httpx2
import pytest
from counting_provider import Provider, counting_provider

from lift_sys.errors import CassetteMissError
from lift_sys.llm.cassette import Cassette, Perturbation, at, new_run

pytestmark = pytest.mark.extra("openai")

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def provider():
    with counting_provider() as made:
        yield made


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def clients(http: Any, cassette: Cassette, url: str = "http://127.0.0.1:9/v1") -> tuple[Any, Any]:
    """OpenAI's client and its async one, on either package; by default nobody listens there."""
    import openai

    transport = cassette.transport()
    options: dict[str, Any] = {"base_url": url, "api_key": KEY, "max_retries": 0}
    blocking = openai.OpenAI(http_client=http.Client(transport=transport), **options)
    concurrent = openai.AsyncOpenAI(http_client=http.AsyncClient(transport=transport), **options)
    return blocking, concurrent


def asking(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]} | more


async def ask_in_all_ways(http: Any, cassette: Cassette, url: str = "http://127.0.0.1:9/v1") -> Any:
    """What each kind of call gives: text, pieces of a stream, tokens."""
    blocking, concurrent = clients(http, cassette, url)
    with blocking:
        whole = blocking.chat.completions.create(**asking("sync"))
        stream = blocking.chat.completions.create(**asking("sync stream", stream=True))
        pieces = [chunk.choices[0].delta.content for chunk in stream if chunk.choices]
    async with concurrent:
        later = await concurrent.chat.completions.create(**asking("async"))
        stream = await concurrent.chat.completions.create(**asking("async stream", stream=True))
        more = [chunk.choices[0].delta.content async for chunk in stream if chunk.choices]
    texts = [answer.choices[0].message.content for answer in (whole, later)]
    return texts, pieces, more, whole.usage.total_tokens, whole.id


@pytest.mark.parametrize("http", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_openai_client_replays_answers_and_streams_without_a_request(http, provider, path):
    """Sync and async, whole and streamed: the same objects, piece for piece, and no server."""
    with Cassette(path).use() as cassette:
        recorded = await ask_in_all_ways(http, cassette, provider.url)
    assert recorded[1] == ["", "answer ", "2", None]
    assert cassette.statistics.http_requests == len(provider.requests) == 4

    with Cassette(path, "replay").use() as replaying:
        assert await ask_in_all_ways(http, replaying) == recorded

    assert len(provider.requests) == 4
    assert replaying.statistics.http_requests == 0
    assert replaying.statistics.http_requests_avoided == replaying.hits == 4


async def test_parallel_identical_requests_keep_their_own_answers(provider, path):
    """The order in which they are asked counts, not the one in which answers come."""

    async def ask(cassette: Cassette, url: str) -> list[str]:
        _, client = clients(httpx2, cassette, url)
        async with client:
            calls = [client.chat.completions.create(**asking()) for _ in range(4)]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*calls)]

    with Cassette(path).use() as cassette:
        recorded = await ask(cassette, provider.url)
    with Cassette(path, "replay").use() as cassette:
        replayed = await ask(cassette, "http://127.0.0.1:9/v1")

    assert replayed == recorded
    assert len(set(recorded)) == 4


async def test_file_holds_no_secret_and_no_header_of_the_connection(provider, path):
    """Key, cookie and port are gone; body and answer are there to be read."""
    with Cassette(path).use() as cassette:
        blocking, _ = clients(httpx2, cassette, f"{provider.url}")
        with blocking:
            blocking.chat.completions.create(
                **asking(f"my key is {KEY}", extra_query={"api_key": "shortone"})
            )

    text = path.read_text()
    assert provider.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in text
    assert "shortone" not in text
    assert "cookie" not in text
    entry = json.loads(text.splitlines()[1])
    assert entry["request"]["url"] == "http://loopback/v1/chat/completions?api_key=[scrubbed]"
    assert entry["request"]["json"]["messages"][0]["content"] == "my key is [scrubbed]"
    assert entry["answer"]["json"]["choices"][0]["message"]["content"] == "answer 1"


async def test_another_key_and_another_port_replay_all_the_same(provider, path):
    """A colleague without the key plays what was recorded with it."""
    with Cassette(path).use() as cassette:
        blocking, _ = clients(httpx2, cassette, provider.url)
        with blocking:
            blocking.chat.completions.create(**asking())

    with Cassette(path, "replay").use() as cassette:
        blocking, _ = clients(httpx2, cassette)
        blocking.api_key = "another"
        with blocking:
            answer = blocking.chat.completions.create(**asking())

    assert answer.choices[0].message.content == "answer 1"


async def test_miss_reaches_the_caller_and_names_the_path_in_the_request(provider, path):
    """The client neither hides it nor tries again."""
    with Cassette(path).use() as cassette:
        blocking, _ = clients(httpx2, cassette, provider.url)
        with blocking:
            blocking.chat.completions.create(**asking("hello"))

    with Cassette(path, "replay").use() as cassette:
        blocking, _ = clients(httpx2, cassette)
        with blocking, pytest.raises(CassetteMissError) as error:
            blocking.chat.completions.create(**asking("goodbye", temperature=1))

    assert error.value.differences == (
        "$.json.messages[0].content: 'hello' vs 'goodbye'",
        "$.json.temperature: nothing vs 1",
    )
    assert cassette.statistics.misses == 1


async def test_refusals_replay_and_mode_auto_asks_again(provider, path):
    """A 429 is an answer of the server; it is not what one wants to keep."""
    import openai

    provider.failing.append(429)
    for mode in ("auto", "replay"):
        with Cassette(path, mode).use() as cassette:
            blocking, _ = clients(httpx2, cassette, provider.url)
            with blocking, pytest.raises(openai.RateLimitError):
                blocking.chat.completions.create(**asking())
    assert len(provider.requests) == 1

    with Cassette(path).use() as cassette:
        blocking, _ = clients(httpx2, cassette, provider.url)
        with blocking:
            answer = blocking.chat.completions.create(**asking())
    assert answer.choices[0].message.content == "answer 2"
    assert len(Cassette(path, "replay").entries) == 1


async def test_lost_connection_replays_as_the_same_error(path):
    """The type by which code tells errors apart, not only a text."""
    for mode in ("record", "replay"):
        with Cassette(path, mode).use() as cassette:
            async with httpx2.AsyncClient(transport=cassette.transport()) as client:
                with pytest.raises(httpx2.ConnectError):
                    await client.post("http://127.0.0.1:9/v1/chat/completions", json={"a": 1})
    assert cassette.hits == 1


async def test_stream_that_is_left_early_replays_what_had_come(provider, path):
    """Somebody who has read enough has not lost what was read."""

    async def first_words(cassette: Cassette, url: str) -> list[str]:
        _, client = clients(httpx2, cassette, url)
        words = []
        async with client:
            stream = await client.chat.completions.create(**asking(stream=True))
            async for chunk in stream:
                words.append(chunk.choices[0].delta.content)
                if len(words) == 2:
                    break
            await stream.close()
        return words

    with Cassette(path).use() as cassette:
        recorded = await first_words(cassette, provider.url)
    with Cassette(path, "replay").use() as cassette:
        assert await first_words(cassette, "http://127.0.0.1:9/v1") == recorded


async def test_perturbed_stream_differs_and_is_still_a_stream(provider, path):
    """The text changes in all its forms, in the same way each time."""

    async def ask(cassette: Cassette, url: str) -> str:
        _, client = clients(httpx2, cassette, url)
        async with client:
            stream = await client.chat.completions.create(**asking(stream=True))
            return "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])

    with Cassette(path).use() as cassette:
        assert await ask(cassette, provider.url) == "answer 1"
    texts = []
    for seed in (1, 1, 2):
        with Cassette(path, "replay", perturb=Perturbation(seed=seed)).use() as cassette:
            texts.append(await ask(cassette, "http://127.0.0.1:9/v1"))

    assert texts[0] == texts[1]
    assert "answer 1" not in texts


async def test_one_transport_serves_several_event_loops(provider, path):
    """Connections belong to a loop, the recording to none."""
    cassette = Cassette(path)
    transport = cassette.transport()

    async def ask(text: str) -> str:
        async with httpx2.AsyncClient(transport=transport) as client:
            answer = await client.post(f"{provider.url}/chat/completions", json=asking(text))
            return answer.json()["choices"][0]["message"]["content"]

    def in_a_loop_of_its_own(text: str) -> str:
        with cassette.use():
            return asyncio.run(ask(text))

    texts = [f"question {i}" for i in range(4)]
    recorded = await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own, t) for t in texts))
    replayed = await asyncio.gather(*(asyncio.to_thread(in_a_loop_of_its_own, t) for t in texts))

    assert replayed == recorded
    assert len(set(recorded)) == len(provider.requests) == 4


async def test_names_and_runs_outside_a_graph(provider):
    """`at` tells calls of one place apart; `new_run` plays from the beginning."""
    cassette = Cassette.memory()
    blocking, _ = clients(httpx2, cassette, provider.url)

    def ask() -> str:
        return blocking.chat.completions.create(**asking()).choices[0].message.content

    def all_three() -> list[str]:
        answers = []
        for judge in ("ann", "bob"):
            with at(judge):
                answers.append(ask())
        return [*answers, ask()]

    with blocking, cassette.use():
        with new_run():
            first = all_three()
        with new_run():
            second = all_three()

    assert first == second == ["answer 1", "answer 2", "answer 3"]
    assert [entry.address for entry in cassette.entries] == ["", "@ann", "@bob"]
    assert cassette.statistics.hits_by_address == {"@ann": 1, "@bob": 1, "": 1}


def test_other_bodies_come_back_as_they_were(path):
    """Bytes that are no text, empty bodies, JSON with a text in it, compressed answers."""
    bodies = [
        (b"\xff\x00\x01", "application/octet-stream"),
        (b"", "text/plain"),
        ('"quote ü"'.encode(), "application/json"),
        ("zażółć".encode(), "text/plain; charset=utf-8"),
        (b"{broken", "application/json"),
    ]
    given = iter(bodies)

    def answer(request: httpx2.Request) -> httpx2.Response:
        body, content_type = next(given)
        return httpx2.Response(200, content=body, headers={"content-type": content_type})

    for mode in ("record", "replay"):
        with Cassette(path, mode).use() as cassette:
            transport = cassette.transport(httpx2.MockTransport(answer))
            with httpx2.Client(transport=transport) as client:
                got = [client.get("http://127.0.0.1:9/x") for _ in bodies]
            assert [response.content for response in got] == [body for body, _ in bodies]


def test_named_events_keep_their_names(path):
    """Anthropic's and OpenAI's newer streams name their events."""
    stream = 'event: start\ndata: {"type": "start"}\n\n: ping\n\nid: 7\ndata: a\ndata: b\n\n'

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, text=stream, headers={"content-type": "text/event-stream"})

    for mode in ("record", "replay"):
        with Cassette(path, mode).use() as cassette:
            transport = cassette.transport(httpx2.MockTransport(answer))
            with httpx2.Client(transport=transport) as client:
                text = client.get("http://127.0.0.1:9/x").text
    assert text == stream.replace(": ping\n\n", "")


async def test_transport_leaves_a_call_that_a_wrapped_model_records_alone(provider, path):
    """One call is one entry, though both see it."""
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    cassette = Cassette(path)
    _, client = clients(httpx2, cassette, provider.url)
    model = cassette.wrap(OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client)))
    with cassette.use():
        async with client:
            result = await Agent(model).run("hello")

    assert result.output == "answer 1"
    assert [entry.client for entry in cassette.entries] == ["pydantic_ai"]
    assert cassette.statistics.http_requests == 1
    assert isinstance(provider, Provider)
