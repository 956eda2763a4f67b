"""`Membership`: this process as a member of the cluster: heart beats, election, start and stop of active services.

The loop is thin: read, `election.decide`, do. Two more things happen apart from it, so that nothing holds them up: a
timer of the loop's monotonic clock ends the role when the lease has not been renewed in time, and a task starts and
stops the services while heart beats go on. Losing the role takes effect at once (`Fence.term`), before any service has
been told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from stellwerk.cockpit.cluster.active_services import ActiveServices
from stellwerk.cockpit.cluster.election import (
    ClusterRow,
    GiveUp,
    Lease,
    Renew,
    Self,
    Sighting,
    StartMode,
    StepDown,
    TakeOver,
    Wait,
    decide,
)
from stellwerk.cockpit.cluster.members import Members, UnknownMemberError
from stellwerk.cockpit.configuration import ClusterConfiguration
from stellwerk.cockpit.database.fence import Fence
from stellwerk.cockpit.database.news import News

#: SQLite has one member: nobody waits for its heart beats, and none is ever too late.
ALONE_INTERVAL_SECONDS = 30.0
#: After a failed start of the active services.
RESTART_PAUSE_SECONDS = 1.0
TOPIC = "cluster"

#: Called with the active member's id (None: nobody) and the term whenever they have changed.
ActiveChanged = Callable[[str | None, int], None]

_logger = structlog.get_logger(__name__)


class Membership:
    """A `Service`. After `start` the first decision has been made, and if it was to be active, the services run."""

    def __init__(
        self,
        members: Members,
        fence: Fence,
        active_services: ActiveServices,
        news: News,
        configuration: ClusterConfiguration,
        values: dict[str, Any],
    ) -> None:
        """`values`: what else is told of this member in `joc_instances`."""
        self._members = members
        self._fence = fence
        self._services = active_services
        self._news = news
        self._values = values
        self._is_alone = fence.database.is_sqlite
        self._may_be_active = not configuration.as_api_server
        self.interval_seconds = ALONE_INTERVAL_SECONDS if self._is_alone else configuration.interval_seconds
        self.lease_seconds = float("inf") if self._is_alone else configuration.lease_seconds
        self._lease = Lease(self.lease_seconds, 0.0 if self._is_alone else configuration.lease_seconds / 6)
        self._sighting = Sighting()
        self._is_first = True
        #: Why the active services run, or shall run; None: they shall not.
        self._mode: StartMode | None = None
        self._is_serving = False
        self._starting: asyncio.Task[None] | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[ActiveChanged] = []
        #: The active member as this one has seen it last.
        self.active_member_id: str | None = None
        self.term = 0
        fence.on_refused = lambda: self._lose("a write has found another term")
        news.subscribe(TOPIC, self._heard)

    @property
    def member_id(self) -> str:
        return self._members.member_id

    async def set_uri(self, uri: str) -> None:
        """How others reach this member: known only when its port is open."""
        self._values["uri"] = uri
        await self._members.set_uri(uri)

    @property
    def alive_seconds(self) -> float:
        """A member whose last heart beat is older is dead."""
        return 3 * self.interval_seconds

    @property
    def is_active(self) -> bool:
        """This process holds the role now, by its own clock. Ask again before each effect on others."""
        return self._lease.is_valid(asyncio.get_running_loop().time())

    @property
    def lease_age_seconds(self) -> float | None:
        """Since this member has seen the role renewed; after `lease_seconds` another one takes it. None with SQLite."""
        return None if self._is_alone else self._sighting.unchanged_seconds(asyncio.get_running_loop().time())

    @property
    def role(self) -> str:
        if not self._may_be_active:
            return "api-server"
        return "active" if self.is_active else "passive"

    def on_active_changed(self, listener: ActiveChanged) -> None:
        self._listeners.append(listener)

    async def start(self) -> None:
        await self._members.register(self._values, self.alive_seconds)
        while await self._step() == 0:
            pass
        await self._converge()
        self._tasks = [
            asyncio.create_task(self._elect(), name="cockpit-election"),
            asyncio.create_task(self._serve(), name="cockpit-active-services"),
        ]

    async def stop(self) -> None:
        """Stop the services, then give the role up, so that another member takes it at once."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        term = self._lease.term
        self._lose("this Cockpit stops")
        try:
            if self._is_serving:
                await self._services.stop_all()
                self._is_serving = False
        finally:
            await self._leave(term)

    async def _leave(self, term: int | None) -> None:
        try:
            async with asyncio.timeout(2 * self.interval_seconds):
                row = await self._members.row()
                if row is not None and term is not None and (row.member_id, row.term) == (self.member_id, term):
                    await self._members.give_up(row)
                await self._members.set_stopped()
                await self._news.tell(TOPIC)
        except Exception as error:
            # The database is gone: then the others see for themselves that this member is.
            _logger.warning("the cluster could not be told that this Cockpit stops", exc_info=error)

    def look_now(self) -> None:
        """Let the loop read the row now."""
        self._wake.set()

    async def look_everywhere(self) -> None:
        """Let the loops of all members read the row now."""
        self.look_now()
        await self._news.tell(TOPIC)

    async def _heard(self, value: Any) -> None:
        self.look_now()

    # --- election

    async def _elect(self) -> None:
        due = self.interval_seconds
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(due):
                    await self._wake.wait()
            self._wake.clear()
            try:
                # A database that does not answer: the lease ends by its timer, and there is another try.
                async with asyncio.timeout(max(self.interval_seconds, 1.0)):
                    due = await self._step()
            except Exception as error:
                _logger.warning("the cluster's row could not be read or written", error=_text(error))
                due = min(self.interval_seconds, 1.0)

    async def _step(self) -> float:
        """One look and what follows from it; gives the seconds until the next."""
        time = asyncio.get_running_loop().time
        try:
            row, database_ms = await self._members.beat()
        except UnknownMemberError:
            await self._members.register(self._values, self.alive_seconds)
            return 0.0
        seen = self._sighting.seen(row, database_ms, time())
        self._note(row)
        action = decide(seen, self._self())
        self._is_first = False
        sent_at = time()
        match action:
            case TakeOver():
                if await self._members.take_over(action.seen, action.term):
                    self._acquired(action.term, sent_at, action.mode)
                    await self._news.tell(TOPIC)
                    return self.interval_seconds
                return 0.0
            case Renew():
                if action.stop_services:
                    self._want(None)
                elif self._mode is None:
                    self._want(StartMode.AUTOMATIC)  # the switch-over for which they were stopped is void
                if not await self._members.renew(action.seen, clear_switch=action.clear_switch):
                    return 0.0
                if self._lease.term == action.seen.term:
                    self._renewed(action.seen.term, sent_at)
            case GiveUp():
                self._lose("another Cockpit has been asked to become the active one")
                await self._members.give_up(action.seen)
                await self._news.tell(TOPIC)
            case StepDown():
                self._lose(action.reason)
                return 0.0
            case Wait():
                if action.seconds is not None:
                    return min(self.interval_seconds, action.seconds)
        return self.interval_seconds

    def _self(self) -> Self:
        return Self(
            member_id=self.member_id,
            lease_seconds=self.lease_seconds,
            held_term=self._lease.term,
            is_serving=self._is_serving,
            is_first=self._is_first,
            may_be_active=self._may_be_active,
            is_alone=self._is_alone,
        )

    def _note(self, row: ClusterRow | None) -> None:
        member_id, term = (None, 0) if row is None else (row.member_id, row.term)
        if (member_id, term) != (self.active_member_id, self.term):
            self.active_member_id, self.term = member_id, term
            # At the start nobody has known anything else before.
            for listener in self._listeners if self._tasks else ():
                listener(member_id, term)

    # --- the role

    def _acquired(self, term: int, sent_at: float, mode: StartMode) -> None:
        _logger.info("this Cockpit is the active one", term=term, mode=mode.value)
        self._fence.term = term
        self._renewed(term, sent_at)
        self._want(mode)
        self._note(ClusterRow(self.member_id, term, 0))

    def _renewed(self, term: int, sent_at: float) -> None:
        self._lease.renewed(term, sent_at)
        if self._expiry is not None:
            self._expiry.cancel()
        if self._lease.until != float("inf"):
            self._expiry = asyncio.get_running_loop().call_at(self._lease.until, self._expire)

    def _expire(self) -> None:
        self._lose("the lease could not be renewed in time")

    def _lose(self, reason: str) -> None:
        """No write of an active service commits from now on; then the services are stopped."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._lease.term is None:
            return
        _logger.info("this Cockpit is not the active one any more", term=self._lease.term, reason=reason)
        self._lease.lost()
        self._fence.term = None
        self._want(None)
        self.look_now()

    def _want(self, mode: StartMode | None) -> None:
        self._mode = mode
        if mode is None and self._starting is not None:
            self._starting.cancel()
        self._changed.set()

    # --- the services

    async def _serve(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._converge()
            except Exception as error:
                _logger.error("active services could not be started or stopped", exc_info=error)
                await asyncio.sleep(RESTART_PAUSE_SECONDS)
                self._changed.set()

    async def _converge(self) -> None:
        """Start what shall run, stop what shall not."""
        if self._mode is not None and not self._services.are_running:
            self._is_serving = True
            self._starting = asyncio.ensure_future(self._services.start_all(self._mode))
            try:
                await asyncio.wait({self._starting})
                if not self._starting.cancelled():
                    self._starting.result()
            finally:
                self._starting.cancel()
                self._starting = None
        if self._mode is None and self._is_serving:
            await self._services.stop_all()
            self._is_serving = False
            self.look_now()

    async def restart(self, name: str | None) -> None:
        """Restart one active service, or (None) all; nothing to do on a passive member."""
        try:
            await self._services.restart(name)
        finally:
            self._changed.set()  # what has failed is tried again


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
