"""Numpy values in a form that is the same for equal values: dtype, shape, elements in C order.

Numpy is never imported here: a numpy value can only exist where somebody has imported it. Before
editing: raw bytes of an array are no value where they hold padding or addresses (long doubles,
structured types, objects, variable-length text); those go by element.
"""

from __future__ import annotations

import sys
from typing import Any

_BY_BYTES = frozenset("?bhilqpBHILQPefdFDmMSUV")
"""Characters of the dtypes whose bytes are their value, up to the many forms of NaN."""


def scalar_payload(scalar: Any) -> tuple[str, bytes] | None:
    """Return `(dtype, bytes)` of a numpy scalar, or None for a structured one.

    Long doubles are written in their shortest exact digits.
    """
    dtype = scalar.dtype
    if dtype.names is not None or dtype.hasobject:
        return None
    if dtype.char in _BY_BYTES:
        return _dtype_text(dtype), _canonical_bytes(_numpy().asarray(scalar))
    return _dtype_text(dtype), repr(scalar).encode()


def array_children(array: Any) -> list[Any]:
    """Return what an array consists of: dtype, shape and content, as values or smaller arrays."""
    dtype = array.dtype
    if dtype.names is not None:
        fields = [part for name in dtype.names for part in (name, array[name])]
        return ["structured", array.shape, *fields]
    if dtype.char in _BY_BYTES:
        return [_dtype_text(dtype), array.shape, _canonical_bytes(array)]
    elements = array.ravel(order="C")
    content = [repr(item) for item in elements] if dtype.char in "gG" else elements.tolist()
    return [_dtype_text(dtype), array.shape, content]


def _numpy() -> Any:
    return sys.modules["numpy"]


def _dtype_text(dtype: Any) -> str:
    return f"{dtype.str} {dtype.name}"


def _canonical_bytes(array: Any) -> bytes:
    if array.dtype.kind not in "fc":
        return bytes(array.tobytes(order="C"))
    flat = _numpy().array(array, order="C", copy=True).reshape(-1)
    parts = flat.view(flat.real.dtype)  # a complex number is two floats, either may be NaN
    parts[parts != parts] = _numpy().nan
    return bytes(flat.tobytes())
