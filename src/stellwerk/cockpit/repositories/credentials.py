"""By whom this Cockpit is known to Git servers: one entry per account and server (cockpit-services 10.6).

Secrets are stored as texts like those of identity services; they are never told again, and reach `git` by its
environment only. Key files lie in the Cockpit's data folder, where an administrator puts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.settings.configurations import Configurations, Key
from stellwerk.values.json import encode

MASK = "********"


class Credentials(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """One of `password`, `personal_access_token`, `keyfile_path` is set. `username` and `email` sign commits."""

    git_account: str
    git_server: str
    username: str
    email: str
    password: str | None = None
    personal_access_token: str | None = None
    #: Name of a file below `private/git` of the data folder.
    keyfile_path: str | None = None

    @property
    def secret(self) -> str | None:
        return self.password or self.personal_access_token

    def masked(self) -> Credentials:
        """Without what is secret."""
        return msgspec.structs.replace(
            self,
            password=None if self.password is None else MASK,
            personal_access_token=None if self.personal_access_token is None else MASK,
        )


def check(item: Credentials) -> None:
    """Raises `BadRequest` with what is wrong."""
    if sum(bool(value) for value in (item.password, item.personal_access_token, item.keyfile_path)) != 1:
        raise BadRequest("credentials: give exactly one of password, personalAccessToken, keyfilePath")
    for name in ("git_account", "git_server", "username", "email", "password", "personal_access_token"):
        value = getattr(item, name)
        if value is not None and (not value or any(character < " " for character in value)):
            raise BadRequest(f"credentials: {name} is empty or holds control characters")
    if any(character in "<>" for character in item.username + item.email):
        raise BadRequest("credentials: username and email cannot hold < or >")
    path = item.keyfile_path
    if path is not None and ("/" in path or path.startswith(".") or any(character < " " for character in path)):
        raise BadRequest("credentials: keyfilePath is the name of a file below private/git of the data folder")


class GitCredentials:
    """Reads and writes entries of accounts."""

    def __init__(self, configurations: Configurations) -> None:
        self._configurations = configurations

    async def of(self, account: str) -> list[Credentials]:
        found = await self._configurations.find(_key(account))
        if found is None:
            return []
        return msgspec.json.decode(found.configuration_item, type=list[Credentials])

    async def for_server(self, account: str, server: str) -> Credentials | None:
        return next((item for item in await self.of(account) if item.git_server.lower() == server.lower()), None)

    async def add(self, account: str, items: Sequence[Credentials]) -> None:
        """They replace those for the same servers."""
        for item in items:
            check(item)
        new = {item.git_server.lower(): item for item in items}
        kept = [item for item in await self.of(account) if item.git_server.lower() not in new]
        await self._save(account, [*kept, *new.values()])

    async def remove(self, account: str, servers: Iterable[str]) -> None:
        gone = {server.lower() for server in servers}
        await self._save(account, [item for item in await self.of(account) if item.git_server.lower() not in gone])

    async def _save(self, account: str, items: Sequence[Credentials]) -> None:
        await self._configurations.save(_key(account), encode(items).decode())


def _key(account: str) -> Key:
    return Key(configuration_type="GIT", account=account)
