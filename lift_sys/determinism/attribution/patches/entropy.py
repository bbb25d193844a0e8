"""Entropy: what the operating system draws, and every generator that is seeded by it.

`secrets`, `random.SystemRandom` and numpy's unseeded generators all draw through `random._urandom`,
and `uuid4` through `os.urandom`; so these two are the source, and the rest follows.
"""

from __future__ import annotations

import os
import random
import uuid
from typing import Any

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.aliases import Replacements

# 100 ns steps between the calendar of uuid1 (15 October 1582) and 1970: RFC 9562, section 5.1.
_GREGORIAN_OFFSET = 0x01B21DD213814000


def patch_entropy(controls: Controls, replaced: Replacements) -> None:
    """Patch `os.urandom`, what draws from it, and generators without a seed."""
    real_urandom, real_seed, real_uuid1 = os.urandom, random.Random.seed, uuid.uuid1

    def urandom(size: int, /) -> bytes:
        if not controls.active:
            return real_urandom(size)
        return controls.random_bytes(size, controls.asked("entropy", "os.urandom"))

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        if a is None and controls.active:
            a = int.from_bytes(urandom(32))
        real_seed(self, a, version)

    def uuid1(node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
        if not controls.active:
            return real_uuid1(node, clock_seq)
        import time

        stamp = time.time_ns() // 100 + _GREGORIAN_OFFSET
        if clock_seq is None:
            clock_seq = int.from_bytes(urandom(2)) & 0x3FFF
        if node is None:
            node = int.from_bytes(urandom(6)) | (1 << 40)  # multicast: no machine's address
        low, middle, high = stamp & 0xFFFFFFFF, stamp >> 32 & 0xFFFF, stamp >> 48 & 0x0FFF
        fields = (low, middle, high, clock_seq >> 8 & 0x3F, clock_seq & 0xFF, node)
        return uuid.UUID(fields=fields, version=1)

    replaced.put(os, "urandom", urandom)
    replaced.put(random, "_urandom", urandom)
    if hasattr(os, "getrandom"):
        replaced.put(os, "getrandom", lambda size, flags=0: urandom(size))
    replaced.put(random.Random, "seed", seed)
    replaced.put(uuid, "uuid1", uuid1)
