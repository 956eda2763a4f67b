"""The election: a table of decisions, and members that interleave in any way (cluster.md 4.3)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stellwerk.cockpit.cluster.election import (
    SWITCH_SECONDS,
    Action,
    ClusterRow,
    GiveUp,
    Lease,
    Renew,
    Seen,
    Self,
    Sighting,
    StartMode,
    StepDown,
    TakeOver,
    Wait,
    decide,
)

LEASE, MARGIN = 6.0, 1.0
NOW = 1_000_000
ME = Self(member_id="a", lease_seconds=LEASE)
ACTIVE = msgspec.structs.replace(ME, held_term=5, is_serving=True)
MINE = ClusterRow("a", 5, NOW)
OTHERS = ClusterRow("b", 5, NOW)
GIVEN_UP = ClusterRow(None, 5, NOW)
FAILOVER, AUTOMATIC, SWITCHOVER = StartMode.FAILOVER, StartMode.AUTOMATIC, StartMode.MANUAL_SWITCHOVER


def me(**changes: Any) -> Self:
    return msgspec.structs.replace(ME, **changes)


def switching(row: ClusterRow, to: str, age_seconds: float = 1) -> ClusterRow:
    return msgspec.structs.replace(row, switch_member_id=to, switch_heart_beat=NOW - int(age_seconds * 1000))


STALE = SWITCH_SECONDS + 1

TABLE: list[tuple[str, ClusterRow | None, float, Self, Action]] = [
    ("nobody has ever been active", None, 0, me(is_first=True), TakeOver(None, AUTOMATIC)),
    ("an API server never becomes active", None, 0, me(may_be_active=False), Wait()),
    ("the other one lives", OTHERS, 2, ME, Wait(LEASE - 2)),
    ("the other one is silent for a lease", OTHERS, LEASE, ME, TakeOver(OTHERS, FAILOVER)),
    ("old services still run here", OTHERS, LEASE, me(is_serving=True), Wait()),
    ("the role has been given up", GIVEN_UP, 0, ME, TakeOver(GIVEN_UP, FAILOVER)),
    ("given up, first look", GIVEN_UP, 0, me(is_first=True), TakeOver(GIVEN_UP, AUTOMATIC)),
    ("given up for me", switching(GIVEN_UP, "a"), 0, ME, TakeOver(switching(GIVEN_UP, "a"), SWITCHOVER)),
    ("given up for a third one", switching(GIVEN_UP, "c"), 0, ME, Wait()),
    (
        "given up for a third one, who does not come",
        switching(GIVEN_UP, "c", STALE),
        0,
        ME,
        TakeOver(switching(GIVEN_UP, "c", STALE), FAILOVER),
    ),
    ("silent, and a third one has been named", switching(OTHERS, "c"), LEASE, ME, Wait()),
    ("asked to take over, but the other one lives", switching(OTHERS, "a"), 1, ME, Wait(LEASE - 1)),
    ("own left-over at the start", MINE, 0, me(is_first=True), TakeOver(MINE, AUTOMATIC)),
    ("own lease had ended", MINE, 0, ME, TakeOver(MINE, FAILOVER)),
    ("SQLite, moved from another host", OTHERS, 0, me(is_first=True, is_alone=True), TakeOver(OTHERS, AUTOMATIC)),
    ("active", MINE, 0, ACTIVE, Renew(MINE)),
    ("active, row taken by another", OTHERS, 0, ACTIVE, StepDown("another Cockpit has become the active one")),
    (
        "active, own member id with another term",
        ClusterRow("a", 6, NOW),
        0,
        ACTIVE,
        StepDown("another Cockpit has become the active one"),
    ),
    ("active, row gone", None, 0, ACTIVE, StepDown("the cluster's row is gone")),
    ("asked to switch, services run", switching(MINE, "b"), 0, ACTIVE, Renew(switching(MINE, "b"), stop_services=True)),
    (
        "asked to switch, services have stopped",
        switching(MINE, "b"),
        0,
        me(held_term=5),
        GiveUp(switching(MINE, "b")),
    ),
    (
        "asked to switch long ago",
        switching(MINE, "b", STALE),
        0,
        ACTIVE,
        Renew(switching(MINE, "b", STALE), clear_switch=True),
    ),
    ("asked to switch to me", switching(MINE, "a"), 0, ACTIVE, Renew(switching(MINE, "a"), clear_switch=True)),
]


@pytest.mark.parametrize("case", TABLE, ids=[case[0] for case in TABLE])
def test_decisions(case: tuple[str, ClusterRow | None, float, Self, Action]) -> None:
    _, row, unchanged, self_, expected = case
    assert decide(Seen(row, unchanged, NOW), self_) == expected


def test_a_row_is_new_when_member_term_or_heart_beat_differ_and_not_by_a_wish_to_switch() -> None:
    sighting = Sighting()
    assert sighting.seen(OTHERS, NOW, 10.0).unchanged_seconds == 0
    assert sighting.seen(switching(OTHERS, "c"), NOW, 13.0).unchanged_seconds == 3
    assert sighting.seen(msgspec.structs.replace(OTHERS, heart_beat=NOW + 1), NOW, 14.0).unchanged_seconds == 0


# --- any interleaving -------------------------------------------------------------------------------------------------


@dataclass
class World:
    """One row, one true time. The database's clock says what it likes."""

    now: float = 0.0
    database_ms: int = 0
    row: ClusterRow | None = None
    terms: list[int] = field(default_factory=list)

    def compare_and_set(self, seen: ClusterRow | None, row: ClusterRow) -> bool:
        if self.row != seen:
            return False
        heart_beat = max(self.database_ms, (0 if seen is None else seen.heart_beat) + 1)
        self.row = msgspec.structs.replace(row, heart_beat=heart_beat)
        return True


class Member:
    """The loop of `membership` in steps, each of which may be the last for a while."""

    def __init__(self, world: World, member_id: str) -> None:
        self.world = world
        self.member_id = member_id
        #: Monotonic clocks of different hosts have nothing to do with each other.
        self.offset = 1000.0 * ord(member_id)
        self.lease = Lease(LEASE, MARGIN)
        self.sighting = Sighting()
        self.steps = self.run()

    def time(self) -> float:
        return self.world.now + self.offset

    @property
    def holds_a_valid_lease(self) -> bool:
        return self.lease.is_valid(self.time())

    def run(self) -> Generator[None, None, None]:
        is_first = True
        while True:
            row, database_ms = self.world.row, self.world.database_ms
            yield
            seen = self.sighting.seen(row, database_ms, self.time())
            # The timer of the lease.
            if self.lease.term is not None and not self.holds_a_valid_lease:
                self.lease.lost()
            self_ = Self(self.member_id, LEASE, held_term=self.lease.term, is_first=is_first)
            is_first = False
            action = decide(seen, self_)
            sent_at = self.time()
            yield
            match action:
                case TakeOver():
                    taken = ClusterRow(self.member_id, action.term, 0)
                    if self.world.compare_and_set(action.seen, taken):
                        self.world.terms.append(action.term)
                        yield
                        self.lease.renewed(action.term, sent_at)
                case Renew():
                    changes = {"switch_member_id": None, "switch_heart_beat": None} if action.clear_switch else {}
                    done = self.world.compare_and_set(action.seen, msgspec.structs.replace(action.seen, **changes))
                    yield
                    if done and self.lease.term == action.seen.term:
                        self.lease.renewed(action.seen.term, sent_at)
                case GiveUp():
                    self.lease.lost()
                    self.world.compare_and_set(action.seen, msgspec.structs.replace(action.seen, member_id=None))
                case StepDown():
                    self.lease.lost()
                case Wait():
                    pass
            yield


_steps = st.one_of(
    st.tuples(st.just("step"), st.integers(0, 2)),
    st.tuples(st.just("steps"), st.integers(0, 2)),
    st.tuples(st.just("time"), st.sampled_from([0.1, 1.0, 2.0, 2.9, LEASE - MARGIN, LEASE, LEASE + MARGIN / 2])),
    st.tuples(st.just("clock"), st.integers(-200_000, 200_000)),
    st.tuples(st.just("switch"), st.integers(0, 2)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_steps, min_size=40, max_size=120))
def test_however_members_interleave_no_two_hold_a_valid_lease_and_terms_grow(script: list[tuple[str, Any]]) -> None:
    world = World(database_ms=NOW)
    members = [Member(world, name) for name in "abc"]
    for kind, value in script:
        if kind == "step":
            next(members[value].steps)
        elif kind == "steps":
            for _ in range(4):
                next(members[value].steps)
        elif kind == "time":
            world.now += value
            world.database_ms += int(value * 1000)
        elif kind == "clock":
            world.database_ms += value
        elif world.row is not None:
            world.row = msgspec.structs.replace(
                world.row, switch_member_id="abc"[value], switch_heart_beat=world.database_ms
            )
        holders = [member.member_id for member in members if member.holds_a_valid_lease]
        assert len(holders) <= 1, holders
    assert world.terms == sorted(set(world.terms))


def test_somebody_is_active_again_soon_after_the_active_one_has_died() -> None:
    world = World(database_ms=NOW)
    first, second = Member(world, "a"), Member(world, "b")
    for _ in range(4):
        next(first.steps)
    assert first.holds_a_valid_lease
    elapsed = 0.0
    while not second.holds_a_valid_lease:
        for _ in range(4):
            next(second.steps)
        world.now += 0.5
        elapsed += 0.5
        assert elapsed <= LEASE + 2, "nobody takes over"
    assert world.row is not None and (world.row.member_id, world.row.term) == ("b", 2)
