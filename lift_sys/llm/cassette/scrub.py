"""Secrets are taken out of what a cassette keeps.

Before editing: requests are scrubbed before they become a key, when recording and when replaying,
so both must find the same text; and words that merely look like a key's name ("token" in log
probabilities) stay, because a replay would differ from the call.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from lift_sys.errors import UsageError

__all__ = ["SCRUBBED", "Scrubber", "is_secret_name"]

SCRUBBED = "[scrubbed]"
_SHORTEST = 8  # a shorter value would be found inside of ordinary words

_SECRET_NAMES = frozenset({
    "apikey", "xapikey", "xgoogapikey", "apitoken", "authorization", "proxyauthorization",
    "accesstoken", "refreshtoken", "idtoken", "clientsecret", "secretkey", "accesskey", "privatekey",
    "password", "cookie", "setcookie", "awsaccesskeyid", "awssecretaccesskey", "awssessiontoken",
})  # fmt: skip
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
_IN_QUERY = re.compile(
    r"(?<=[?&])(key|api[-_]?key|access_token|token|sig|signature)=[^&\s\"']+"
    # In a form, which begins without a sign, the names alone tell.
    r"|(?<![\w-])(?:client_secret|refresh_token|access_token|id_token|api_key|password)=[^&\s\"']+",
    re.I,
)


def is_secret_name(name: str) -> bool:
    """Whether a header, parameter or field of this name holds a secret."""
    return re.sub(r"[-_ ]", "", name).lower() in _SECRET_NAMES


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
        for name, value in os.environ.items():
            # A word that happens to be the value of such a variable is no secret in a prompt.
            if _SECRET_VARIABLE.search(name.upper()) and _LIKE_A_KEY.fullmatch(value):
                self.learn(value)

    def learn(self, secret: Any) -> None:
        """Replace this value from now on; one that is no text, or very short, is ignored."""
        if isinstance(secret, str) and len(secret) >= _SHORTEST:
            self._values.add(secret)

    def learn_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        """Replace from now on what the headers of a request prove by."""
        for name, value in headers:
            if is_secret_name(name):
                self.learn(value.partition(" ")[2] or value)

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
        """The same of what a program has sent, where a field's name may also tell of a secret.

        In an answer a name tells nothing: a field `password` is what the model was asked for.
        """
        if isinstance(value, dict):
            return {
                self._text(str(key)): SCRUBBED
                if isinstance(item, str) and is_secret_name(str(key))
                else self.scrub_request(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.scrub_request(item) for item in value]
        return self.scrub(value)

    def _text(self, text: str) -> str:
        # The longest first, lest a part of one be replaced inside of another.
        for secret in sorted(self._values, key=len, reverse=True):
            text = text.replace(secret, SCRUBBED)
        for pattern in self._patterns:
            text = pattern.sub(SCRUBBED, text)
        return _IN_QUERY.sub(lambda match: f"{match[0].partition('=')[0]}={SCRUBBED}", text)
