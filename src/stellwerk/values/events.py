"""The envelope of an event and its bytes (orders spec 1).

One journaled or streamed event is one line:

    {"eventId":1748772000123001,"timestamp":1748771999800,"Key":"A","TYPE":"OrderMoved","to":[1]}

`timestamp` (epoch milliseconds) is omitted when it equals `eventId // 1000`; `Key` is absent for events about the
node itself. Encode once: the *body* (`{"TYPE":...}`) is encoded when the event is decided; the envelope is put in
front of those bytes, and a Controller that takes over an Agent's event puts a new envelope around the same body.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.values.json import encode

#: The key of an event: order id, agent path, ...; a list for plans; None for events about the node itself.
EventKey = str | list[str] | None


class Envelope(msgspec.Struct, frozen=True, rename={"event_id": "eventId", "key": "Key", "type": "TYPE"}):
    """What every reader needs of a line, without decoding the body."""

    event_id: int
    type: str
    timestamp: int | None = None
    key: Any = None

    @property
    def timestamp_ms(self) -> int:
        """The time of the event in milliseconds since 1970; the originator's time for events taken over."""
        return self.event_id // 1000 if self.timestamp is None else self.timestamp


_envelope_decoder = msgspec.json.Decoder(Envelope)


def decode_envelope(line: bytes | memoryview) -> Envelope:
    return _envelope_decoder.decode(line)


def encode_line(event_id: int, key: EventKey, body: bytes, timestamp_ms: int | None = None) -> bytes:
    """One stamped event as one line *without* line feed. `body` is the event's own JSON object, `{"TYPE":...}`."""
    head = b'{"eventId":%d' % event_id
    if timestamp_ms is not None and timestamp_ms != event_id // 1000:
        head += b',"timestamp":%d' % timestamp_ms
    if key is not None:
        head += b',"Key":' + encode(key)
    return head + b"," + body[1:]


class KeyedEvent(msgspec.Struct, frozen=True):
    """An event with its key, not yet stamped. `timestamp_ms` only for events of another node that are taken over."""

    key: Any
    event: Any
    timestamp_ms: int | None = None
