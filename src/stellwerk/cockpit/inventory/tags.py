"""`TagTransaction`: the tags there are, their order and groups; which workflow or job has which (cockpit-services 1.9).

A tag that is given to something comes into being by that; it stays, in its place, until it is deleted. What is tagged
is named: a workflow keeps its tags when it is deployed, moved, or lies in the trash; when it is renamed they follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.database import insert_row
from stellwerk.cockpit.database.tables.inventory import inv_configuration_trash, inv_configurations
from stellwerk.cockpit.database.tables.tags import inv_tag_groups, inv_taggings, inv_tags
from stellwerk.cockpit.inventory.tag_names import ArchivedTags, Tag, TagKind
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.language.inventory.names import name_fault

#: `job_name` of a tagging of the workflow itself.
_WHOLE = ""
_tags, _groups, _taggings = inv_tags.c, inv_tag_groups.c, inv_taggings.c
_WITH_GROUP = inv_tags.outerjoin(inv_tag_groups, _groups.id == _tags.group_id)


def workflows_with(names: Iterable[str]) -> Select[tuple[str]]:
    """The names of the workflows that have one of these tags, as a subquery of filters."""
    return (
        select(_taggings.workflow_name)
        .join(inv_tags, _tags.id == _taggings.tag_id)
        .where(_taggings.job_name == _WHOLE, _tags.kind == int(TagKind.WORKFLOW), _tags.name.in_(list(names)))
    )


class TagTransaction:
    """All that is done with tags; part of an `InventoryTransaction`."""

    def __init__(self, connection: AsyncConnection, now_ms: int) -> None:
        self._connection = connection
        self._now_ms = now_ms

    # --- tags ---------------------------------------------------------------------------------------------------------

    async def all(self, kind: TagKind) -> list[Tag]:
        """In people's order."""
        query = (
            select(_tags.name, _groups.name.label("group"))
            .select_from(_WITH_GROUP)
            .where(_tags.kind == int(kind))
            .order_by(_tags.ordering, _tags.name)
        )
        return [Tag(row.name, row.group) for row in await self._connection.execute(query)]

    async def add(self, kind: TagKind, tags: Sequence[Tag]) -> dict[str, int]:
        """Those that are not there yet, behind the others; gives name → id. Raises `BadRequest` for another group."""
        if not tags:
            return {}
        known = {row.name: row for row in await self._rows(kind, [tag.name for tag in tags])}
        ordering = await self._last_ordering(inv_tags)
        result = {}
        for tag in tags:
            row = known.get(tag.name)
            group_id = None if tag.group is None else await self._group_id(tag.group)
            if row is None:
                ordering += 1
                values = {"kind": int(kind), "name": tag.name, "group_id": group_id, "ordering": ordering}
                result[tag.name] = await insert_row(self._connection, inv_tags, values | {"modified": self._now_ms})
                continue
            if group_id is not None and row.group_id is None:
                await self._connection.execute(update(inv_tags).where(_tags.id == row.id).values(group_id=group_id))
            elif group_id not in (None, row.group_id):
                raise BadRequest(
                    f"duplicate tag name '{tag.name}' with different groups: it is in another than '{tag}'"
                )
            result[tag.name] = row.id
        return result

    async def delete(self, kind: TagKind, names: Sequence[str]) -> None:
        """Tags, wherever they are in use."""
        ids = [row.id for row in await self._rows(kind, names)]
        await self._connection.execute(delete(inv_taggings).where(_taggings.tag_id.in_(ids)))
        await self._connection.execute(delete(inv_tags).where(_tags.id.in_(ids)))

    async def rename(self, kind: TagKind, name: str, new: Tag) -> None:
        """Raises `ObjectNotFound`, and `BadRequest` if the new name is taken."""
        [row] = await self._rows(kind, [name]) or [None]
        if row is None:
            raise ObjectNotFound(f"Couldn't find the tag '{name}'")
        if new.name != name and await self._rows(kind, [new.name]):
            raise BadRequest(f"the tag '{new.name}' exists already")
        values: dict[str, Any] = {"name": new.name, "modified": self._now_ms}
        if new.group is not None:
            values["group_id"] = await self._group_id(new.group)
        await self._connection.execute(update(inv_tags).where(_tags.id == row.id).values(values))

    async def order(self, kind: TagKind, names: Sequence[str]) -> None:
        """These first, in this order; the others follow as they were. Raises `ObjectNotFound`."""
        known = [tag.name for tag in await self.all(kind)]
        for ordering, name in enumerate(_reordered(known, names, "tag"), 1):
            condition = and_(_tags.kind == int(kind), _tags.name == name)
            await self._connection.execute(update(inv_tags).where(condition).values(ordering=ordering))

    async def _rows(self, kind: TagKind, names: Iterable[str]) -> list[Any]:
        query = select(inv_tags).where(_tags.kind == int(kind), _tags.name.in_(list(names)))
        return list(await self._connection.execute(query))

    async def _last_ordering(self, table: Any) -> int:
        return (await self._connection.execute(select(func.max(table.c.ordering)))).scalar() or 0

    # --- groups -------------------------------------------------------------------------------------------------------

    async def groups(self) -> list[str]:
        """In people's order."""
        query = select(_groups.name).order_by(_groups.ordering, _groups.name)
        return list((await self._connection.execute(query)).scalars())

    async def add_groups(self, names: Iterable[str]) -> None:
        for name in names:
            await self._group_id(name)

    async def delete_groups(self, names: Sequence[str]) -> None:
        """Their tags stay, without a group."""
        ids = select(_groups.id).where(_groups.name.in_(list(names)))
        await self._connection.execute(update(inv_tags).where(_tags.group_id.in_(ids)).values(group_id=None))
        await self._connection.execute(delete(inv_tag_groups).where(_groups.name.in_(list(names))))

    async def rename_group(self, name: str, new_name: str) -> None:
        """Raises `ObjectNotFound`, and `BadRequest` if the new name is not possible or taken."""
        _check_group(new_name)
        known = await self.groups()
        if name not in known:
            raise ObjectNotFound(f"Couldn't find the tag group '{name}'")
        if new_name != name and new_name in known:
            raise BadRequest(f"the tag group '{new_name}' exists already")
        await self._connection.execute(
            update(inv_tag_groups).where(_groups.name == name).values(name=new_name, modified=self._now_ms)
        )

    async def order_groups(self, names: Sequence[str]) -> None:
        """These first, in this order. Raises `ObjectNotFound`."""
        for ordering, name in enumerate(_reordered(await self.groups(), names, "tag group"), 1):
            await self._connection.execute(update(inv_tag_groups).where(_groups.name == name).values(ordering=ordering))

    async def in_group(self, group: str) -> list[str]:
        """The tags of a group, of all kinds. Raises `ObjectNotFound`."""
        if group not in await self.groups():
            raise ObjectNotFound(f"Couldn't find the tag group '{group}'")
        query = select(_tags.name).select_from(_WITH_GROUP).where(_groups.name == group).order_by(_tags.ordering)
        return list(dict.fromkeys((await self._connection.execute(query)).scalars()))

    async def set_group(self, group: str, names: Sequence[str]) -> None:
        """Exactly these tags belong to the group, of whatever kind they are. Raises `ObjectNotFound`."""
        known = set((await self._connection.execute(select(_tags.name))).scalars())
        _reordered(sorted(known), names, "tag")
        id_ = await self._group_id(group)
        await self._connection.execute(update(inv_tags).where(_tags.group_id == id_).values(group_id=None))
        await self._connection.execute(update(inv_tags).where(_tags.name.in_(list(names))).values(group_id=id_))

    async def _group_id(self, name: str) -> int:
        found = (await self._connection.execute(select(_groups.id).where(_groups.name == name))).scalar()
        if found is not None:
            return int(found)
        _check_group(name)
        ordering = await self._last_ordering(inv_tag_groups) + 1
        values = {"name": name, "ordering": ordering, "modified": self._now_ms}
        return await insert_row(self._connection, inv_tag_groups, values)

    # --- what is tagged -----------------------------------------------------------------------------------------------

    async def of_workflow(self, workflow: str) -> list[Tag]:
        return (await self._of(workflow)).get(_WHOLE, [])

    async def of_jobs(self, workflow: str) -> dict[str, list[Tag]]:
        """Job → its tags."""
        return {job: tags for job, tags in (await self._of(workflow)).items() if job != _WHOLE}

    async def _of(self, workflow: str) -> dict[str, list[Tag]]:
        query = (
            select(_taggings.job_name, _tags.name, _groups.name.label("group"))
            .select_from(_WITH_GROUP.join(inv_taggings, _taggings.tag_id == _tags.id))
            .where(_taggings.workflow_name == workflow)
            .order_by(_tags.ordering, _tags.name)
        )
        found: dict[str, list[Tag]] = {}
        for row in await self._connection.execute(query):
            found.setdefault(row.job_name, []).append(Tag(row.name, row.group))
        return found

    async def of_workflows(self) -> dict[str, list[str]]:
        """Workflow → the names of its tags, of all workflows that have some."""
        query = (
            select(_taggings.workflow_name, _tags.name)
            .join(inv_tags, _tags.id == _taggings.tag_id)
            .where(_taggings.job_name == _WHOLE)
            .order_by(_tags.ordering, _tags.name)
        )
        found: dict[str, list[str]] = {}
        for row in await self._connection.execute(query):
            found.setdefault(row.workflow_name, []).append(row.name)
        return found

    async def tagged(self, kind: TagKind) -> dict[str, set[str]]:
        """Tag → the workflows that have it, themselves or in one of their jobs."""
        query = (
            select(_tags.name, _taggings.workflow_name)
            .join(inv_tags, _tags.id == _taggings.tag_id)
            .where(_tags.kind == int(kind))
        )
        found: dict[str, set[str]] = {}
        for row in await self._connection.execute(query):
            found.setdefault(row.name, set()).add(row.workflow_name)
        return found

    async def tag_workflow(self, workflow: str, tags: Sequence[Tag], *, keep: bool = False) -> None:
        """These are its tags, besides those that it has if `keep`."""
        await self._tag(TagKind.WORKFLOW, workflow, _WHOLE, tags, keep=keep)

    async def untag_workflow(self, workflow: str, names: Sequence[str]) -> None:
        ids = [row.id for row in await self._rows(TagKind.WORKFLOW, names)]
        await self._connection.execute(
            delete(inv_taggings).where(
                _taggings.workflow_name == workflow, _taggings.job_name == _WHOLE, _taggings.tag_id.in_(ids)
            )
        )

    async def tag_job(self, workflow: str, job: str, tags: Sequence[Tag], *, keep: bool = False) -> None:
        """As `tag_workflow`, of one job."""
        await self._tag(TagKind.JOB, workflow, job, tags, keep=keep)

    async def _tag(self, kind: TagKind, workflow: str, job: str, tags: Sequence[Tag], *, keep: bool) -> None:
        ids = set((await self.add(kind, tags)).values())
        own = and_(_taggings.workflow_name == workflow, _taggings.job_name == job)
        if keep:
            ids -= set((await self._connection.execute(select(_taggings.tag_id).where(own))).scalars())
        else:
            await self._connection.execute(delete(inv_taggings).where(own))
        rows = [
            {"workflow_name": workflow, "job_name": job, "tag_id": id_, "modified": self._now_ms} for id_ in sorted(ids)
        ]
        if rows:
            await self._connection.execute(insert(inv_taggings), rows)

    async def rename_job(self, workflow: str, job: str, new_job: str) -> None:
        """The tags of a job follow it; they replace those that were kept for the new name."""
        here = _taggings.workflow_name == workflow
        moving = (await self._connection.execute(select(_taggings.tag_id).where(here, _taggings.job_name == job))).all()
        if not moving or new_job == job:
            return
        await self._connection.execute(delete(inv_taggings).where(here, _taggings.job_name == new_job))
        await self._connection.execute(
            update(inv_taggings).where(here, _taggings.job_name == job).values(job_name=new_job)
        )

    async def rename_workflow(self, name: str, new_name: str) -> None:
        """The tags of a workflow and its jobs follow it; they replace those that were kept for the new name."""
        await self._connection.execute(delete(inv_taggings).where(_taggings.workflow_name == new_name))
        await self._connection.execute(
            update(inv_taggings).where(_taggings.workflow_name == name).values(workflow_name=new_name)
        )

    async def forget_workflows(self) -> None:
        """Taggings of workflows that are neither in the inventory nor in the trash any more."""
        kept = [
            exists().where(table.c.type == int(ObjectType.WORKFLOW), table.c.name == _taggings.workflow_name)
            for table in (inv_configurations, inv_configuration_trash)
        ]
        await self._connection.execute(delete(inv_taggings).where(~kept[0], ~kept[1]))

    # --- archives -----------------------------------------------------------------------------------------------------

    async def archived(self, workflows: Iterable[str], *, is_all_known: bool) -> ArchivedTags:
        """What an archive with these workflows says of tags; with `is_all_known` also those that none of them has."""
        own = {name: await self._of(name) for name in workflows}
        of_workflows = {name: tags[_WHOLE] for name, tags in own.items() if _WHOLE in tags}
        of_jobs = {
            name: {job: found for job, found in tags.items() if job != _WHOLE}
            for name, tags in own.items()
            if tags.keys() - {_WHOLE}
        }
        used = {tag.name for tags in of_workflows.values() for tag in tags}
        known = [tag for tag in await self.all(TagKind.WORKFLOW) if is_all_known or tag.name in used]
        return ArchivedTags(of_workflows, of_jobs, known)

    async def take_over(self, archived: ArchivedTags, names: Mapping[str, str], *, overwrite: bool) -> None:
        """Tags from an archive, for the workflows that have been stored: name in the archive → name here.

        `overwrite`: they replace what a workflow or job has; else they come to it.
        """
        await self.add(TagKind.WORKFLOW, archived.known)
        for workflow, name in names.items():
            tags = archived.workflows.get(workflow, ())
            if tags or overwrite:
                await self.tag_workflow(name, tags, keep=not overwrite)
            for job, job_tags in archived.jobs.get(workflow, {}).items():
                await self.tag_job(name, job, job_tags, keep=not overwrite)


def _reordered(known: Sequence[str], first: Sequence[str], what: str) -> list[str]:
    unknown = [name for name in first if name not in known]
    if unknown:
        raise ObjectNotFound(f"Couldn't find the {what} '{unknown[0]}'")
    return list(dict.fromkeys([*first, *known]))


def _check_group(name: str) -> None:
    fault = name_fault(name)
    if fault is not None:
        raise BadRequest(f"tag group {name!r} is not possible: {fault}")
