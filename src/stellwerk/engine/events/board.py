"""Events of notice boards (orders spec 6.5). The key is the board's path."""

from __future__ import annotations

import msgspec

from stellwerk.engine.events.order_parts import GLOBAL_PLAN, NoticeId, PlanId

#: Global plan: the notice's key; else `[schema, plan key, key]`, without an empty key.
PlannedNoticeKey = str | tuple[str, ...]


class _BoardEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    pass


class NoticePosted(_BoardEvent, frozen=True, kw_only=True):
    """By the command PostNotice; orders write OrderNoticePosted."""

    planned_notice_key: PlannedNoticeKey
    #: Epoch milliseconds.
    end_of_life: int | None = None


class NoticeDeleted(_BoardEvent, frozen=True, kw_only=True):
    """At its end of life, by the command DeleteNotice, or with its plan."""

    planned_notice_key: PlannedNoticeKey


class NoticeMoved(_BoardEvent, frozen=True, kw_only=True):
    """The board has become plannable or global."""

    from_planned_notice_key: PlannedNoticeKey
    to_planned_notice_key: PlannedNoticeKey
    end_of_life: int | None = None


AnyBoardEvent = NoticePosted | NoticeDeleted | NoticeMoved


def notice_id(plan_id: PlanId, board_path: str, key: str) -> NoticeId:
    """The id in the form of events and commands."""
    return (*plan_id, board_path, key) if key else (*plan_id, board_path)


def split_notice_id(id_: NoticeId) -> tuple[PlanId, str, str]:
    """Plan, board path, key. Up to two elements mean the global plan."""
    if len(id_) <= 2:
        return GLOBAL_PLAN, id_[0], id_[1] if len(id_) == 2 else ""
    return id_[:2], id_[2], id_[3] if len(id_) == 4 else ""


def planned_notice_key(plan_id: PlanId, key: str) -> PlannedNoticeKey:
    if not plan_id:
        return key
    return (*plan_id, key) if key else plan_id


def split_planned_notice_key(value: PlannedNoticeKey) -> tuple[PlanId, str]:
    if isinstance(value, str):
        return GLOBAL_PLAN, value
    return value[:2], value[2] if len(value) > 2 else ""
