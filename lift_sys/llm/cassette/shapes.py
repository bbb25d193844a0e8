"""How secrets are told from other texts: by the names of fields, and by the shapes of keys.

Before editing: what is found here is taken out of answers, too, which a program goes on with. So a
shape has to be one that words have not, though they begin as keys do: `sk-learn-random-forest`.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus

__all__ = [
    "JSON_FIELD",
    "PARAMETER",
    "SHAPES",
    "WRITTEN",
    "basic_password",
    "environment_secrets",
    "is_secret_name",
    "is_secret_parameter",
    "like_a_key",
    "names_secret",
    "replace_shapes",
]

_SECRET_NAME = re.compile(
    r"(proxy)?authorization|(set)?cookies?"
    r"|.*(apikey|apisecret|secretkey|accesskey|accesskeyid|privatekey|subscriptionkey|signingkey)s?"
    r"|.*(api|access|refresh|id|auth|bearer|session|security|csrf)token"
    r"|.*(password|passwd|passphrase|pwd|credential)s?|.*secret(s|value|string)?"
)
# Names that secrets have, and other things as well: their values have to look like one.
_TOKEN_NAME = re.compile(r"(?!.*(page|next|continuation|sync)token$).*token")
_SECRET_PARAMETERS = frozenset({"key", "token", "sig", "signature"})
_SECRET_VARIABLE = re.compile(
    r"(_PASS|_PWD|_KEY|APIKEY|ACCESS_KEY_ID)$|PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL"
    r"|(^|_)TOKENS?(_|$)"
)
_LIKE_A_KEY = re.compile(r"(?=.*\d)\S+|\S{20,}")

# As the providers' documentation and key pages show them (read 2026-11). They have limits, lest a
# text that is made of their beginnings takes long.
_CERTAIN = re.compile(
    r"""
      \b[srp]k_(?:live|test)_[A-Za-z0-9]{16,}                 # Stripe
    | \bgh[oprsu]_[A-Za-z0-9]{30,} | \bgithub_pat_[A-Za-z0-9_]{30,} | \bglpat-[\w-]{20,}
    | \bnpm_[A-Za-z0-9]{30,} | \bdop_v1_[A-Za-z0-9]{30,}      # npm, DigitalOcean
    | \bya29\.[\w-]{20,} | \bAIza[\w-]{30,} | \bGOCSPX-[\w-]{20,}      # Google
    | \bSG\.[\w-]{16,}\.[\w-]{16,}                            # SendGrid
    | \bxox[abeoprs]-(?=[\w-]{0,99}\d)[\w-]{16,}              # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                           # AWS
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}                    # JSON Web Token
    | (?<=://)[^/\s:@"<>]{0,99}:[^/\s"<>]{1,999}(?=@)         # user:password@host
    | (?<=://)[^/\s:@"<>]{0,99}:(?!\d{0,5}/)[^\s@"<>]{1,999}(?=@)   # with a slash; no port
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----
      (?: (?:(?!-----BEGIN).){1,9999}?-----END\ [A-Z ]*PRIVATE\ KEY(?:\ BLOCK)?-----
        | [A-Za-z0-9+/=\s\\]{40,} )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
# What begins as keys do, and as other words: OpenAI, Anthropic, Groq, xAI, Hugging Face, Tavily...
_PREFIXED = re.compile(
    r"\b(?:(?:sk|rk|pk|xai|pplx|nvapi|tvly)-|(?:gsk|hf|r8)_)(?P<body>[\w-]{16,})", re.ASCII
)
_AFTER = re.compile(
    r"""(?P<before>(?i:(?<![a-z0-9])(?:"""
    r"""authorization["'\\]*\s*[:=]\s*["'\\]*(?:[a-z]+\s+)?|bearer\s+|basic\s+"""
    r"""|secret_?access_?key["'\\]*\s*[:=]\s*["'\\]*)))(?P<secret>[A-Za-z0-9._~+/=-]{8,})"""
)
#: In the order in which they are looked for.
SHAPES = (_CERTAIN, _PREFIXED, _AFTER)

# A field of a form or a query, and one of JSON, maybe of JSON in a text of JSON.
PARAMETER = re.compile(
    r"(?P<before>(?:(?P<sign>[?&])|(?<![\w-]))(?P<name>[\w-]+)=)(?P<value>[^&\s\"'#]+)(?P<after>)"
)
JSON_FIELD = re.compile(
    r"""(?P<before>(?P<quote>\\*["'])(?P<name>[\w-]+)(?P=quote)\s*:\s*(?P=quote))"""
    r"""(?P<value>.+?)(?P<after>(?<!\\)(?P=quote))"""
)

# What somebody writes: `password: x`, `API key = "x"`. The value has to look like a key.
WRITTEN = re.compile(
    r"""(?P<before>(?<![\w-])(?P<name>(?:(?i:api|access|secret|private)\ )?[\w-]{1,99})"""
    r"""\s{0,9}[:=]\s{0,9}["'`]?)(?P<value>[^\s"'`,;&<>]{6,})(?P<after>)"""
)


def is_secret_name(name: str) -> bool:
    """Whether a header, parameter or field of this name holds a secret."""
    return _SECRET_NAME.fullmatch(_plain(name)) is not None


def is_secret_parameter(name: str) -> bool:
    """Whether a parameter of the URL that is asked proves who asks."""
    return is_secret_name(name) or name.lower() in _SECRET_PARAMETERS


def names_secret(name: str, value: str, *, in_url: bool = False) -> bool:
    """Whether a field or a parameter in a text holds a secret, as its name and its value show."""
    if is_secret_name(name):
        return True
    may_be = _TOKEN_NAME.fullmatch(_plain(name)) or (in_url and name.lower() in _SECRET_PARAMETERS)
    return bool(may_be) and _looks_random(unquote_plus(value))


def like_a_key(value: object) -> bool:
    """Whether the value of a secret name could be no word: that is no secret in a prompt."""
    return isinstance(value, str) and _LIKE_A_KEY.fullmatch(value) is not None


def environment_secrets() -> Iterator[str]:
    """What variables such as `MY_API_KEY` hold, if it is no number and no file's name."""
    for name, value in os.environ.items():
        if _SECRET_VARIABLE.search(name.upper()) and not value.isdigit():
            is_phrase = "PASS" in name.upper() and len(value) >= 20
            if (is_phrase or like_a_key(value)) and not os.path.exists(value):
                yield value


def replace_shapes(text: str, *, pattern: re.Pattern[str], mask: Callable[[str], str]) -> str:
    """Return `text` with all that `pattern` finds, and is a secret, replaced by its mask."""

    def replaced(match: re.Match[str]) -> str:
        if pattern is _PREFIXED and not _looks_random(match["body"]):
            return match[0]
        if pattern is not _AFTER:
            return mask(match[0]) if match[0] else ""
        secret = match["secret"]
        is_one = _runs(secret, 8, 20) or basic_password(secret) is not None
        return match["before"] + mask(secret) if is_one else match[0]

    return pattern.sub(replaced, text)


def basic_password(credentials: str) -> str | None:
    """Return the password of HTTP's basic credentials; None if they are none."""
    try:
        name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if colon and name.isprintable() else None


def _plain(name: str) -> str:
    return re.sub(r"[-_ .]", "", name).lower()


def _looks_random(text: str) -> bool:
    """Whether it is drawn at random, as keys are, and made of no words."""
    kinds = (re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]"))
    is_one = not re.search(r"\s", text)
    return is_one and (_runs(text, 16, 30) or (len(text) >= 36 and all(kinds)))


def _runs(text: str, mixed: int, plain: int) -> bool:
    """Whether so many letters and digits, or so many of either, stand together in it."""
    for run in re.findall(f"[A-Za-z0-9]{{{mixed},}}", text):
        if len(run) >= plain or not (run.isalpha() or run.isdigit()):
            return True
    return False
