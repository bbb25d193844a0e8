"""Addresses and salted hashes, as far as a program can ask for them: `id` and `hash`.

What can't be asked for is held and moved as a whole: another process has another layout, and
`settle_heap` makes the order of addresses of small objects another one, too, as only seldom it is by
itself; or one and the same, whatever was done in the process before.
"""

from __future__ import annotations

import builtins
import gc
import hashlib
import sys
from typing import Any

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.aliases import Replacements

# Turns the order of addresses around without making two of them equal; 47 bits are an address.
_MIRROR = (1 << 47) - 1
# Small objects come from pools by size, in steps of 16 bytes up to 512; a pool has a header and then
# its blocks (CPython 3.11 to 3.13, obmalloc.c: POOL_SIZE with ALIGNMENT 16, POOL_OVERHEAD).
_SIZES = range(16, 513, 16)
_POOL, _POOL_HEADER = 1 << 14, 48
_BYTES_HEADER = 33
_BLOCKS_PER_SIZE = 200
# No more are filled, in a process that has freed most of what it had.
_MOST_POOLS = 30


def patch_address(controls: Controls, replaced: Replacements) -> None:
    """Patch `id` and `hash`, for what the user's own lines ask."""
    real_id, real_hash = builtins.id, builtins.hash
    real_frame = sys._getframe

    def id(value: Any, /) -> int:
        address = real_id(value)
        # Libraries ask for ids all the time, to find objects again; these have to be true.
        if not controls.active or not controls.frames.is_user(real_frame(1).f_code.co_filename):
            return address
        controls.asked("address", "id")
        return address ^ _MIRROR if _is_chosen(controls, "address") else address

    def hash(value: Any, /) -> int:
        result = real_hash(value)
        if not controls.active or not controls.frames.is_user(real_frame(1).f_code.co_filename):
            return result
        controls.asked("hash_seed", "hash")
        return result ^ _MIRROR if _is_chosen(controls, "hash_seed") else result

    replaced.put(builtins, "id", id)
    replaced.put(builtins, "hash", hash)


def _is_chosen(controls: Controls, source: str) -> bool:
    """Whether just this line's ids (or hashes) are to be moved, with the process held."""
    setting = controls.setting
    sites = setting.only.get(source) if setting else None  # type: ignore[call-overload]
    if not sites:
        return False
    place = controls.frames.caller("", depth=3)
    return place is not None and place.key in sites


def settle_heap(level: int) -> list[Any]:
    """Let the order of addresses of what is made from now on depend on `level` alone.

    What was made and freed before has left free blocks behind, and these are handed out first. So
    they are used up, until objects come from empty pools, one behind the other. Levels above 0 then
    make objects and free half of them in an order of their own: freed last, handed out first.

    Returns:
        Objects to be kept alive until the run is over.
    """
    gc.collect()  # empties the free lists of lists, dicts and the like
    kept: list[Any] = []
    for size in _SIZES:
        kept += _until_empty_pool(size)
    if level == 0:
        return kept
    made = [_block(size) for size in _SIZES for _ in range(_BLOCKS_PER_SIZE)]
    drawn = hashlib.shake_256(f"address:{level}".encode()).digest(4 * len(made))
    order = sorted(range(len(made)), key=lambda number: drawn[4 * number : 4 * number + 4])
    made = [made[number] for number in order]
    half = len(made) // 2
    kept += made[:half]
    while len(made) > half:
        made.pop()
    return kept


def _block(size: int) -> Any:
    """An object of this size; none of these types keeps a free list."""
    if size <= 16:
        return object()
    return complex(1, 2) if size <= 32 else bytes(size - _BYTES_HEADER)


def _until_empty_pool(size: int) -> list[Any]:
    """Objects that fill all free blocks of a size, until a pool was filled from end to end."""
    made: list[Any] = []
    per_pool = (_POOL - _POOL_HEADER) // size
    most = 3 * per_pool // 4  # numbers and iterators of this loop are blocks, too
    while len(made) < _MOST_POOLS * per_pool:
        made += [_block(size) for _ in range(per_pool)]
        # Up to the end of a pool. Only an empty one gives its blocks one behind the other.
        left = per_pool - 1 - (id(made[-1]) % _POOL - _POOL_HEADER) // size
        made += [_block(size) for _ in range(left)]
        if id(made[-most]) == id(made[-1]) - (most - 1) * size:
            break
    return made
