"""What stands in a cassette in place of a secret.

Before editing: two requests that differ may never become one. So a secret that is found in what is
asked leaves a mask that only it has; only what is known to prove who asks, such as the key that was
sent, leaves the same mark as any other, so that a recording can be played with another key. A mask
lets who has the file try out guesses: each cassette has a salt of its own, and a guess is slow.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable

__all__ = ["SCRUBBED", "Mask", "is_mask", "is_salt", "new_salt", "outside"]

#: In place of what proves who asks.
SCRUBBED = "[scrubbed]"
_MASK = re.compile(r"(\[scrubbed(?:-[0-9a-f]{16})?\])")
_SALT = re.compile(r"[0-9a-f]{32}")


class Mask:
    """Makes masks: the same of the same secret, and for others another one.

    Args:
        salt: What makes those of each cassette its own.
    """

    def __init__(self, salt: str) -> None:
        self.salt = salt
        self._made: dict[str, str] = {}

    def __call__(self, secret: str) -> str:
        """Return the mask of `secret`; a mask stays as it is."""
        if is_mask(secret):
            return secret
        mask = self._made.get(secret)
        if mask is None:
            plain = secret.encode("utf-8", "surrogatepass")
            # Some 20 ms, so that a list of usual passwords is not gone through in a moment.
            digest = hashlib.scrypt(
                plain, salt=bytes.fromhex(self.salt), n=2**13, r=8, p=1, dklen=8
            )
            mask = self._made[secret] = f"[scrubbed-{digest.hex()}]"
        return mask

    def __contains__(self, secret: object) -> bool:
        """Whether it has made a mask of this."""
        return secret in self._made


def new_salt() -> str:
    """Return a salt for a new cassette."""
    return secrets.token_hex(16)


def is_salt(salt: object) -> bool:
    """Whether it is one: 32 hexadecimal digits."""
    return isinstance(salt, str) and _SALT.fullmatch(salt) is not None


def is_mask(text: str) -> bool:
    """Whether a text is what stands for a secret, and nothing else."""
    return _MASK.fullmatch(text) is not None


def outside(text: str, change: Callable[[str], str]) -> str:
    """Return `text` with what stands between its masks changed; these stay what they are."""
    if "[scrubbed" not in text:
        return change(text)
    pieces = _MASK.split(text)
    return "".join(piece if index % 2 else change(piece) for index, piece in enumerate(pieces))
