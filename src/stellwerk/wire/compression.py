"""Compressed bodies (journal spec 3.1): gzip and deflate in requests, gzip in answers to those who ask for it.

A request body is never expanded beyond the limit that its route gives: what is larger is refused while it is being
expanded, so that a bomb costs no more memory than an honest body.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

from stellwerk.wire.responses import HttpError

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP = 16 + zlib.MAX_WBITS
_MAXIMUM_MEMBERS = 100
#: Smaller answers are not worth the work.
MINIMUM_COMPRESSED_BYTES = 4096


def expand(body: bytes, encoding: str, limit: int) -> bytes:
    """The content of `body`; 413 beyond `limit` bytes, 415 for an unknown encoding, 400 for a broken body."""
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip" | "x-gzip":
            window = _GZIP_OR_ZLIB
        case "deflate":
            # RFC 9110 means the zlib form, but raw deflate is found in the wild; a zlib header tells them apart.
            is_zlib = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            window = _GZIP_OR_ZLIB if is_zlib else _RAW_DEFLATE
        case other:
            raise HttpError(415, f"Content-Encoding {other} is not supported. Use gzip, deflate or none")
    parts: list[bytes] = []
    room = limit
    try:
        while body:  # a gzip body may consist of several members
            if len(parts) == _MAXIMUM_MEMBERS:  # each costs a copy of what follows
                raise HttpError(400, f"The compressed request body consists of more than {_MAXIMUM_MEMBERS} members")
            member = zlib.decompressobj(window)
            part = member.decompress(body, room + 1)
            if len(part) > room:
                raise HttpError(413, f"The expanded request body is larger than {limit} bytes")
            if not member.eof:
                raise HttpError(400, "The compressed request body is incomplete")
            parts.append(part)
            room -= len(part)
            body = member.unused_data
    except zlib.error as error:
        raise HttpError(400, f"The request body cannot be expanded: {error}") from error
    return b"".join(parts)


def compress(body: bytes) -> bytes:
    """`body` as one gzip member, at the fastest level."""
    compressor = zlib.compressobj(1, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()


async def compressed_chunks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The stream as gzip; each chunk is flushed, so that nothing (no heartbeat) waits for the next one."""
    compressor = zlib.compressobj(1, wbits=_GZIP)
    async for chunk in chunks:
        yield compressor.compress(chunk) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()
