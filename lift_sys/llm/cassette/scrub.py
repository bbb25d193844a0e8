"""Secrets are taken out of what a cassette keeps: by shape, by the name of their field, by value.

Before editing: requests are scrubbed before they become a key, when recording and when replaying,
so both must find the same text. And an answer is what a program goes on with, so in the words of a
model a name tells nothing (`password` may be what it was asked for): names count in the fields of
HTTP bodies. A value that was found so, or sent as a key, is a secret wherever it occurs.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from lift_sys.errors import UsageError
from lift_sys.llm.cassette.entry import OWN_WORDS

__all__ = ["SCRUBBED", "Scrubber", "is_secret_name"]

SCRUBBED = "[scrubbed]"
_SHORTEST = 8  # a shorter value would be found inside of ordinary words

_SECRET_NAME = re.compile(
    r"authorization|cookie|secret|credentials?"
    r"|.*(apikey|apisecret|secretkey|accesskey|accesskeyid|privatekey|subscriptionkey"
    r"|(api|access|refresh|id|auth|bearer|session|security|csrf)token"
    r"|clientsecret|password|passwd|passphrase|proxyauthorization|setcookie)"
)
_OWN_WORDS = OWN_WORDS | {"parameters", "parsed"}
_SECRET_PARAMETERS = frozenset({"key", "token", "sig", "signature"})
_LIKE_A_KEY = re.compile(r"(?=.*\d)\S+|\S{20,}")
_SECRET_VARIABLE = re.compile(r"(API_?KEY|ACCESS_KEY|SECRET|PASSWORD|_TOKEN)(_ID)?$")

# Shapes of keys, as the providers' documentation and key pages show them (read 2026-11).
_SHAPES = re.compile(
    r"""
      \b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}                       # OpenAI, Anthropic, OpenRouter...
    | \b(?:gsk|xai|hf|r8|pplx|nvapi|ghp|gho|ghs|github_pat|glpat)[_-][A-Za-z0-9_-]{16,}
    | \bAIza[A-Za-z0-9_-]{30,}                                # Google
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                           # AWS
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}     # JSON Web Token
    | (?<=[Bb]earer\ )[A-Za-z0-9._~+/=-]{8,}
    | (?<=://)[^/\s:@]+:[^/\s@]+(?=@)                         # user:password@host
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?-----END\ [A-Z ]*PRIVATE\ KEY-----
    """,
    re.VERBOSE | re.DOTALL,
)
# A field of a form or a query, and one of JSON, maybe of JSON in a text of JSON.
_PARAMETER = re.compile(
    r"(?P<before>(?:(?P<sign>[?&])|(?<![\w-]))(?P<name>[\w-]+)=)(?P<value>[^&\s\"'#]+)(?P<after>)"
)
_JSON_FIELD = re.compile(
    r"""(?P<before>(?P<quote>\\*["'])(?P<name>[\w-]+)(?P=quote)\s*:\s*(?P=quote))"""
    r"""(?P<value>.+?)(?P<after>(?<!\\)(?P=quote))"""
)


def is_secret_name(name: str) -> bool:
    """Whether a header, parameter or field of this name holds a secret."""
    return _SECRET_NAME.fullmatch(re.sub(r"[-_ .]", "", name).lower()) is not None


class Scrubber:
    """Replaces secrets in JSON-like values: known shapes, known names, known values.

    Args:
        patterns: The user's regular expressions; every match is replaced.

    Raises:
        UsageError: One of them is no regular expression.
    """

    def __init__(self, patterns: Iterable[str | re.Pattern[str]] = ()) -> None:
        self._patterns = [_SHAPES]
        for pattern in patterns:
            try:
                self._patterns.append(re.compile(pattern))
            except re.error as error:
                raise UsageError(
                    f"`scrub` has {pattern!r}, which is no pattern: {error}."
                ) from error
        self._values: set[str] = set()
        self._known: re.Pattern[str] | None = None
        self.learn_environment()

    # --- what is secret ---------------------------------------------------------------------------

    def learn(self, secret: Any) -> None:
        """Replace this value from now on; one that is no text, or very short, is ignored."""
        if not isinstance(secret, str) or len(secret) < _SHORTEST or secret == SCRUBBED:
            return
        # Also as a URL or a text of JSON has it.
        forms = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
        if not forms <= self._values:
            self._values |= forms
            # The longest first, lest a part of one be replaced inside of another.
            longest = sorted(self._values, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, longest)))

    def learn_environment(self) -> None:
        """Replace from now on what variables such as `MY_API_KEY` hold."""
        for name, value in os.environ.items():
            if _SECRET_VARIABLE.search(name.upper()):
                self._learn_key(value)

    def learn_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Replace from now on what the headers of a request prove by."""
        for name, value in headers:
            scheme, _, credentials = value.partition(" ")
            if scheme.lower() == "bearer":
                self.learn(credentials)
            elif is_secret_name(name):
                self.learn(credentials or value)
            if scheme.lower() == "basic":
                self._learn_basic(credentials)

    def learn_url(self, url: str) -> None:
        """Replace from now on the keys and the password that a request's URL has."""
        parts = urlsplit(url)
        if parts.password:
            self.learn(unquote(parts.password))
        for match in _PARAMETER.finditer(f"?{parts.query}"):
            if _is_secret(match):
                self.learn(unquote_plus(match["value"]))

    def _learn_basic(self, credentials: str) -> None:
        try:
            decoded = base64.b64decode(credentials).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        self.learn(decoded.partition(":")[2])

    def _learn_body(self, message: Any) -> None:
        # Of texts only a body that is one: inside of JSON they are what somebody says to a model.
        for name, body in message.items() if isinstance(message, dict) else ():
            for secret in _named({name: body}, in_text=name == "text"):
                self._learn_key(secret)

    def _learn_key(self, value: Any) -> None:
        # A word that happens to be the value of such a name is no secret in a prompt.
        if isinstance(value, str) and _LIKE_A_KEY.fullmatch(value):
            self.learn(value)

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
        self._learn_body(value)
        return self._fields(value, in_texts=True)

    def scrub_response(self, answer: Any) -> Any:
        """The same of an HTTP response, where names tell of secrets in its fields."""
        if not isinstance(answer, dict):
            return self.scrub(answer)
        self._learn_body(answer)
        return {
            name: self._bytes(body) if name == "base64" else self._fields(body, name == "text")
            for name, body in answer.items()
        }

    def _fields(self, value: Any, in_texts: bool) -> Any:
        if isinstance(value, str):
            return self._named_text(value) if in_texts else self._text(value)
        if isinstance(value, dict):
            return {
                self._text(str(key)): self._field(str(key), item, in_texts)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self._fields(item, in_texts) for item in value]
        return value

    def _field(self, name: str, value: Any, in_texts: bool) -> Any:
        if is_secret_name(name):
            if isinstance(value, (list, tuple)):
                return [self._field(name, item, in_texts) for item in value]
            if value and isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return SCRUBBED
        elif name in _OWN_WORDS and not in_texts:
            return self.scrub(value)
        return self._fields(value, in_texts)

    def _named_text(self, text: str) -> str:
        text = self._text(text)
        for pattern in (_PARAMETER, _JSON_FIELD):
            text = pattern.sub(_without_value, text)
        return text

    def _text(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(SCRUBBED, text)
        for pattern in self._patterns:
            text = pattern.sub(SCRUBBED, text)
        # In a URL a name tells, whoever says it.
        return _PARAMETER.sub(lambda m: _without_value(m) if m["sign"] else m[0], text)

    def _bytes(self, encoded: Any) -> Any:
        """Bytes that are no text, without the values that are known to be secret."""
        if self._known is None or not isinstance(encoded, str):
            return encoded
        text = base64.b64decode(encoded).decode("latin-1")
        return base64.b64encode(self._known.sub(SCRUBBED, text).encode("latin-1")).decode()


def _is_secret(match: re.Match[str]) -> bool:
    in_url = match.re is _PARAMETER and bool(match["sign"])
    return is_secret_name(match["name"]) or (in_url and match["name"].lower() in _SECRET_PARAMETERS)


def _without_value(match: re.Match[str]) -> str:
    return f"{match['before']}{SCRUBBED}{match['after']}" if _is_secret(match) else match[0]


def _named(value: Any, in_text: bool) -> Iterator[Any]:
    """What stands under the names of secrets, if it is no model's own words."""
    if isinstance(value, str) and in_text:
        for match in (*_PARAMETER.finditer(value), *_JSON_FIELD.finditer(value)):
            if _is_secret(match):
                yield from (match["value"], unquote_plus(match["value"]))
    elif isinstance(value, dict):
        for name, item in value.items():
            if is_secret_name(str(name)):
                yield from item if isinstance(item, list) else [item]
            if name not in _OWN_WORDS:
                yield from _named(item, in_text)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _named(item, in_text)
