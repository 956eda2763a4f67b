"""Sessions: who has logged in, by token (journal spec 2.2).

A session ends a fixed time after its login, whether used or not, or by logout. Sessions live in memory: a restart ends
them all, and clients log in again. Knows nothing of passwords (`authentication`) nor of HTTP.
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stellwerk.effects.clock import Clock, Random
from stellwerk.wire.users import ANONYMOUS, SYSTEM, User

#: Lifetime of a session in seconds, from its login (`auth.session.timeout`).
DEFAULT_TIMEOUT_SECONDS = 3600.0
#: Sessions that one user may have at a time; the next login ends the user's oldest.
MAXIMUM_SESSIONS_PER_USER = 1000

_TOKEN_FILE = "session-token"  # noqa: S105 (a file name)
_HEADERS_FILE = "secret-http-headers"


class Session:
    """One login. `until_ms` is None for the node's own eternal session."""

    __slots__ = ("last_used_for", "last_used_ms", "logged_in_ms", "number", "source", "token", "until_ms", "user")

    def __init__(self, number: int, token: str, user: User, source: str, now_ms: int, until_ms: int | None) -> None:
        self.number = number
        self.token = token
        self.user = user
        self.source = source
        self.logged_in_ms = now_ms
        self.until_ms = until_ms
        self.last_used_ms = now_ms
        self.last_used_for = ""

    def to_json(self) -> dict[str, Any]:
        """The session's entry in the answer to `GET .../session`; never tells the token."""
        entry = {
            "number": self.number,
            "userId": self.user.id,
            "source": self.source,
            "lastUsedFor": self.last_used_for,
            "lastUsedAt": _timestamp(self.last_used_ms),
            "loggedInAt": _timestamp(self.logged_in_ms),
        }
        if self.until_ms is not None:
            entry["until"] = _timestamp(self.until_ms)
        return entry


class SessionRegister:
    """The sessions of one process; Director and Subagent of a process share one register."""

    def __init__(self, random: Random, clock: Clock, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self._random = random
        self._clock = clock
        self._timeout_ms = int(timeout_seconds * 1000)
        self._next_number = 1
        self._sessions: dict[str, Session] = {}
        # In order of login, which is the order of expiry
        self._by_user: dict[str, dict[str, Session]] = {}

    def login(self, user: User, source: str = "", *, is_eternal: bool = False) -> Session:
        """Open a session."""
        now_ms = self._clock.now_ms()
        random_part = base64.urlsafe_b64encode(self._random.token_bytes(18)).decode("ascii")
        token = f"{self._next_number},{random_part}"
        until_ms = None if is_eternal else now_ms + self._timeout_ms
        session = Session(self._next_number, token, user, source, now_ms, until_ms)
        self._next_number += 1
        self._drop_expired(now_ms)
        of_user = self._by_user.setdefault(user.id, {})
        if len(of_user) >= MAXIMUM_SESSIONS_PER_USER:
            self.logout(next(iter(of_user)))
        self._sessions[token] = session
        self._by_user.setdefault(user.id, {})[token] = session
        return session

    def logout(self, token: str) -> bool:
        """End a session; False if there was none."""
        session = self._sessions.pop(token, None)
        if session is None:
            return False
        of_user = self._by_user[session.user.id]
        del of_user[token]
        if not of_user:
            del self._by_user[session.user.id]
        return True

    def find(self, token: str, used_for: str = "") -> Session | None:
        """The living session with this token."""
        session = self._sessions.get(token)
        if session is None:
            return None
        now_ms = self._clock.now_ms()
        if session.until_ms is not None and session.until_ms <= now_ms:
            self.logout(token)
            return None
        session.last_used_ms = now_ms
        session.last_used_for = used_for
        return session

    def upgrade(self, session: Session, user: User) -> None:
        """Give an anonymous session its user; possible once, since it is anonymous no more (journal spec 2.2)."""
        if session.user is not ANONYMOUS:
            raise ValueError(f"session {session.number} belongs to {session.user.id} already")
        del self._by_user[ANONYMOUS.id][session.token]
        session.user = user
        self._by_user.setdefault(user.id, {})[session.token] = session

    def sessions(self) -> list[Session]:
        """All living sessions by number."""
        self._drop_expired(self._clock.now_ms())
        return list(self._sessions.values())

    def publish_system_session(self, work_directory: Path) -> Session:
        """Open the eternal session of the user System, its token in two files that only the owner can read.

        `session-token` holds the token, `secret-http-headers` a header line for `curl -H @FILE`.
        """
        session = self.login(SYSTEM, "system session", is_eternal=True)
        _write_secret(work_directory / _TOKEN_FILE, session.token)
        _write_secret(work_directory / _HEADERS_FILE, f"x-js7-session: {session.token}\n")
        return session

    def withdraw_system_session(self, work_directory: Path) -> None:
        """Remove the files and end the sessions of the user System."""
        for name in (_TOKEN_FILE, _HEADERS_FILE):
            (work_directory / name).unlink(missing_ok=True)
        for token in list(self._by_user.get(SYSTEM.id, ())):
            self.logout(token)

    def _drop_expired(self, now_ms: int) -> None:
        expired = []
        for of_user in self._by_user.values():
            for session in of_user.values():
                if session.until_ms is None:
                    continue
                if session.until_ms > now_ms:
                    break
                expired.append(session.token)
        for token in expired:
            self.logout(token)


def _timestamp(milliseconds: int) -> str:
    instant = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    return instant.replace("+00:00", "Z")


def _write_secret(path: Path, text: str) -> None:
    """Write a file that never was readable for others, not even if an older one of that name was."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
