"""`/utilities/*`: small computations for clients (cockpit-api 7)."""

from __future__ import annotations

import hashlib
from zoneinfo import available_timezones

import msgspec
from sqlalchemy import select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.orders import OrderIdsAnswer, OrdersRequest, selection
from stellwerk.cockpit.api.routes import Answer, NoRequest, RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.order_selection import OrderFinder
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.database.tables.live import live_orders
from stellwerk.language.daily_plan.order_ids import is_cyclic, main_part


class RelativeDates(msgspec.Struct, rename="camel"):
    """`relativDates` in, `absoluteDates` out, in the same order; the name is as published."""

    time_zone: str | None = None
    relativ_dates: list[str] = []
    absolute_dates: list[str] = []


class TimeZones(msgspec.Struct, frozen=True):
    timezones: list[str]


async def convert_relative_dates(context: RequestContext, request: RelativeDates) -> RelativeDates:
    """What relative dates such as `-1d` mean now."""
    now_ms = context.now_ms()
    instants = [instant_ms(text, now_ms, time_zone=request.time_zone) for text in request.relativ_dates]
    if None in instants:
        raise BadRequest("relativDates: an empty text is no date")
    return RelativeDates(
        time_zone=request.time_zone or "UTC",
        relativ_dates=request.relativ_dates,
        absolute_dates=[timestamp(instant) for instant in instants if instant is not None],
    )


async def timezones(context: RequestContext, request: NoRequest) -> TimeZones:
    """The time zones that can be given."""
    return TimeZones(sorted(available_timezones()))


async def cyclic_orders(context: RequestContext, request: OrdersRequest) -> OrderIdsAnswer:
    """The orders that a request means; one of a cycle stands for all of the cycle that are at the Controller."""
    await context.services.get(Registry).controller(request.controller_id)
    found = await context.services.get(OrderFinder).select(request.controller_id, selection(context, request))
    ids = dict.fromkeys(order.order_id for order in found)
    cycles = sorted({main for id_ in ids if (main := main_part(id_)) is not None and is_cyclic(main)})
    table = live_orders.c
    async with context.database.read() as connection:
        for main in cycles:
            query = select(table.order_id).where(
                table.controller_id == request.controller_id,
                table.order_id.startswith(main, autoescape=True),
                ~table.is_child,
            )
            ids |= dict.fromkeys((await connection.execute(query)).scalars())
    return OrderIdsAnswer(timestamp(context.now_ms()), sorted(ids))


async def hash_(context: RequestContext, request: NoRequest) -> Answer:
    """The SHA-512 of the body, as hexadecimal text."""
    return Answer(hashlib.sha512(context.raw_body).hexdigest().encode(), media_type="text/plain; charset=UTF-8")


ROUTES = [
    Route("/utilities/convert_relative_dates", RelativeDates, RelativeDates, None, False, convert_relative_dates),
    Route("/utilities/timezones", NoRequest, TimeZones, None, False, timezones),
    Route("/utilities/timezones", NoRequest, TimeZones, None, False, timezones, method="GET"),
    Route("/utilities/cyclic_orders", OrdersRequest, OrderIdsAnswer, "ctl:orders:view", False, cyclic_orders),
    Route("/utilities/hash", NoRequest, None, "joc:administration:settings:view", False, hash_, text=True),
]
