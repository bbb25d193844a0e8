"""Secrets are taken out of what a cassette keeps: by shape, by the name of their field, by value.

Before editing: requests are scrubbed before they become a key, when recording and when replaying,
so both must find the same text, and requests that differ must never find the same: see `mask.py`.
And an answer is what a program goes on with, so in the words of a model a name tells nothing
(`password` may be what it was asked for): names count in the fields of HTTP bodies. A value that
was found so, or sent as a key, is a secret wherever it occurs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from lift_sys.errors import UsageError
from lift_sys.llm.cassette.entry import OWN_WORDS
from lift_sys.llm.cassette.known import KnownSecrets
from lift_sys.llm.cassette.mask import SCRUBBED, Mask, new_salt, outside
from lift_sys.llm.cassette.shapes import (
    JSON_FIELD,
    PARAMETER,
    SHAPES,
    WRITTEN,
    basic_password,
    environment_secrets,
    is_secret_name,
    is_secret_parameter,
    like_a_key,
    names_secret,
    replace_shapes,
)

__all__ = ["Scrubber"]

_OWN_WORDS = OWN_WORDS | {"parameters", "parsed"}
#: Whose fields are named by whoever describes data: under `password` is the schema of one.
_SCHEMAS = frozenset({"properties", "$defs", "definitions", "patternProperties"})
#: Fields of a body by which a request proves who asks.
_PROVING = re.compile(
    r"(.*[-_])?(api[-_]?key|access[-_]?token|refresh[-_]?token|client[-_]?secret)|(client_)?assertion"
)
_PASSWORD = re.compile(r"(?<=://)(?P<user>[^/?#:]*):[^/?#]*(?=@)")
_FORM = "x-www-form-urlencoded"


class Scrubber:
    """Replaces secrets in JSON-like values: known shapes, known names, known values.

    Args:
        patterns: The user's regular expressions; every match is replaced.
        salt: Of the masks; by default a new one.

    Attributes:
        mask: What makes the masks.

    Raises:
        UsageError: One of the patterns is no regular expression.
    """

    def __init__(
        self, patterns: Iterable[str | re.Pattern[str]] = (), *, salt: str | None = None
    ) -> None:
        self.mask = Mask(salt or new_salt())
        self._patterns = list(SHAPES)
        for pattern in patterns:
            try:
                self._patterns.append(re.compile(pattern))
            except re.error as error:
                raise UsageError(
                    f"`scrub` has {pattern!r}, which is no pattern: {error}."
                ) from error
        self._known = KnownSecrets()
        self.learn_environment()

    # --- what is secret ---------------------------------------------------------------------------

    def learn(self, secret: Any) -> None:
        """Replace from now on what proves who asks, such as a key that is sent."""
        # What has been masked, as in an answer, keeps its mask: a replay has no other.
        self._known.learn(secret, proves=secret not in self.mask)

    def learn_environment(self) -> None:
        """Replace from now on what variables such as `MY_API_KEY` hold."""
        for value in environment_secrets():
            self.learn(value)

    def learn_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Replace from now on what the headers of a request prove by."""
        for name, value in headers:
            scheme, _, credentials = value.partition(" ")
            if scheme.lower() == "bearer":
                self.learn(credentials)
            elif is_secret_name(name) or names_secret(name, value):
                self.learn(credentials or value)
            if scheme.lower() == "basic":
                self.learn(basic_password(credentials))

    def learn_url(self, url: str) -> None:
        """Replace from now on the keys and the password that a request's URL has."""
        parts = urlsplit(url)
        if parts.password:
            self.learn(unquote(parts.password))
        for match in PARAMETER.finditer(f"?{parts.query}"):
            if is_secret_parameter(match["name"]):
                self.learn(unquote_plus(match["value"]))

    def _learn_body(self, message: Any) -> None:
        # Of texts only a body that is one: inside of JSON they are what somebody says to a model.
        for name, body in message.items() if isinstance(message, dict) else ():
            for secret in _named({name: body}, in_text=name == "text"):
                if like_a_key(secret):  # a word under such a name is no secret in a prompt
                    self._known.learn(secret, proves=False)

    # --- what is replaced -------------------------------------------------------------------------

    def scrub(self, value: Any) -> Any:
        """Return a copy of a JSON-like value without secrets, as their shapes and values show."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(str(key)): self.scrub(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.scrub(item) for item in value]
        return value

    def scrub_request(self, value: Any) -> Any:
        """The same of what a program has sent, where names tell of secrets, too: also in a text."""
        return self._fields(value, in_texts=True)

    def scrub_asked(self, client: str, request: Any) -> Any:
        """The same, as it is done for what is asked through `client`."""
        return self.scrub_http(request) if client == "http" else self.scrub_request(request)

    def scrub_response(self, answer: Any) -> Any:
        """The same of an HTTP response, where names tell of secrets in its fields."""
        if not isinstance(answer, dict):
            return self.scrub(answer)
        self._learn_body(answer)
        return {
            name: self._bytes(body) if name == "base64" else self._fields(body, name == "text")
            for name, body in answer.items()
        }

    def scrub_http(self, request: Any) -> Any:
        """The same of an HTTP request, of which nothing stays that only proves who asks.

        That is what its URL has of it, and the fields of a form, or those on top of a body of JSON,
        that hold keys. Another key makes no other request.
        """
        scrubbed = dict(request)
        if isinstance(request.get("url"), str):
            scrubbed["url"] = self._without_proof(request["url"], is_secret_parameter)
        body, text, form = (request.get(name) for name in ("json", "text", "form"))
        if isinstance(body, dict):
            scrubbed["json"] = self._without_proofs(body)
        elif form:
            scrubbed["form"] = [self._part(field) for field in form]
        elif isinstance(text, str) and _FORM in request.get("content_type", ""):
            scrubbed["text"] = self._without_proof(f"?{text}", _proves).removeprefix("?")
        elif "base64" in request:
            scrubbed["base64"] = self._bytes(request["base64"])
        self._learn_body(scrubbed)
        return self.scrub_request(scrubbed)

    def _without_proofs(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {
            name: self._proof(item) if isinstance(item, str) and _proves(name) else item
            for name, item in fields.items()
        }

    def _part(self, field: dict[str, Any]) -> dict[str, Any]:
        for name, item in (found := self._without_proofs(field)).items():
            if isinstance(item, dict) and "base64" in item:
                found[name] = item | {"base64": self._bytes(item["base64"])}
        return found

    def _proof(self, value: str) -> str:
        self.learn(value)
        return SCRUBBED if value else value

    def _without_proof(self, url: str, proves: Callable[[str], bool]) -> str:
        """A URL without its password, and the values of parameters that prove who asks."""

        def replaced(match: re.Match[str]) -> str:
            if not (match["sign"] and proves(match["name"])):
                return match[0]
            self.learn(unquote_plus(match["value"]))
            return f"{match['before']}{SCRUBBED}"

        return PARAMETER.sub(replaced, _PASSWORD.sub(_without_password, url, count=1))

    def _fields(self, value: Any, in_texts: bool, all_secret: bool = False) -> Any:
        if all_secret and value and isinstance(value, (str, int, float)) and value is not True:
            return self.mask(self._text(str(value)))
        if isinstance(value, str):
            return self._named_text(value) if in_texts else self._text(value)
        if isinstance(value, dict):
            # Of the tokens of a text each is a word, however long.
            are_words = "logprob" in value or "bytes" in value
            return {
                self._text(str(key)): self._schemas(item, in_texts)
                if key in _SCHEMAS
                else self._field(str(key), item, in_texts, all_secret, are_words)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._fields(item, in_texts, all_secret) for item in value]
        return value

    def _schemas(self, value: Any, in_texts: bool) -> Any:
        if not isinstance(value, dict):
            return self._fields(value, in_texts)
        return {self._text(str(key)): self._fields(item, in_texts) for key, item in value.items()}

    def _field(
        self, name: str, value: Any, in_texts: bool, all_secret: bool, are_words: bool
    ) -> Any:
        text = value if isinstance(value, str) and not are_words else ""
        if all_secret or names_secret(name, text):
            return self._fields(value, in_texts, all_secret=True)
        if name in _OWN_WORDS and not in_texts:
            return self.scrub(value)
        return self._fields(value, in_texts)

    def _named_text(self, text: str) -> str:
        text = self._text(text)
        for pattern in (PARAMETER, JSON_FIELD, WRITTEN):
            text = pattern.sub(self._masked, text)
        return text

    def _masked(self, match: re.Match[str]) -> str:
        if not _is_secret(match):
            return match[0]
        return f"{match['before']}{self.mask(match['value'])}{match['after']}"

    def _text(self, text: str) -> str:
        text = outside(text, self._without_known)
        for pattern in self._patterns:
            text = outside(text, partial(replace_shapes, pattern=pattern, mask=self.mask))
        # In a URL a name tells, whoever says it, if the value is no word.
        return PARAMETER.sub(
            lambda m: self._masked(m) if m["sign"] and like_a_key(m["value"]) else m[0], text
        )

    def _without_known(self, text: str) -> str:
        return self._known.taken_out(text, self.mask)

    def _bytes(self, encoded: Any) -> Any:
        """Bytes that are no text, without the values that are known to be secret."""
        if not isinstance(encoded, str):
            return encoded
        text = base64.b64decode(encoded).decode("latin-1")
        return base64.b64encode(outside(text, self._without_known).encode("latin-1")).decode()


def _is_secret(match: re.Match[str]) -> bool:
    if match.re is WRITTEN and not like_a_key(match["value"]):
        return False
    in_url = match.re is PARAMETER and bool(match["sign"])
    return names_secret(match["name"], match["value"], in_url=in_url)


def _proves(name: str) -> bool:
    return _PROVING.fullmatch(name.lower()) is not None


def _without_password(match: re.Match[str]) -> str:
    # Some services take a key for the name.
    return SCRUBBED if like_a_key(match["user"]) else f"{match['user']}:{SCRUBBED}"


def _named(value: Any, in_text: bool) -> Iterator[Any]:
    """What stands under the names of secrets, if it is no model's own words."""
    if isinstance(value, str) and in_text:
        for match in (*PARAMETER.finditer(value), *JSON_FIELD.finditer(value)):
            if _is_secret(match):
                yield from (match["value"], unquote_plus(match["value"]))
    elif isinstance(value, dict):
        are_words = "logprob" in value or "bytes" in value
        for name, item in value.items():
            text = item if isinstance(item, str) and not are_words else ""
            if names_secret(str(name), text):
                yield from _leaves(item)
            elif name not in _OWN_WORDS and name not in _SCHEMAS:
                yield from _named(item, in_text)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named(item, in_text)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list, tuple)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value
