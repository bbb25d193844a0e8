"""Typed JSON: what a journal holds of states, nodes and outputs, without pickles.

Where an annotation says what a value is, it is plain JSON that a person can read; everything else
says its own type. A value comes back equal by digest and types, or it is refused, with its path,
before anything is written. Names in the JSON are looked up in the graph, never imported.
"""

from lift_sys.durability.codec.codec import Codec
from lift_sys.durability.codec.instances import codec_for, told_start
from lift_sys.durability.codec.names import Names
from lift_sys.durability.codec.successors import (
    UNNAMED_SUBGRAPH,
    decode_asked,
    decode_successor,
    encode_successor,
    parted,
)
from lift_sys.durability.codec.type_forms import decode_type, encode_type
from lift_sys.durability.codec.writes import apply_writes, check_writes, encode_writes

__all__ = [
    "UNNAMED_SUBGRAPH",
    "Codec",
    "Names",
    "apply_writes",
    "check_writes",
    "codec_for",
    "decode_asked",
    "decode_successor",
    "decode_type",
    "encode_successor",
    "encode_type",
    "encode_writes",
    "parted",
    "told_start",
]
