"""HTTP requests and responses as JSON-like data, and Server-Sent Events as a list of theirs.

Before editing: a request's headers are no part of what is asked, and hold keys; of a response's
only those stay by which a client reads the body or waits.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

__all__ = ["body_pieces", "canonical_request", "canonical_response", "is_stream"]

_HEADERS_KEPT = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
_EVENT_STREAM = "text/event-stream"
_FORM = "multipart/form-data"
_BOUNDARY = re.compile(r'boundary="?([^";,]+)')
_NAME = re.compile(r'content-disposition: form-data; name="([^"]*)"', re.IGNORECASE)
_FIELDS = ("event", "id", "retry", "data")


def canonical_request(method: str, url: str, content_type: str, body: bytes) -> dict[str, Any]:
    """Return what a request asks. Loopback has no port: it is another one in each run.

    Of what kind its body is belongs to it; of the usual JSON it goes without saying. Of a form in parts
    these are what is asked, and not the boundary between them, which is drawn anew for each request.
    """
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or ""):
        parts = parts._replace(netloc="loopback")
    request: dict[str, Any] = {"method": method, "url": urlunsplit(parts)}
    form = _form(content_type, body)
    if form is not None:
        return request | {"content_type": _FORM, "form": form}
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


def _form(content_type: str, body: bytes) -> list[dict[str, Any]] | None:
    """The fields of a form that is sent in parts, each under its name; None if it is none."""
    boundary = _BOUNDARY.search(content_type) if content_type.lower().startswith(_FORM) else None
    if boundary is None:
        return None
    before, *parts = b"".join((b"\r\n", body)).split(f"\r\n--{boundary[1]}".encode())
    if before or not parts or parts.pop().strip() != b"--":
        return None
    fields: list[dict[str, Any]] = []
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        said = head.decode("utf-8", "backslashreplace").strip()
        name = _NAME.search(said)
        if name is None:
            return None
        sent = _body("", content)
        is_plain = name[0] == said and "base64" not in sent
        fields.append({name[1]: sent.get("text", "") if is_plain else {"head": said} | sent})
    return fields


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
