"""HTTP requests and responses as JSON-like data, and Server-Sent Events as a list of theirs.

Before editing: a request's headers are no part of what is asked, and hold keys; of a response's
only those stay by which a client reads the body or waits.
"""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["body_pieces", "canonical_request", "canonical_response", "is_stream"]

_HEADERS_KEPT = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
_EVENT_STREAM = "text/event-stream"
_FIELDS = ("event", "id", "retry", "data")


def canonical_request(method: str, url: str, content_type: str, body: bytes) -> dict[str, Any]:
    """Return what a request asks. Loopback has no port: it is another one in each run.

    Of what kind its body is belongs to it; of the usual JSON it goes without saying.
    """
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or ""):
        parts = parts._replace(netloc="loopback")
    request: dict[str, Any] = {"method": method, "url": urlunsplit(parts)}
    sent = _body(content_type, body) if body else {}
    if sent and content_type and not ("json" in sent and content_type == "application/json"):
        request["content_type"] = content_type
    return request | sent


def canonical_response(
    status: int, headers: Iterable[tuple[str, str]], body: bytes
) -> dict[str, Any]:
    """Return a response with its decoded body: `json`, `events`, `text` or `base64`."""
    kept = {name.lower(): value for name, value in headers if name.lower() in _HEADERS_KEPT}
    answer: dict[str, Any] = {"status": status, "headers": kept}
    content_type = kept.get("content-type", "")
    if is_stream(content_type):
        return answer | {"events": list(_events(body.decode("utf-8", "replace")))}
    return answer | _body(content_type, body)


def is_stream(content_type: str) -> bool:
    """Whether a response comes event by event."""
    return content_type.partition(";")[0].strip().lower() == _EVENT_STREAM


def body_pieces(answer: Mapping[str, Any]) -> list[bytes]:
    """Return the body of a recorded response, in the pieces in which it is sent."""
    if "events" in answer:
        return [_event_text(event).encode() for event in answer["events"]]
    if "json" in answer:
        return [json.dumps(answer["json"], ensure_ascii=False).encode("utf-8", "replace")]
    if "base64" in answer:
        return [base64.b64decode(answer["base64"])]
    return [str(answer.get("text", "")).encode()]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _body(content_type: str, body: bytes) -> dict[str, Any]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    if "json" in content_type:
        try:
            return {"json": json.loads(text)}
        except ValueError:
            pass
    return {"text": text} if text else {}


# --- Server-Sent Events (WHATWG HTML, 9.2.6, "Interpreting an event stream") ----------------------


def _events(text: str) -> Iterator[Any]:
    """The events of a stream: the JSON of their data, or an object of their fields."""
    for block in text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n"):
        fields: dict[str, Any] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                fields["data"] = f"{fields['data']}\n{value}" if "data" in fields else value
            elif name in _FIELDS:
                fields[name] = value
        if "data" in fields:
            fields["data"] = _parsed(fields["data"])
            data = fields["data"]
            yield fields if len(fields) > 1 or _is_fields(data) else data


def _parsed(data: str) -> Any:
    """Its JSON, if it is an object or a list; else the text itself."""
    try:
        value = json.loads(data)
    except ValueError:
        return data
    return value if isinstance(value, (dict, list)) else data


def _is_fields(event: Any) -> bool:
    return isinstance(event, dict) and "data" in event and set(event) <= set(_FIELDS)


def _event_text(event: Any) -> str:
    fields = event if _is_fields(event) else {"data": event}
    lines = [f"{name}: {fields[name]}" for name in _FIELDS[:-1] if name in fields]
    data = fields["data"]
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    lines += [f"data: {line}" for line in text.split("\n")]
    return "\n".join(lines) + "\n\n"
