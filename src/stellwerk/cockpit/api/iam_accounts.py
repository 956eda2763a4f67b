"""`/iam/account*`, `/iam/blockedAccount*`, `/iam/sessions*`: accounts and who is logged in (cockpit-api 2.3)."""

from __future__ import annotations

from typing import Any

import msgspec

from stellwerk.cockpit.api.authentication import PermissionsAnswer, permissions_answer
from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.errors import ApiError, BadRequest, ObjectNotFound
from stellwerk.cockpit.api.routes import Ok, RequestContext, Route, timestamp
from stellwerk.cockpit.auth.delays import LoginBrake
from stellwerk.cockpit.auth.directory import Account, Directory
from stellwerk.cockpit.auth.grants import Grants
from stellwerk.cockpit.auth.sessions import Sessions

VIEW = "joc:administration:accounts:view"
MANAGE = "joc:administration:accounts:manage"
CATEGORY = "IDENTITY"


class AccountsRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str | None = None
    enabled: bool = False
    disabled: bool = False


class AccountRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str


class StoreRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str
    email: str | None = None
    password: str | None = None
    force_password_change: bool = False
    disabled: bool = False
    blocked: bool | None = None
    roles: list[str] | None = None


class RenameRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_old_name: str
    account_new_name: str


class NamesRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_names: list[str]
    enabled: bool = False
    disabled: bool = False


class PasswordRequest(msgspec.Struct, rename="camel"):
    identity_service_name: str
    account_name: str
    password: str = ""
    repeated_password: str = ""
    old_password: str | None = None
    force_password_change: bool = False


class BlockRequest(msgspec.Struct, rename="camel"):
    account_name: str
    comment: str | None = None


class BlockedRequest(msgspec.Struct, rename="camel"):
    account_name: str | None = None
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None
    limit: int = 10_000


class UnblockRequest(msgspec.Struct, rename="camel"):
    account_names: list[str]


class SessionsRequest(msgspec.Struct, rename="camel"):
    account_name: str | None = None
    limit: int = 10_000


class CancelRequest(msgspec.Struct, rename="camel"):
    account_names: list[str] = []
    ids: list[str] = []


class AccountsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    identity_service_name: str
    account_items: list[dict[str, Any]]


class BlockedAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    blocked_accounts: list[dict[str, Any]]


class SessionsAnswer(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    active_sessions: list[dict[str, Any]]


def _view(service: str, account: Account) -> dict[str, Any]:
    view: dict[str, Any] = {
        "identityServiceName": service,
        "accountName": account.name,
        "disabled": account.disabled,
        "blocked": account.blocked,
        "forcePasswordChange": account.force_password_change,
        "roles": account.roles,
    }
    return view if account.email is None else view | {"email": account.email}


async def accounts(context: RequestContext, request: AccountsRequest) -> AccountsAnswer:
    """The accounts of an identity service; only enabled or disabled ones, if one of the two is asked for."""
    service = request.identity_service_name
    found = await context.services.get(Directory).accounts(service, request.account_name)
    if request.enabled != request.disabled:
        found = [one for one in found if one.disabled == request.disabled]
    return AccountsAnswer(timestamp(context.now_ms()), service, [_view(service, one) for one in found])


async def account(context: RequestContext, request: AccountRequest) -> dict[str, Any]:
    """One account."""
    service = request.identity_service_name
    found = await context.services.get(Directory).accounts(service, request.account_name)
    if not found:
        raise ObjectNotFound(f"Couldn't find the account '{request.account_name}' in the identity service '{service}'")
    return _view(service, found[0])


async def store(context: RequestContext, request: StoreRequest) -> Ok:
    """Add or change an account; a new one without a password gets the initial password, which it must change."""
    directory = context.services.get(Directory)
    await directory.store(
        request.identity_service_name,
        request.account_name,
        email=request.email,
        password=request.password,
        force_password_change=request.force_password_change,
        disabled=request.disabled,
        roles=request.roles,
    )
    if request.blocked:
        await directory.block(request.account_name)
    elif request.blocked is not None:
        await directory.unblock([request.account_name])
    return context.ok()


async def rename(context: RequestContext, request: RenameRequest) -> Ok:
    """Give an account another name; its sessions end."""
    await context.services.get(Directory).rename(
        request.identity_service_name, request.account_old_name, request.account_new_name
    )
    return context.ok()


async def delete(context: RequestContext, request: NamesRequest) -> Ok:
    """Delete accounts; their sessions end."""
    await context.services.get(Directory).delete(
        request.identity_service_name,
        request.account_names,
        only_enabled=request.enabled,
        only_disabled=request.disabled,
    )
    return context.ok()


async def enable(context: RequestContext, request: NamesRequest) -> Ok:
    """Let accounts log in again."""
    await context.services.get(Directory).set_disabled(request.identity_service_name, request.account_names, False)
    return context.ok()


async def disable(context: RequestContext, request: NamesRequest) -> Ok:
    """Accounts cannot log in any more; their sessions end."""
    await context.services.get(Directory).set_disabled(request.identity_service_name, request.account_names, True)
    return context.ok()


async def force_password_change(context: RequestContext, request: NamesRequest) -> Ok:
    """Accounts have to change their passwords before they can do anything else."""
    await context.services.get(Directory).force_password_change(request.identity_service_name, request.account_names)
    return context.ok()


async def reset_password(context: RequestContext, request: NamesRequest) -> Ok:
    """Back to the initial password, which must be changed; sessions end."""
    await context.services.get(Directory).reset_passwords(request.identity_service_name, request.account_names)
    return context.ok()


async def change_password(context: RequestContext, request: PasswordRequest) -> Ok:
    """Change the own password, which needs the old one, or (with the permission) that of another account."""
    session, directory = context.session, context.services.get(Directory)
    service, name = request.identity_service_name, request.account_name
    # Whoever has neither the account nor the permission is not told which accounts exist.
    grounds = {ground.account_id for ground in session.grounds} - {None}
    own = bool(grounds) and name == session.account and await directory.account_id(service, name) in grounds
    if not own:
        context.require(MANAGE)
    if request.password != request.repeated_password:
        raise ApiError("password and repeatedPassword differ")
    if own or request.old_password:
        await _check_old_password(context, service, name, request.old_password or "")
    await directory.change_password(
        service,
        name,
        request.password,
        force_password_change=request.force_password_change and not own,
        kept=session.token_hash if own else b"",
    )
    return context.ok()


async def _check_old_password(context: RequestContext, service: str, name: str, password: str) -> None:
    """A stolen session must not serve to guess the password: it is slowed down like the login."""
    brake = context.services.get(LoginBrake)
    async with brake.lock(name, context.address):
        if await context.services.get(Directory).has_password(service, name, password):
            return
        await brake.wait_after_failure(name, context.address)
    raise ApiError("the old password is wrong")


async def permissions(context: RequestContext, request: AccountRequest) -> PermissionsAnswer:
    """What an account may do, as if it logged in now."""
    account_id = await context.services.get(Directory).account_id(request.identity_service_name, request.account_name)
    roles, granted = await context.services.get(Grants).roles_of(account_id)
    return permissions_answer(roles, granted)


async def block(context: RequestContext, request: BlockRequest) -> Ok:
    """Put a name on the block list of all identity services; sessions of the account end."""
    await context.services.get(Directory).block(request.account_name, request.comment)
    return context.ok()


async def blocked(context: RequestContext, request: BlockedRequest) -> BlockedAnswer:
    """The block list, newest first."""
    now, zone = context.now_ms(), request.time_zone
    found = await context.services.get(Directory).blocked(
        request.account_name,
        instant_ms(request.date_from, now, time_zone=zone, is_past=True),
        instant_ms(request.date_to, now, time_zone=zone, is_end=True, is_past=True),
        request.limit,
    )
    items = [
        {"accountName": one.name, "since": timestamp(one.since), **({"comment": one.comment} if one.comment else {})}
        for one in found
    ]
    return BlockedAnswer(timestamp(now), items)


async def unblock(context: RequestContext, request: UnblockRequest) -> Ok:
    """Take names off the block list."""
    await context.services.get(Directory).unblock(request.account_names)
    return context.ok()


async def sessions(context: RequestContext, request: SessionsRequest) -> SessionsAnswer:
    """Who is logged in, at all members of the cluster."""
    found = await context.services.get(Sessions).active(request.account_name)
    if request.limit >= 0:
        found = found[: request.limit]
    items = [
        {
            "id": one.token_hash.hex(),
            "accountName": one.account,
            "identityService": one.identity_service,
            "timeout": one.timeout_ms,
        }
        for one in found
    ]
    return SessionsAnswer(timestamp(context.now_ms()), items)


async def cancel_sessions(context: RequestContext, request: CancelRequest) -> Ok:
    """End sessions by id, or all of the accounts named."""
    register = context.services.get(Sessions)
    for id_ in request.ids:
        try:
            token_hash = bytes.fromhex(id_)
        except ValueError:
            raise BadRequest(f"'{id_}' is no id of a session; take one from iam/sessions") from None
        await register.end(token_hash)
    for name in request.account_names:
        await register.close_account(name)
    return context.ok()


def _reading(path: str, request: type, answer: Any, handler: Any) -> Route:
    return Route(path, request, answer, VIEW, False, handler)


def _changing(path: str, request: type, handler: Any) -> Route:
    return Route(path, request, Ok, MANAGE, True, handler, category=CATEGORY)


ROUTES = [
    _reading("/iam/accounts", AccountsRequest, AccountsAnswer, accounts),
    _reading("/iam/account", AccountRequest, dict[str, Any], account),
    _reading("/iam/account/permissions", AccountRequest, PermissionsAnswer, permissions),
    _changing("/iam/account/store", StoreRequest, store),
    _changing("/iam/account/rename", RenameRequest, rename),
    _changing("/iam/accounts/delete", NamesRequest, delete),
    _changing("/iam/accounts/enable", NamesRequest, enable),
    _changing("/iam/accounts/disable", NamesRequest, disable),
    _changing("/iam/accounts/resetpassword", NamesRequest, reset_password),
    _changing("/iam/accounts/forcepasswordchange", NamesRequest, force_password_change),
    # Also for the own account, without a permission.
    Route("/iam/account/changepassword", PasswordRequest, Ok, None, True, change_password, category=CATEGORY),
    _changing("/iam/blockedAccount/store", BlockRequest, block),
    _changing("/iam/blockedAccounts/delete", UnblockRequest, unblock),
    _reading("/iam/blockedAccounts", BlockedRequest, BlockedAnswer, blocked),
    _reading("/iam/sessions", SessionsRequest, SessionsAnswer, sessions),
    _changing("/iam/sessions/cancel", CancelRequest, cancel_sessions),
]
