"""`/notification*`: the notification configuration in XML, as a draft and released (cockpit-services 6.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.monitoring import MANAGE, VIEW
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.monitoring.configuration import read_configuration
from stellwerk.cockpit.monitoring.schema import SCHEMA, SCHEMA_NAME
from stellwerk.cockpit.monitoring.store import NAME, NotificationStore, Stored
from stellwerk.cockpit.monitoring.xml_tree import MAXIMUM_CHARACTERS, XmlError


class ReadRequest(msgspec.Struct, rename="camel"):
    """`forceRelease`: what is released, though there is a draft."""

    force_release: bool = False


class StoreRequest(msgspec.Struct, rename="camel"):
    configuration: str
    configuration_json: str | None = None


class ReleaseRequest(msgspec.Struct, rename="camel"):
    """Without `configuration`: the draft."""

    configuration: str | None = None
    configuration_json: str | None = None


class DeleteRequest(msgspec.Struct, rename="camel"):
    """`release`: also what is in force."""

    release: bool = False


class ReadAnswer(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Type `ReadStandardConfigurationAnswer`."""

    configuration: str
    schema: str
    state: str
    released: bool
    has_releases: bool
    id: int | None = None
    name: str = ""
    configuration_json: str | None = None
    recreate_json: bool = False
    schema_identifier: str = ""
    validation: dict[str, Any] | None = None
    configuration_date: str | None = None


class StoreAnswer(msgspec.Struct, frozen=True, rename="camel"):
    id: int
    name: str
    modified: str
    state: str
    released: bool
    has_releases: bool


async def read(context: RequestContext, request: ReadRequest) -> ReadAnswer:
    """The draft, else what is released."""
    return _answer(await context.services.get(NotificationStore).read(), is_draft_wanted=not request.force_release)


async def store(context: RequestContext, request: StoreRequest) -> StoreAnswer:
    """Keep a draft."""
    if len(request.configuration) > MAXIMUM_CHARACTERS:
        raise BadRequest(f"configuration: at most {MAXIMUM_CHARACTERS} characters")
    configurations = context.services.get(NotificationStore)
    await configurations.store(request.configuration, request.configuration_json, context.account)
    stored = await configurations.read()
    assert stored is not None and stored.draft_modified is not None, "it has just been stored"
    has_releases = stored.released is not None
    return StoreAnswer(stored.id, NAME, timestamp(stored.draft_modified), _state(stored), False, has_releases)


async def release(context: RequestContext, request: ReleaseRequest) -> ReadAnswer:
    """Put a configuration in force, at once and on all members."""
    configurations = context.services.get(NotificationStore)
    await configurations.release(request.configuration, request.configuration_json, context.account)
    return _answer(await configurations.read(), is_draft_wanted=True)


async def delete(context: RequestContext, request: DeleteRequest) -> ReadAnswer:
    """Delete the draft, or everything."""
    configurations = context.services.get(NotificationStore)
    await configurations.delete(context.account, is_released_too=request.release)
    return _answer(await configurations.read(), is_draft_wanted=True)


def _answer(stored: Stored | None, *, is_draft_wanted: bool) -> ReadAnswer:
    state = _state(stored)
    has_releases = stored is not None and stored.released is not None
    is_draft = stored is not None and stored.draft is not None and (is_draft_wanted or not has_releases)
    xml = None if stored is None else stored.draft if is_draft else stored.released
    if stored is None or xml is None:
        return ReadAnswer("", SCHEMA, state, False, False, name=NAME, schema_identifier=SCHEMA_NAME)
    json = stored.draft_json if is_draft else stored.released_json
    modified = stored.draft_modified if is_draft else stored.released_modified
    return ReadAnswer(
        xml,
        SCHEMA,
        state,
        not is_draft,
        has_releases,
        id=stored.id,
        name=NAME,
        configuration_json=json,
        recreate_json=json is None,
        schema_identifier=SCHEMA_NAME,
        validation=validation(xml),
        configuration_date=None if modified is None else timestamp(modified),
    )


def validation(xml: str) -> dict[str, Any] | None:
    """None: it can be released."""
    try:
        read_configuration(xml)
    except XmlError as error:
        position = {"line": error.line, "column": error.column}
        return {"validationError": {"code": "XMLEDITOR-101", "message": error.message, **position}}
    return None


def _state(stored: Stored | None) -> str:
    if stored is None or (stored.draft is None and stored.released is None):
        return "NO_CONFIGURATION_EXIST"
    if stored.draft is None:
        return "DRAFT_NOT_EXIST"
    return "RELEASE_NOT_EXIST" if stored.released is None else "DRAFT_IS_NEWER"


ROUTES = [
    Route("/notification", ReadRequest, ReadAnswer, VIEW, False, read),
    Route("/notification/store", StoreRequest, StoreAnswer, MANAGE, True, store, category="MONITORING"),
    Route("/notification/release", ReleaseRequest, ReadAnswer, MANAGE, True, release, category="MONITORING"),
    Route("/notification/delete", DeleteRequest, ReadAnswer, MANAGE, True, delete, category="MONITORING"),
]
