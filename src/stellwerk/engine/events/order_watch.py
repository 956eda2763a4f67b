"""Events of file watches (orders spec 6.7). The key is the OrderWatchPath."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.values.problems import Problem


class _OrderWatchEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    pass


class ExternalOrderAppeared(_OrderWatchEvent, frozen=True, kw_only=True):
    """Agent: a file has been found. `arguments` holds `file`, its absolute path."""

    external_order_name: str
    arguments: dict[str, Any]


class ExternalOrderVanished(_OrderWatchEvent, frozen=True, kw_only=True):
    """Agent: the file has gone."""

    external_order_name: str


class ExternalOrderRejected(_OrderWatchEvent, frozen=True, kw_only=True):
    """Controller: no order could be added; it is not tried again before the file comes anew."""

    external_order_name: str
    problem: Problem


AnyOrderWatchEvent = ExternalOrderAppeared | ExternalOrderVanished | ExternalOrderRejected
