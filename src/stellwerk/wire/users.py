"""Users, their passwords, certificates and permissions (journal spec 2.4, 2.6).

Values from the configuration; known from the start to the end of the process. Comparing a password takes the same
time whichever character differs and whether or not the user exists.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from stellwerk.wire.distinguished_names import CanonicalName, parse_distinguished_name

logger = logging.getLogger(__name__)


class Permission(Enum):
    """What a route needs. `PUBLIC` needs nothing, `VALID_USER` any user who has logged in."""

    PUBLIC = "Public"
    VALID_USER = "ValidUser"
    UPDATE_ITEM = "UpdateItem"
    AGENT_DIRECTOR = "AgentDirector"
    AGENT_DIRECTOR_FORWARD = "AgentDirectorForward"
    READ_METRICS = "ReadMetrics"
    READ_INTERNALS = "ReadInternals"

    # Enum's own hash is a Python function on the path of every request
    __hash__ = object.__hash__


class User(msgspec.Struct, frozen=True, eq=False):
    """An authenticated user, or `ANONYMOUS`. Users are compared by identity."""

    id: str
    permissions: frozenset[Permission] = frozenset()

    def has(self, permission: Permission) -> bool:
        return permission in self.permissions


ANONYMOUS = User("Anonymous", frozenset({Permission.PUBLIC}))
#: The node's own user of the session in the work directory (2.2).
SYSTEM = User("System", frozenset(Permission))


class Password(msgspec.Struct, frozen=True):
    """A configured password: `digest` is SHA-512 of the UTF-8 text. Never printed."""

    digest: bytes

    @classmethod
    def parse(cls, encoded: str) -> Password:
        """Read `plain:TEXT`, `sha512:HEX` or the empty string (the empty password); raises `ValueError`."""
        scheme, colon, text = encoded.partition(":")
        if not encoded:
            return cls.of("")
        if scheme == "plain" and colon:
            return cls.of(text)
        if scheme == "sha512" and colon:
            digest = bytes.fromhex(text)
            if len(digest) != 64:
                raise ValueError("a sha512 password has 128 hexadecimal digits")
            return cls(digest)
        raise ValueError("a password begins with plain: or sha512:")

    @classmethod
    def of(cls, text: str) -> Password:
        return cls(hashlib.sha512(text.encode("utf-8", "surrogatepass")).digest())

    def matches(self, text: str) -> bool:
        return hmac.compare_digest(self.digest, Password.of(text).digest)

    def __repr__(self) -> str:
        return "Password(***)"


#: Compared when there is nothing to compare with. No text has this digest.
_UNMATCHABLE = Password(bytes(64))


class UserConfiguration(msgspec.Struct, frozen=True):
    """One entry of `auth.users`. Without `password` the user cannot log in with a password."""

    id: str
    password: Password | None = None
    permissions: frozenset[Permission] = frozenset()
    distinguished_names: tuple[CanonicalName, ...] = ()


class Users:
    """All users of a node."""

    def __init__(self, configurations: Iterable[UserConfiguration] = ()) -> None:
        self._users: dict[str, User] = {}
        self._passwords: dict[str, Password] = {}
        self._by_name: dict[CanonicalName, list[User]] = {}
        for configuration in configurations:
            user = User(configuration.id, configuration.permissions | {Permission.PUBLIC, Permission.VALID_USER})
            self._users[user.id] = user
            if configuration.password is not None:
                self._passwords[user.id] = configuration.password
            for name in configuration.distinguished_names:
                self._by_name.setdefault(name, []).append(user)

    @classmethod
    def from_configuration(cls, entries: Mapping[str, Any]) -> Users:
        """Users of a configuration section: `id -> "plain:..."` or `id -> {password, permissions, ...}`.

        An unknown permission is ignored with a warning; an unusable password or name makes the user unusable, with
        an error in the log. The start goes on in both cases (journal spec 2.4, 2.6).
        """
        return cls(_read_user(user_id, entry) for user_id, entry in entries.items())

    def with_password(self, user_id: str, password: str) -> User | None:
        """The user if the password is right."""
        expected = self._passwords.get(user_id, _UNMATCHABLE)
        return self._users.get(user_id) if expected.matches(password) else None

    def with_distinguished_name(self, name: CanonicalName) -> tuple[User, ...]:
        """The users to whom a certificate with this subject may belong."""
        return tuple(self._by_name.get(name, ()))


def _read_user(user_id: str, entry: Any) -> UserConfiguration:
    if isinstance(entry, str):
        entry = {"password": entry}
    try:
        encoded = entry.get("password")
        password = None if encoded is None else Password.parse(encoded)
        texts = entry.get("distinguished-names", entry.get("distinguished_names", ()))
        names = tuple(parse_distinguished_name(text) for text in texts)
    except (ValueError, AttributeError, TypeError) as error:
        logger.error("User %s cannot log in, correct the configuration auth.users.%s: %s", user_id, user_id, error)
        return UserConfiguration(user_id)
    permissions = set()
    for name in entry.get("permissions", ()):
        try:
            permissions.add(Permission(name))
        except ValueError:
            logger.warning("Unknown permission %s of user %s is ignored", name, user_id)
    return UserConfiguration(user_id, password, frozenset(permissions), names)
