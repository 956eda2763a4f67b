"""Item events: what is deployed, and which Agent has which revision of it (orders spec 6.2). They have no key.

`key` members are item keys (`Workflow:W~v1`), `delegate_id` is `Agent:NAME`.
"""

from __future__ import annotations

import msgspec

from stellwerk.engine.state import Control, PathControl
from stellwerk.language.items import (
    AgentRef,
    Calendar,
    FileWatch,
    ItemKey,
    Signed,
    SubagentBundle,
    SubagentItem,
    UnsignedItem,
)

SimpleItem = UnsignedItem | PathControl
AttachableItem = AgentRef | SubagentItem | SubagentBundle | Calendar | FileWatch | PathControl | Control


class ItemEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="TYPE", rename="camel", omit_defaults=True):
    """Base of item events."""


# --- Controller ------------------------------------------------------------------------------------------------------


class UnsignedSimpleItemAdded(ItemEvent, frozen=True, kw_only=True):
    item: SimpleItem


class UnsignedSimpleItemChanged(ItemEvent, frozen=True, kw_only=True):
    item: SimpleItem


class SignedItemAdded(ItemEvent, frozen=True, kw_only=True):
    """A job resource. In snapshots of an Agent also a workflow."""

    signed: Signed
    item_revision: int | None = None


class SignedItemChanged(ItemEvent, frozen=True, kw_only=True):
    signed: Signed
    item_revision: int | None = None


class UnsignedItemAdded(ItemEvent, frozen=True, kw_only=True):
    item: Control


class UnsignedItemChanged(ItemEvent, frozen=True, kw_only=True):
    item: Control


class ItemDeletionMarked(ItemEvent, frozen=True, kw_only=True):
    key: ItemKey


class ItemDeleted(ItemEvent, frozen=True, kw_only=True):
    key: ItemKey


class ItemAttachable(ItemEvent, frozen=True, kw_only=True):
    key: ItemKey
    delegate_id: str


class ItemAttached(ItemEvent, frozen=True, kw_only=True):
    key: ItemKey
    delegate_id: str
    item_revision: int | None = None


class ItemDetachable(ItemEvent, frozen=True, kw_only=True):
    key: ItemKey
    delegate_id: str


class ItemDetached(ItemEvent, frozen=True, kw_only=True):
    """Written by the Agent, taken over by the Controller."""

    key: ItemKey
    delegate_id: str


class VersionAdded(ItemEvent, frozen=True, kw_only=True):
    version_id: str


class VersionedItemAdded(ItemEvent, frozen=True, kw_only=True):
    """A workflow of the current version."""

    signed: Signed


class VersionedItemChanged(ItemEvent, frozen=True, kw_only=True):
    signed: Signed


class VersionedItemRemoved(ItemEvent, frozen=True, kw_only=True):
    #: `Workflow:PATH`
    path: str


# --- Agent -----------------------------------------------------------------------------------------------------------


class ItemAttachedToMe(ItemEvent, frozen=True, kw_only=True):
    item: AttachableItem


class SignedItemAttachedToMe(ItemEvent, frozen=True, kw_only=True):
    signed: Signed
    item_revision: int | None = None


class ItemDetachingFromMe(ItemEvent, frozen=True, kw_only=True):
    """A Subagent is going to be detached when its processes have ended."""

    key: ItemKey


ControllerItemEvent = (
    UnsignedSimpleItemAdded
    | UnsignedSimpleItemChanged
    | SignedItemAdded
    | SignedItemChanged
    | UnsignedItemAdded
    | UnsignedItemChanged
    | ItemDeletionMarked
    | ItemDeleted
    | ItemAttachable
    | ItemAttached
    | ItemDetachable
    | ItemDetached
    | VersionAdded
    | VersionedItemAdded
    | VersionedItemChanged
    | VersionedItemRemoved
)
AgentItemEvent = ItemAttachedToMe | SignedItemAttachedToMe | ItemDetachingFromMe | ItemDetached
