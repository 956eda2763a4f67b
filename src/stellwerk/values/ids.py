"""Ids: order ids with their children, run ids (orders spec 2.1, journal spec 1.6)."""

from __future__ import annotations

import base64

from stellwerk.values.problems import ProblemError

CHILD_SEPARATOR = "|"


def check_order_id(order_id: str) -> None:
    """Refuse an id that a command must not use: empty, or with the reserved `|`."""
    if not order_id:
        raise ProblemError.of("EmptyString", type="OrderId")
    if CHILD_SEPARATOR in order_id:
        raise ProblemError("OrderId must not contain reserved characters: |")


def child_order_id(parent: str, child: str) -> str:
    return f"{parent}{CHILD_SEPARATOR}{child}"


def root_order_id(order_id: str) -> str:
    """The id before the first `|`: the order that a person has added."""
    return order_id.split(CHILD_SEPARATOR, 1)[0]


def run_id(random_bytes: bytes) -> str:
    """A journal or run id: 16 random bytes as 22 characters of URL-safe base64 without padding."""
    if len(random_bytes) != 16:
        raise ValueError("a run id is made of 16 bytes")
    return base64.urlsafe_b64encode(random_bytes).rstrip(b"=").decode("ascii")
