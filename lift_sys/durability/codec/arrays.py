"""Numpy arrays and scalars: dtype, shape and bytes. Numpy is imported only to read one."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from lift_sys.durability.codec.leaves import base64_bytes, base64_text
from lift_sys.durability.codec.plan import Encode, Form
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused
from lift_sys.durability.facts import Json

#: Kinds of dtypes whose bytes are their value, here and elsewhere: no objects, no records.
_KINDS = frozenset("biufcmMSU")


def array_writer(kind: type) -> Encode | None:
    """What writes values of a numpy class, or None if it is no such class."""
    numpy = sys.modules.get("numpy") if kind.__module__.partition(".")[0] == "numpy" else None
    if numpy is None:
        return None
    if kind is numpy.ndarray:
        return _write_array
    return _write_scalar if issubclass(kind, numpy.generic) else None


def _write_array(value: Any, walk: Encoding) -> Json:
    walk.meet(value)
    walk.path.pop()
    return {"$": "ndarray", **_content(value), "shape": list(value.shape)}


def _write_scalar(value: Any, walk: Encoding) -> Json:
    return {"$": "numpy", **_content(value)}


def _content(value: Any) -> dict[str, Json]:
    dtype = value.dtype
    if dtype.kind not in _KINDS or dtype.char in "gG":
        raise Refused(value, f"its dtype {dtype} has no exact bytes; take a plain dtype, or a list")
    return {"dtype": dtype.str, "v": base64_text(value.tobytes(order="C"))}


def read_array(data: Form, walk: Decoding) -> Any:
    """Read an array."""
    return _of(data, data["shape"])


def read_scalar(data: Form, walk: Decoding) -> Any:
    """Read a scalar."""
    return _of(data, [1])[0]


def _of(data: Form, shape: list[int]) -> Any:
    try:
        numpy: Any = import_module("numpy")
    except ModuleNotFoundError:
        raise ValueError("this is a numpy value; install numpy to read it") from None
    dtype = numpy.dtype(data["dtype"])
    if dtype.kind not in _KINDS:
        raise ValueError(f"no dtype of plain bytes: {dtype}")
    content = base64_bytes(data["v"])
    if not content:  # no elements, or elements of no length
        return numpy.zeros(shape, dtype)
    return numpy.frombuffer(content, dtype).copy().reshape(shape)
