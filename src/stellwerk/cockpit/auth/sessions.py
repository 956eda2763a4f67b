"""Sessions: opaque 256-bit tokens with an idle time-out, in the database (cockpit-api 1.2).

Every member of a cluster knows every session; sessions survive a restart and a fail-over. Only a hash of each token is
kept. Reads are cheap: what has been looked up is good for `CACHE_SECONDS`, and the time of last use is written at most
once in `touch_seconds`. A session that ends, or may do something else from now on, is told to the other members at
once: its streams end, or go on with what it may do now.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, delete, func, insert, select, update

from stellwerk.cockpit.auth.permissions import FolderRow, PermissionRow, Permissions
from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.news import News
from stellwerk.cockpit.database.tables.identity import joc_sessions
from stellwerk.effects.clock import Random

CACHE_SECONDS = 5.0
TOPIC = "sessions"
CHANGED_TOPIC = "sessions changed"

_NOTHING = Permissions([])


class Ground(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The word of one identity service for who somebody is.

    `account_id`: the row in `iam_accounts`; None where a directory keeps the accounts. It then says at login which
    `roles` of the service the account holds.
    """

    service_id: int
    account: str
    account_id: int | None = None
    roles: tuple[str, ...] = ()


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who has logged in, on which grounds (none for a session of this machine), and what that entitles to."""

    account: str
    identity_service: str
    roles: tuple[str, ...]
    permissions: Permissions
    force_password_change: bool = False
    grounds: tuple[Ground, ...] = ()

    def columns(self) -> dict[str, Any]:
        """As it is stored in `joc_sessions`."""
        return {
            "account": self.account,
            "identity_service": self.identity_service,
            "roles": msgspec.json.encode(self.roles).decode(),
            "permissions": msgspec.json.encode(self.permissions.rows).decode(),
            "folders": msgspec.json.encode(self.permissions.folders).decode(),
            "grounds": msgspec.json.encode(self.grounds).decode(),
            "force_password_change": self.force_password_change,
        }

    @classmethod
    def of(cls, row: Any) -> Identity:
        decode = msgspec.json.decode
        return cls(
            account=row.account,
            identity_service=row.identity_service,
            roles=decode(row.roles, type=tuple[str, ...]),
            permissions=Permissions(
                decode(row.permissions, type=list[PermissionRow]), decode(row.folders, type=list[FolderRow])
            ),
            force_password_change=row.force_password_change,
            grounds=decode(row.grounds, type=tuple[Ground, ...]),
        )


class Session:
    """One login of one account, as this process knows it. Instants are those of the loop's clock."""

    __slots__ = (
        "account",
        "address",
        "checked_at",
        "force_password_change",
        "grounds",
        "identity_service",
        "is_eternal",
        "last_used",
        "permissions",
        "revoked",
        "roles",
        "stored",
        "token_hash",
        "touched_at",
    )

    def __init__(self, identity: Identity, address: str, token_hash: bytes, *, is_eternal: bool = False) -> None:
        self.address = address
        self.token_hash = token_hash
        self.take(identity)
        #: Never idles out: the session of commands on this machine.
        self.is_eternal = is_eternal
        self.last_used = float("inf") if is_eternal else 0.0
        #: When the database has been asked last, and when it has been told of a use.
        self.checked_at = self.touched_at = 0.0
        #: Set when the session ends; streams of the session wait for it.
        self.revoked = asyncio.Event()

    def restricted_to(self, permissions: Permissions) -> Session:
        """The same session for one call, which may do less."""
        session = copy.copy(self)
        session.permissions = permissions
        return session

    def take(self, identity: Identity) -> None:
        """What the session is and may do from now on; with a password that must be changed it may do nothing else."""
        self.account = identity.account
        self.grounds = identity.grounds
        self.identity_service = identity.identity_service
        self.roles = identity.roles
        self.permissions = _NOTHING if identity.force_password_change else identity.permissions
        self.force_password_change = identity.force_password_change
        #: As the database has it, to notice that it has changed there.
        self.stored = identity.columns()


class ActiveSession(msgspec.Struct, frozen=True):
    """A session as administrators see it. `timeout_ms`: time that it has left; -1: no end."""

    token_hash: bytes
    account: str
    identity_service: str
    timeout_ms: int


class Sessions:
    """All sessions. At `maximum` the one idle longest gives way."""

    def __init__(
        self,
        database: Database,
        news: News,
        random: Random,
        *,
        idle_seconds: float,
        maximum: int,
        time: Callable[[], float],
    ) -> None:
        self._database = database
        self._news = news
        self._random = random
        self._maximum = maximum
        self._time = time
        self.set_idle_seconds(idle_seconds)
        #: What this process has looked up, least recently used first.
        self._known: OrderedDict[bytes, Session] = OrderedDict()
        self._local: dict[bytes, Session] = {}
        news.subscribe(TOPIC, self._heard_of_end)
        news.subscribe(CHANGED_TOPIC, self._heard_of_change, self._missed_news)

    def set_idle_seconds(self, idle_seconds: float) -> None:
        """How long a session lives without use; 0 or less: it does not end by itself. For all sessions at once."""
        self._idle_seconds = idle_seconds
        self._touch_seconds = min(60.0, idle_seconds / 20) if idle_seconds > 0 else 60.0

    def __len__(self) -> int:
        """Logins that this process has looked up and that live; the session of commands on this machine is none."""
        return sum(self.seconds_left(session) > 0 for session in self._known.values())

    def open_local(self, identity: Identity) -> str:
        """The session of commands on this machine: in memory only, it ends with the process. Gives the token."""
        token = self._new_token()
        self._local[_hash(token)] = Session(identity, "local", _hash(token), is_eternal=True)
        return token

    async def open(self, identity: Identity, address: str) -> tuple[str, Session]:
        """A new session and its token, which is told to the client and never kept."""
        token = self._new_token()
        session = Session(identity, address, _hash(token))
        row = {
            "token_hash": session.token_hash,
            "address": address,
            "last_used": self._database.now_ms,
            **session.stored,
        }
        table = joc_sessions
        asked_at = self._time()
        async with self._database.write() as connection:
            ended: list[bytes] = []
            if self._idle_seconds > 0:
                idle = delete(table).where(self._age_ms() >= self._idle_seconds * 1000).returning(table.c.token_hash)
                ended += (await connection.execute(idle)).scalars()
            count = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            if count >= self._maximum:
                oldest = select(table.c.token_hash).order_by(table.c.last_used).limit(count - self._maximum + 1)
                gone = delete(table).where(table.c.token_hash.in_(oldest.scalar_subquery()))
                ended += (await connection.execute(gone.returning(table.c.token_hash))).scalars()
            await connection.execute(insert(table).values(row))
        await self._ended(ended)
        session.last_used = session.checked_at = session.touched_at = asked_at
        self._remember(session)
        return token, session

    async def get(self, token: str, *, renew: bool = True) -> Session | None:
        """The live session of `token`; `renew` restarts its idle time."""
        token_hash = _hash(token)
        local = self._local.get(token_hash)
        if local is not None:
            return local
        session = self._known.get(token_hash)
        if session is None or not self._is_fresh(session):
            session = await self._look_up(token_hash)
        if session is not None and renew:
            session.last_used = self._time()
            self._known.move_to_end(token_hash)
            if session.last_used - session.touched_at >= self._touch_seconds:
                await self._touch(session)
        return session

    async def is_live(self, session: Session) -> bool:
        """For who keeps a session for long, such as a stream: it may be used, and end, at other members."""
        if session.is_eternal or self._is_fresh(session):
            return not session.revoked.is_set()
        return await self._look_up(session.token_hash) is not None

    async def close(self, token: str) -> Session | None:
        session = self._local.pop(_hash(token), None)
        if session is None:
            session = await self.get(token, renew=False)
            if session is not None:
                await self._delete(joc_sessions.c.token_hash == session.token_hash)
        if session is not None:
            session.revoked.set()
        return session

    async def close_account(self, account: str, *, but: bytes = b"") -> int:
        """End all sessions of an account (its password or name has changed, or it is gone) `but` one."""
        return await self._delete((joc_sessions.c.account == account) & (joc_sessions.c.token_hash != but))

    async def end(self, token_hash: bytes) -> None:
        await self._delete(joc_sessions.c.token_hash == token_hash)

    async def with_grounds(self) -> list[tuple[bytes, tuple[Ground, ...]]]:
        """All sessions of all members, with the grounds on which they were opened."""
        table = joc_sessions.c
        async with self._database.read() as connection:
            rows = (await connection.execute(select(table.token_hash, table.grounds))).all()
        return [(row.token_hash, msgspec.json.decode(row.grounds, type=tuple[Ground, ...])) for row in rows]

    async def active(self, account: str | None = None) -> list[ActiveSession]:
        """Sessions that live, those used last first."""
        table = joc_sessions
        query = select(table, self._age_ms().label("age_ms")).order_by(table.c.last_used.desc())
        if account:
            query = query.where(table.c.account == account)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        found = []
        for row in rows:
            left_ms = self._idle_seconds * 1000 - row.age_ms
            if self._idle_seconds <= 0 or left_ms > 0:
                timeout_ms = -1 if self._idle_seconds <= 0 else int(left_ms)
                found.append(ActiveSession(row.token_hash, row.account, row.identity_service, timeout_ms))
        return found

    async def change(self, token_hash: bytes, identity: Identity) -> None:
        """From now on the session is and may do what `identity` says, here and at all members."""
        values = identity.columns()
        async with self._database.write() as connection:
            await connection.execute(update(joc_sessions).where(joc_sessions.c.token_hash == token_hash).values(values))
        known = self._known.get(token_hash)
        if known is not None:
            known.take(identity)
        await self._news.tell(CHANGED_TOPIC, token_hash.hex())

    def leave(self) -> None:
        """This process stops: its streams end, the sessions live on."""
        for session in (*self._known.values(), *self._local.values()):
            session.revoked.set()
        self._known.clear()
        self._local.clear()

    def seconds_left(self, session: Session) -> float:
        """Idle time left, as far as this process knows; infinite if sessions do not expire."""
        if self._idle_seconds <= 0 or session.is_eternal:
            return float("inf")
        return session.last_used + self._idle_seconds - self._time()

    def timeout_ms(self) -> int:
        """The value for clients: milliseconds, -1 = unlimited."""
        return -1 if self._idle_seconds <= 0 else int(self._idle_seconds * 1000)

    # --- inside

    def _new_token(self) -> str:
        return base64.urlsafe_b64encode(self._random.token_bytes(32)).rstrip(b"=").decode()

    def _is_fresh(self, session: Session) -> bool:
        return self._time() - session.checked_at < CACHE_SECONDS and self.seconds_left(session) > 0

    def _age_ms(self) -> ColumnElement[int]:
        return self._database.now_ms - joc_sessions.c.last_used

    async def _look_up(self, token_hash: bytes) -> Session | None:
        """Ask the database; what it does not know any more ends here."""
        table = joc_sessions
        asked_at = self._time()
        async with self._database.read() as connection:
            query = select(table, self._age_ms().label("age_ms")).where(table.c.token_hash == token_hash)
            row = (await connection.execute(query)).first()
        known = self._known.get(token_hash)
        last_used = float("-inf") if row is None else asked_at - row.age_ms / 1000
        if known is not None:
            last_used = max(last_used, known.last_used) if row is not None else last_used
        is_over = self._idle_seconds > 0 and last_used + self._idle_seconds <= asked_at
        if row is None or is_over:
            self._forget(token_hash)
            return None
        if known is None:
            known = Session(Identity.of(row), row.address, token_hash)
            known.touched_at = last_used
            self._remember(known)
        elif any(row._mapping[name] != value for name, value in known.stored.items()):
            known.take(Identity.of(row))
        known.last_used, known.checked_at = last_used, asked_at
        return known

    async def _touch(self, session: Session) -> None:
        session.touched_at = session.last_used
        async with self._database.write() as connection:
            await connection.execute(
                update(joc_sessions)
                .where(joc_sessions.c.token_hash == session.token_hash)
                .values(last_used=self._database.now_ms)
            )

    async def _delete(self, condition: ColumnElement[bool]) -> int:
        async with self._database.write() as connection:
            done = await connection.execute(delete(joc_sessions).where(condition).returning(joc_sessions.c.token_hash))
            ended = list(done.scalars())
        await self._ended(ended)
        return len(ended)

    async def _ended(self, hashes: Sequence[bytes]) -> None:
        for token_hash in hashes:
            self._forget(token_hash)
            await self._news.tell(TOPIC, token_hash.hex())

    async def _heard_of_end(self, value: Any) -> None:
        self._forget(bytes.fromhex(value))

    async def _heard_of_change(self, value: Any) -> None:
        known = self._known.get(bytes.fromhex(value))
        if known is not None:
            known.checked_at = float("-inf")
            await self._look_up(known.token_hash)

    async def _missed_news(self) -> None:
        """Whatever is known may have changed: ask again when it is used."""
        for session in self._known.values():
            session.checked_at = float("-inf")

    def _remember(self, session: Session) -> None:
        self._known[session.token_hash] = session
        while len(self._known) > self._maximum:
            # Still in the database: it is looked up again when it is used.
            self._known.popitem(last=False)

    def _forget(self, token_hash: bytes) -> None:
        session = self._known.pop(token_hash, None)
        if session is not None:
            session.revoked.set()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
