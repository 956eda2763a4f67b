"""Who is the active member? Pure: no clock, no database (cluster.md 4.3, with compare-and-set and terms).

The one row of `joc_cluster` names the active member, its term, and its last heart beat. A member that holds the role
renews it: a new heart beat in the row. Every change is a compare-and-set on member, term and heart beat; each change of
the member makes the term greater.

**The lease.** Who renews the role at the instant *t* of its own monotonic clock, taken *before* the renewal is sent,
may use it until *t* + lease − margin. Who wants the role takes it only when it has seen the very same row for a whole
lease, by its own monotonic clock, counted from *after* the first read of it. The renewal was sent before it could be
read, so the holder's lease ends first. No two clocks are compared, and the database's clock does not take part: it may
jump (F56). It only says whether a request to switch over is still fresh.

A process that is paused in between finds its lease over when it goes on; what it had begun to write fails at the fence
(`stellwerk.cockpit.database.fence`).
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

#: A request to switch over that nobody has carried out is void after this time on the database's clock.
SWITCH_SECONDS = 20.0


class StartMode(StrEnum):
    """Why services start (cluster.md 4.4)."""

    AUTOMATIC = "automatic"
    FAILOVER = "failover"
    MANUAL_SWITCHOVER = "manual_switchover"
    MANUAL_RESTART = "manual_restart"


class ClusterRow(msgspec.Struct, frozen=True):
    """The row as it was read. `member_id` None: the last active member has given the role up."""

    member_id: str | None
    term: int
    heart_beat: int
    switch_member_id: str | None = None
    switch_heart_beat: int | None = None


class Seen(msgspec.Struct, frozen=True):
    """What one read has brought. `row` None: there has never been an active member."""

    row: ClusterRow | None
    #: For how long the row has been seen with this member, term and heart beat; own clock.
    unchanged_seconds: float
    #: The database's clock at the read.
    database_ms: int

    @property
    def has_fresh_switch(self) -> bool:
        """Somebody has asked for a switch-over, not long ago."""
        row = self.row
        if row is None or row.switch_member_id is None or row.switch_heart_beat is None:
            return False
        return abs(self.database_ms - row.switch_heart_beat) <= SWITCH_SECONDS * 1000


class Self(msgspec.Struct, frozen=True):
    """The member that decides."""

    member_id: str
    lease_seconds: float
    #: The term that this process has acquired and not yet lost; None: it is not active.
    held_term: int | None = None
    #: Active services of this process run, or are being started or stopped.
    is_serving: bool = False
    #: Nothing has been decided since the process was started.
    is_first: bool = False
    #: False: an API server, which never becomes active.
    may_be_active: bool = True
    #: SQLite: there is no other member.
    is_alone: bool = False


class Wait(msgspec.Struct, frozen=True):
    """Look again later; after `seconds` at the latest, if given."""

    seconds: float | None = None


class TakeOver(msgspec.Struct, frozen=True):
    """Become active: compare with `seen` (None: insert the row), set self, term + 1, clear the switch."""

    seen: ClusterRow | None
    mode: StartMode

    @property
    def term(self) -> int:
        return 1 if self.seen is None else self.seen.term + 1


class Renew(msgspec.Struct, frozen=True):
    """Stay active: compare with `seen`, set the heart beat. `stop_services`: a switch-over waits until they have."""

    seen: ClusterRow
    clear_switch: bool = False
    stop_services: bool = False


class GiveUp(msgspec.Struct, frozen=True):
    """Hand over to the member that the switch names: compare with `seen`, set no member; services have stopped."""

    seen: ClusterRow


class StepDown(msgspec.Struct, frozen=True):
    """The role is lost: stop the services."""

    reason: str


Action = Wait | TakeOver | Renew | GiveUp | StepDown


def decide(seen: Seen, me: Self) -> Action:
    """What this member does next."""
    row = seen.row
    if me.held_term is not None:
        if row is not None and (row.member_id, row.term) == (me.member_id, me.held_term):
            return _as_active(row, seen, me)
        return StepDown("another Cockpit has become the active one" if row is not None else "the cluster's row is gone")
    if not me.may_be_active or me.is_serving:
        return Wait()
    started = StartMode.AUTOMATIC if me.is_first else StartMode.FAILOVER
    if row is None:
        return TakeOver(None, started)
    if row.switch_member_id == me.member_id and seen.has_fresh_switch:
        started = StartMode.MANUAL_SWITCHOVER
    elif row.switch_member_id is not None and seen.has_fresh_switch and row.switch_member_id != row.member_id:
        return Wait()  # for the member that has been named
    if row.member_id is None:
        return TakeOver(row, started)
    if row.member_id == me.member_id or (me.is_first and me.is_alone):
        # Its own left-over: of the process that ran before this one, or of a lease that has ended.
        return TakeOver(row, started)
    remaining = me.lease_seconds - seen.unchanged_seconds
    return TakeOver(row, started) if remaining <= 0 else Wait(remaining)


def _as_active(row: ClusterRow, seen: Seen, me: Self) -> Action:
    if row.switch_member_id is None:
        return Renew(row)
    if row.switch_member_id == me.member_id or not seen.has_fresh_switch:
        return Renew(row, clear_switch=True)
    return Renew(row, stop_services=True) if me.is_serving else GiveUp(row)


class Sighting:
    """For how long the row has been seen unchanged. Only member, term and heart beat count."""

    def __init__(self) -> None:
        self._version: tuple[str | None, int, int] | None = None
        self._since = 0.0

    def seen(self, row: ClusterRow | None, database_ms: int, read_at: float) -> Seen:
        """`read_at`: own monotonic clock *after* the answer of the read."""
        version = None if row is None else (row.member_id, row.term, row.heart_beat)
        if version != self._version:
            self._version, self._since = version, read_at
        return Seen(row, read_at - self._since, database_ms)

    def unchanged_seconds(self, now: float) -> float | None:
        """Since the row has been seen to change; None: it has not been read yet. `now`: own monotonic clock."""
        return None if self._version is None else now - self._since


class Lease:
    """What the holder knows: its term and until when, by its own monotonic clock, it may use the role."""

    def __init__(self, lease_seconds: float, margin_seconds: float) -> None:
        self._usable_seconds = lease_seconds - margin_seconds
        self.term: int | None = None
        self.until = float("-inf")

    def renewed(self, term: int, sent_at: float) -> None:
        """`sent_at`: own monotonic clock *before* the compare-and-set was sent."""
        self.term, self.until = term, sent_at + self._usable_seconds

    def lost(self) -> None:
        self.term, self.until = None, float("-inf")

    def is_valid(self, now: float) -> bool:
        return self.term is not None and now < self.until
