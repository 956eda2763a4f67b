"""Sessions: opaque 256-bit tokens with an idle time-out, in memory of this Cockpit (cockpit-api 1.2).

Only a hash of each token is kept. Sessions do not survive a restart: clients get 440 and log in again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable

from stellwerk.cockpit.auth.permissions import Permissions
from stellwerk.effects.clock import Random


class Session:
    """One login of one account. `seconds_left(now)` uses the loop's clock."""

    __slots__ = (
        "account",
        "address",
        "force_password_change",
        "identity_service",
        "is_eternal",
        "last_used",
        "permissions",
        "revoked",
        "roles",
        "token_hash",
    )

    def __init__(
        self,
        *,
        account: str,
        address: str,
        identity_service: str,
        roles: tuple[str, ...],
        permissions: Permissions,
        force_password_change: bool,
        token_hash: bytes,
        last_used: float,
        is_eternal: bool = False,
    ) -> None:
        self.account = account
        self.address = address
        self.identity_service = identity_service
        self.roles = roles
        self.permissions = permissions
        self.force_password_change = force_password_change
        self.token_hash = token_hash
        self.last_used = last_used
        #: Never idles out: the session of commands on this machine.
        self.is_eternal = is_eternal
        #: Set when the session ends; streams of the session wait for it.
        self.revoked = asyncio.Event()


class Sessions:
    """All sessions, least recently used first. At `maximum` the one idle longest gives way."""

    def __init__(self, random: Random, *, idle_seconds: float, maximum: int, time: Callable[[], float]) -> None:
        self._random = random
        self._idle_seconds = idle_seconds
        self._maximum = maximum
        self._time = time
        self._by_hash: OrderedDict[bytes, Session] = OrderedDict()

    def __len__(self) -> int:
        """Logins that live; the session of commands on this machine is none."""
        self._expire()
        return sum(not session.is_eternal for session in self._by_hash.values())

    def open(
        self,
        *,
        account: str,
        address: str,
        identity_service: str,
        roles: tuple[str, ...],
        permissions: Permissions,
        force_password_change: bool,
        is_eternal: bool = False,
    ) -> tuple[str, Session]:
        """A new session and its token, which is told to the client and never kept."""
        token = base64.urlsafe_b64encode(self._random.token_bytes(32)).rstrip(b"=").decode()
        session = Session(
            account=account,
            address=address,
            identity_service=identity_service,
            roles=roles,
            permissions=permissions,
            force_password_change=force_password_change,
            token_hash=_hash(token),
            last_used=float("inf") if is_eternal else self._time(),
            is_eternal=is_eternal,
        )
        self._expire()
        while len(self._by_hash) >= self._maximum:
            self._end(next(item for item in self._by_hash.values() if not item.is_eternal))
        self._by_hash[session.token_hash] = session
        return token, session

    def get(self, token: str, *, renew: bool = True) -> Session | None:
        """The live session of `token`; `renew` restarts its idle time."""
        session = self._by_hash.get(_hash(token))
        if session is None:
            return None
        if self.seconds_left(session) <= 0:
            self._end(session)
            return None
        if renew and not session.is_eternal:
            session.last_used = self._time()
            self._by_hash.move_to_end(session.token_hash)
        return session

    def close(self, token: str) -> Session | None:
        session = self._by_hash.get(_hash(token))
        if session is not None:
            self._end(session)
        return session

    def close_account(self, account: str) -> int:
        """End all sessions of an account (its password or roles have changed)."""
        ending = [session for session in self._by_hash.values() if session.account == account]
        for session in ending:
            self._end(session)
        return len(ending)

    def close_all(self) -> None:
        for session in list(self._by_hash.values()):
            self._end(session)

    def seconds_left(self, session: Session) -> float:
        """Idle time left; infinite if sessions do not expire."""
        if self._idle_seconds <= 0 or session.is_eternal:
            return float("inf")
        return session.last_used + self._idle_seconds - self._time()

    def timeout_ms(self) -> int:
        """The value for clients: milliseconds, -1 = unlimited."""
        return -1 if self._idle_seconds <= 0 else int(self._idle_seconds * 1000)

    def _expire(self) -> None:
        for oldest in list(self._by_hash.values()):
            if oldest.is_eternal:
                continue
            if self.seconds_left(oldest) > 0:
                return
            self._end(oldest)

    def _end(self, session: Session) -> None:
        self._by_hash.pop(session.token_hash, None)
        session.revoked.set()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
