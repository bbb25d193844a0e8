"""A model provider on loopback that speaks OpenAI's protocol, counts, and never repeats itself.

Each answer ends with its number, so that a second answer is never mistaken for the first.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[int, Any], str]


class Provider:
    """What the server has seen and says.

    Attributes:
        url: Its address, with `/v1`.
        requests: Bodies of the requests so far.
        failing: Statuses to answer the next requests with, instead of an answer.
    """

    def __init__(self, url: str, reply: Reply) -> None:
        self.url = url
        self.reply = reply
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.failing: list[int] = []
        self.lock = threading.Lock()


@contextmanager
def counting_provider(reply: Reply = lambda n, body: f"answer {n}") -> Iterator[Provider]:
    """Serve until the block ends; `reply` gives the text of answer `n` (from 1) to a body."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with provider.lock:
                provider.requests.append(body)
                provider.headers.append(
                    {name.lower(): value for name, value in self.headers.items()}
                )
                number = len(provider.requests)
                status = provider.failing.pop(0) if provider.failing else 200
            if status != 200:
                refusal = {"error": {"message": "not now", "type": "server", "code": "none"}}
                self.answer(status, "application/json", [json.dumps(refusal)])
                return
            text = provider.reply(number, body)
            if body.get("stream"):
                self.answer(200, "text/event-stream", list(events(number, body, text)))
            else:
                self.answer(200, "application/json", [json.dumps(completion(number, body, text))])

        def answer(self, status: int, content_type: str, pieces: list[str]) -> None:
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("transfer-encoding", "chunked")
            self.send_header("set-cookie", "session=sk-cookiecookiecookie")
            self.end_headers()
            for piece in [*(piece.encode() for piece in pieces), b""]:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = Provider(f"http://127.0.0.1:{server.server_port}/v1", reply)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def completion(number: int, body: Any, text: str) -> dict[str, Any]:
    """A chat completion."""
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_700_000_000 + number,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
        ],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }


def events(number: int, body: Any, text: str) -> Iterator[str]:
    """The same as Server-Sent Events, a word at a time."""
    words = [*(f"{word} " for word in text.split(" ")[:-1]), text.split(" ")[-1]]
    deltas: list[tuple[dict[str, Any], str | None]] = [({"role": "assistant", "content": ""}, None)]
    deltas += [({"content": word}, None) for word in words]
    deltas += [({}, "stop")]
    common = {"id": f"chatcmpl-{number}", "object": "chat.completion.chunk", "created": number}
    for delta, reason in deltas:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = common | {"model": body["model"], "choices": [choice]}
        yield f"data: {json.dumps(chunk)}\n\n"
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    chunk = common | {"model": body["model"], "choices": [], "usage": usage}
    yield f"data: {json.dumps(chunk)}\n\n"
    yield "data: [DONE]\n\n"
