"""`/configuration*`: profiles, saved filters, configurations of identity services (cockpit-api 2.3, 7).

What an account keeps for itself needs no permission. Configurations of identity services hold secrets: they are for who
manages accounts. The settings (type GLOBALS) are those of `/settings`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.decoding import first_json_value
from stellwerk.cockpit.api.errors import BadRequest, MissingParameter
from stellwerk.cockpit.api.iam_accounts import MANAGE as MANAGE_ACCOUNTS
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.service_settings import check_settings
from stellwerk.cockpit.auth.services import IdentityServices
from stellwerk.cockpit.settings.catalogue import SECTIONS, Entry
from stellwerk.cockpit.settings.configurations import Configuration, Configurations, Key
from stellwerk.cockpit.settings.settings import KEY as SETTINGS_KEY
from stellwerk.cockpit.settings.settings import Settings
from stellwerk.values.json import encode

MANAGE_SETTINGS = "joc:administration:settings:manage"
VIEW_SETTINGS = "joc:administration:settings:view"
_CUSTOMIZATION = "joc:administration:customization"
#: Kept by each account for itself.
_OWN_TYPES = ("CUSTOMIZATION", "IGNORELIST", "PROFILE", "SETTING", "GIT", "APPROVAL")
_TYPES = (*_OWN_TYPES, "GLOBALS", "IAM")
MAXIMUM_CHARACTERS = 1_000_000
MAXIMUM_PER_ACCOUNT = 1000
#: Object type and name of the one configuration of type IAM that belongs to no identity service.
_GENERAL = "GENERAL"


class ConfigurationRequest(msgspec.Struct, rename="camel"):
    """By `id`, or, if that is 0, by the other members."""

    id: int = 0
    controller_id: str = ""
    account: str = ""
    configuration_type: str = ""
    object_type: str = ""
    name: str = ""
    shared: bool = False
    configuration_item: str | None = None


class ConfigurationsRequest(msgspec.Struct, rename="camel"):
    controller_id: str = ""
    account: str = ""
    configuration_type: str = ""
    object_type: str = ""
    shared: bool | None = None


class ConfigurationAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    configuration: dict[str, Any]


class ConfigurationsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    configurations: list[dict[str, Any]]
    default_globals: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class ConfigurationOk(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    id: int


class LoginConfiguration(msgspec.Struct, frozen=True, rename="camel"):
    """What the login page needs to know."""

    default_profile_account: str
    enable_remember_me: bool
    title: str = "Stellwerk"


def view(configuration: Configuration) -> dict[str, Any]:
    members = {
        "id": configuration.id,
        "configurationType": configuration.configuration_type,
        "objectType": configuration.object_type,
        "name": configuration.name,
        "account": configuration.account,
        "controllerId": configuration.controller_id,
        "shared": configuration.shared,
        "configurationItem": configuration.configuration_item,
    }
    return {name: value for name, value in members.items() if value != ""}


def _key(context: RequestContext, request: ConfigurationRequest) -> Key:
    type_ = request.configuration_type
    if type_ not in _TYPES:
        raise BadRequest(f"configurationType '{type_}' is not one of {', '.join(_TYPES)}")
    if type_ == "GLOBALS":
        return SETTINGS_KEY
    if type_ == "IAM":
        return Key(configuration_type=type_, object_type=request.object_type, name=request.name)
    return Key(
        configuration_type=type_,
        object_type=request.object_type,
        name=request.name,
        account=request.account or context.account,
        # Preferences are of a person, not of a Controller.
        controller_id="" if type_ == "PROFILE" else request.controller_id,
    )


def _require(context: RequestContext, key: Key, *, changes: bool, is_shared: bool = False) -> None:
    if key.configuration_type == "GLOBALS":
        context.require(MANAGE_SETTINGS if changes else VIEW_SETTINGS)
    elif key.configuration_type == "IAM":
        context.require(MANAGE_ACCOUNTS)
    elif key.account != context.account:
        if key.configuration_type != "CUSTOMIZATION":
            context.require(MANAGE_ACCOUNTS)
        elif is_shared and not changes:
            context.require(f"{_CUSTOMIZATION}:view")
        else:
            context.require(f"{_CUSTOMIZATION}:manage")


async def _check_identity_service(context: RequestContext, key: Key) -> None:
    if _GENERAL not in (key.object_type, key.name):
        await context.services.get(IdentityServices).read(key.name)


async def configuration(context: RequestContext, request: ConfigurationRequest) -> ConfigurationAnswer:
    """One configuration; an empty one if nothing has been stored under the key."""
    configurations = context.services.get(Configurations)
    now = timestamp(context.now_ms())
    if request.id:
        found: Configuration | None = await configurations.read(request.id)
        assert found is not None
        key = found.key
    else:
        key, found = _key(context, request), None
    if key.configuration_type == "GLOBALS":
        _require(context, key, changes=False)
        return ConfigurationAnswer(now, await settings_view(context))
    if found is None:
        found = await configurations.find(key)
    _require(context, key, changes=False, is_shared=found is not None and found.shared)
    if found is None and key.configuration_type == "IAM":
        await _check_identity_service(context, key)
    elif found is None and key.configuration_type == "PROFILE":
        found = await default_profile(context)
    item = "{}" if found is None else found.configuration_item
    if found is None or found.key != key:
        found = Configuration(id=0, configuration_item=item, **msgspec.structs.asdict(key))
    return ConfigurationAnswer(now, view(found))


async def default_profile(context: RequestContext) -> Configuration | None:
    """With it new accounts begin."""
    account = context.services.get(Settings).text("joc", "default_profile_account") or ""
    return await context.services.get(Configurations).find(Key(configuration_type="PROFILE", account=account))


async def settings_view(context: RequestContext) -> dict[str, Any]:
    """The settings as a configuration; who may read them is the caller's to ask."""
    found = await context.services.get(Configurations).find(SETTINGS_KEY)
    return {
        "id": 0 if found is None else found.id,
        "configurationType": "GLOBALS",
        "account": SETTINGS_KEY.account,
        "shared": False,
        "configurationItem": encode(context.services.get(Settings).document()).decode(),
    }


async def configurations(context: RequestContext, request: ConfigurationsRequest) -> ConfigurationsAnswer:
    """The own configurations, and those that others share; with type GLOBALS the settings and their catalogue."""
    now = timestamp(context.now_ms())
    if request.configuration_type == "GLOBALS":
        context.require(VIEW_SETTINGS)
        return ConfigurationsAnswer(now, [await settings_view(context)], _catalogue())
    account = request.account or context.account
    if account != context.account:
        context.require(MANAGE_ACCOUNTS)
    values = {"configuration_type": request.configuration_type, "object_type": request.object_type}
    given: dict[str, str | bool] = {name: value for name, value in values.items() if value}
    store = context.services.get(Configurations)
    found = {one.id: one for one in await store.matching(account=account, **given)}
    if context.session.permissions.allows(f"{_CUSTOMIZATION}:view"):
        found |= {one.id: one for one in await store.matching(shared=True, **given)}
    chosen = [
        view(one)
        for one in found.values()
        if one.configuration_type in _OWN_TYPES
        and request.shared in (None, one.shared)
        and (not request.controller_id or one.controller_id in ("", request.controller_id))
    ]
    return ConfigurationsAnswer(now, chosen)


def _catalogue() -> dict[str, Any]:
    def shown(ordering: int, entry: Entry) -> dict[str, Any]:
        result: dict[str, Any] = {"type": entry.type, "ordering": ordering}
        if entry.default is not None:
            result["default"] = entry.default
        if entry.values:
            result["values"] = list(entry.values)
        if entry.children:
            result["children"] = {name: shown(n, child) for n, (name, child) in enumerate(entry.children.items())}
        return result

    return {
        section: {"ordering": number, **{name: shown(n, entry) for n, (name, entry) in enumerate(entries.items())}}
        for number, (section, entries) in enumerate(SECTIONS.items())
    }


async def save(context: RequestContext, request: ConfigurationRequest) -> ConfigurationOk:
    """Store a configuration under its id or key."""
    if request.configuration_item is None:
        raise MissingParameter("configurationItem")
    if len(request.configuration_item) > MAXIMUM_CHARACTERS:
        raise BadRequest(f"configurationItem is longer than {MAXIMUM_CHARACTERS} characters")
    store = context.services.get(Configurations)
    key = (await store.read(request.id)).key if request.id else _key(context, request)
    _require(context, key, changes=True)
    if request.shared:
        _require_share(context, key)
    if key.configuration_type == "GLOBALS":
        document = first_json_value(request.configuration_item.encode())
        return ConfigurationOk(timestamp(context.now_ms()), await context.services.get(Settings).store(document))
    if key.configuration_type == "IAM":
        document = first_json_value(request.configuration_item.encode())
        if not isinstance(document, dict):
            raise BadRequest("configurationItem must be a JSON object")
        if _GENERAL not in (key.object_type, key.name):
            service = await context.services.get(IdentityServices).read(key.name)
            if service.required and not service.disabled:
                # Unusable ones would lock everybody out; others may be completed later.
                check_settings(key.object_type, document)
    elif await store.find(key) is None and len(await store.matching(account=key.account)) >= MAXIMUM_PER_ACCOUNT:
        raise BadRequest(f"account '{key.account}' has {MAXIMUM_PER_ACCOUNT} configurations; delete some first")
    id_ = await store.save(key, request.configuration_item, shared=request.shared)
    return ConfigurationOk(timestamp(context.now_ms()), id_)


def _require_share(context: RequestContext, key: Key) -> None:
    if key.configuration_type != "CUSTOMIZATION":
        raise BadRequest(f"a configuration of type {key.configuration_type} cannot be shared")
    context.require(f"{_CUSTOMIZATION}:share")


async def delete(context: RequestContext, request: ConfigurationRequest) -> ConfigurationOk:
    """Delete a configuration by its id."""
    found = await _changed(context, request)
    if found.configuration_type == "GLOBALS":
        raise BadRequest("the settings cannot be deleted; store {} to set all of them to their defaults")
    await context.services.get(Configurations).delete(id=found.id)
    return ConfigurationOk(timestamp(context.now_ms()), found.id)


async def share(context: RequestContext, request: ConfigurationRequest) -> ConfigurationOk:
    """Let others use a saved filter."""
    return await _share(context, request, shared=True)


async def make_private(context: RequestContext, request: ConfigurationRequest) -> ConfigurationOk:
    """Take a saved filter back."""
    return await _share(context, request, shared=False)


async def _share(context: RequestContext, request: ConfigurationRequest, *, shared: bool) -> ConfigurationOk:
    found = await _changed(context, request)
    _require_share(context, found.key)
    await context.services.get(Configurations).share(found.id, shared=shared)
    return ConfigurationOk(timestamp(context.now_ms()), found.id)


async def _changed(context: RequestContext, request: ConfigurationRequest) -> Configuration:
    if not request.id:
        raise MissingParameter("id")
    found = await context.services.get(Configurations).read(request.id)
    _require(context, found.key, changes=True)
    return found


async def login_configuration(context: RequestContext, request: NoRequest) -> LoginConfiguration:
    """For the login page: whose preferences hold, whether credentials may be remembered."""
    settings = context.services.get(Settings)
    return LoginConfiguration(
        default_profile_account=settings.text("joc", "default_profile_account") or "",
        enable_remember_me=settings.boolean("joc", "enable_remember_me"),
    )


def _changing(path: str, handler: Any) -> Route:
    return Route(path, ConfigurationRequest, ConfigurationOk, None, True, handler, category="SETTINGS")


ROUTES = [
    Route("/configuration", ConfigurationRequest, ConfigurationAnswer, None, False, configuration),
    Route("/configurations", ConfigurationsRequest, ConfigurationsAnswer, None, False, configurations),
    _changing("/configuration/save", save),
    _changing("/configuration/delete", delete),
    _changing("/configuration/share", share),
    _changing("/configuration/make_private", make_private),
    *(
        Route(
            "/configuration/login", NoRequest, LoginConfiguration, None, False, login_configuration, method, public=True
        )
        for method in ("POST", "GET")
    ),
]
