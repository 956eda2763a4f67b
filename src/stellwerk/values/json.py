"""JSON values of orders and the codec all layers share.

Numbers are `int` or `decimal.Decimal` (34 significant digits), never `float` (ARCHITECTURE: Decoding).
`None` is the *missing* value. Objects keep their member order.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, TypeAlias

import msgspec

JsonValue: TypeAlias = "str | int | Decimal | bool | list[JsonValue] | dict[str, JsonValue] | None"

#: Decimal arithmetic of the expression language: 34 significant digits, half-even (workflow spec 6.4).
DECIMAL_CONTEXT = Context(prec=34, rounding=ROUND_HALF_EVEN, Emin=-6143, Emax=6144)

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)


def encode(value: Any) -> bytes:
    """Compact JSON of structs and plain values; Decimals become JSON numbers."""
    return _encoder.encode(value)


def decode(data: bytes | str) -> Any:
    """Plain values of trusted JSON; non-integers become Decimals.

    Raises `msgspec.DecodeError`. For text that people write use `stellwerk.language.reader`.
    """
    return _decoder.decode(data)


def decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """A typed decoder that keeps non-integers as Decimals where the type is open."""
    return msgspec.json.Decoder(type_, float_hook=Decimal)
