"""`/settings`, `/settings/store`: settings of the whole Cockpit (cockpit-api 2.3, cockpit-services 8)."""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.api.configurations import MANAGE_SETTINGS, ConfigurationAnswer, settings_view
from stellwerk.cockpit.api.decoding import first_json_value
from stellwerk.cockpit.api.routes import NoRequest, Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.settings.settings import Settings


class StoreRequest(msgspec.Struct, rename="camel"):
    """`configurationItem`: JSON as text."""

    configuration_item: str


async def settings(context: RequestContext, request: NoRequest) -> ConfigurationAnswer:
    """All settings with their present values."""
    return ConfigurationAnswer(timestamp(context.now_ms()), await settings_view(context))


async def store(context: RequestContext, request: StoreRequest) -> Ok:
    """Replace the settings; what is left out gets its default. They take effect at once, on all members."""
    await context.services.get(Settings).store(first_json_value(request.configuration_item.encode()))
    return context.ok()


ROUTES = [
    Route("/settings", NoRequest, ConfigurationAnswer, MANAGE_SETTINGS, False, settings),
    Route("/settings/store", StoreRequest, Ok, MANAGE_SETTINGS, True, store, category="SETTINGS"),
]
