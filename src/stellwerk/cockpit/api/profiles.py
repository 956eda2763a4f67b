"""`/profile/prefs*`, `/profiles*`: preferences (cockpit-api 7). The same rows as `/configuration`, type PROFILE."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.configurations import MAXIMUM_CHARACTERS, default_profile
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.iam_accounts import MANAGE
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.directory import Directory
from stellwerk.cockpit.settings.configurations import Configurations, Key


class PreferencesRequest(msgspec.Struct, rename="camel"):
    controller_id: str = ""
    account_name: str = ""


class StoreRequest(msgspec.Struct, rename="camel"):
    profile_item: str
    controller_id: str = ""
    account_name: str = ""


class ProfilesRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str | None = None


class DeleteRequest(msgspec.Struct, rename="camel"):
    """`complete`: also everything else that the accounts have stored for themselves."""

    accounts: list[str]
    complete: bool = False


class Profile(msgspec.Struct, frozen=True, rename="camel"):
    account_name: str
    profile_item: str
    modified: str | msgspec.UnsetType = msgspec.UNSET


class Profiles(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    profiles: list[Profile]


def _account(context: RequestContext, name: str) -> str:
    """Whose preferences: the own ones need no permission."""
    if name in ("", context.account):
        return context.account
    context.require(MANAGE)
    return name


async def preferences(context: RequestContext, request: PreferencesRequest) -> Profile:
    """Preferences of an account; those of the default account until it has stored its own."""
    account = _account(context, request.account_name)
    key = Key(configuration_type="PROFILE", account=account)
    found = await context.services.get(Configurations).find(key)
    if found is not None:
        return Profile(account, found.configuration_item, timestamp(found.modified))
    default = await default_profile(context)
    return Profile(account, "{}" if default is None else default.configuration_item)


async def store_preferences(context: RequestContext, request: StoreRequest) -> Ok:
    """Store preferences; the text is not looked at."""
    account = _account(context, request.account_name)
    if len(request.profile_item) > MAXIMUM_CHARACTERS:
        raise BadRequest(f"profileItem is longer than {MAXIMUM_CHARACTERS} characters")
    key = Key(configuration_type="PROFILE", account=account)
    await context.services.get(Configurations).save(key, request.profile_item)
    return context.ok()


async def profiles(context: RequestContext, request: ProfilesRequest) -> Profiles:
    """Who has stored preferences; of all accounts, or of those of an identity service."""
    found = await context.services.get(Configurations).matching(configuration_type="PROFILE")
    if request.identity_service_name:
        accounts = await context.services.get(Directory).accounts(request.identity_service_name)
        names = {account.name for account in accounts}
        found = [one for one in found if one.account in names]
    items = [Profile(one.account, one.configuration_item, timestamp(one.modified)) for one in found]
    return Profiles(timestamp(context.now_ms()), items)


async def delete(context: RequestContext, request: DeleteRequest) -> Ok:
    """Delete preferences of accounts."""
    values: dict[str, Any] = {"account": [name for name in request.accounts if name not in ("", ".")]}
    if not request.complete:
        values["configuration_type"] = "PROFILE"
    await context.services.get(Configurations).delete(**values)
    return context.ok()


ROUTES = [
    Route("/profile/prefs", PreferencesRequest, Profile, None, False, preferences),
    Route("/profile/prefs/store", StoreRequest, Ok, None, False, store_preferences),
    Route("/profiles", ProfilesRequest, Profiles, MANAGE, False, profiles),
    Route("/profiles/delete", DeleteRequest, Ok, MANAGE, True, delete, category="SETTINGS"),
]
