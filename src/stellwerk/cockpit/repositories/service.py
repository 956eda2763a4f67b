"""`Repositories`: inventory objects to the files of working copies and back, and Git for these (cockpit-services 10.6).

What is done with one working copy is done one after the other. Working copies lie on the machine of one Cockpit: in a
cluster each member has its own, and what is pushed by one is pulled by the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import update

from stellwerk.cockpit.api.errors import BadRequest, ObjectNotFound
from stellwerk.cockpit.database.tables.inventory import inv_configurations
from stellwerk.cockpit.inventory import names, rows
from stellwerk.cockpit.inventory.archive_objects import EXTENSIONS, files_of, objects_of
from stellwerk.cockpit.inventory.exporter import as_entries
from stellwerk.cockpit.inventory.importer import put
from stellwerk.cockpit.inventory.rows import StoredObject
from stellwerk.cockpit.inventory.store import Inventory
from stellwerk.cockpit.inventory.types import CALENDARS, ObjectType
from stellwerk.cockpit.repositories.credentials import Credentials, GitCredentials
from stellwerk.cockpit.repositories.git import Git, GitError, Result, check_reference, server_of
from stellwerk.cockpit.repositories.working_copies import Category, Listed, WorkingCopies, top_folder
from stellwerk.cockpit.settings.settings import Settings

#: Type → the setting that says in which category it is held.
_HELD: dict[ObjectType, str] = {
    ObjectType.WORKFLOW: "git_hold_workflows",
    ObjectType.LOCK: "git_hold_resource_locks",
    ObjectType.FILEORDERSOURCE: "git_hold_file_order_sources",
    ObjectType.NOTICEBOARD: "git_hold_notice_boards",
    ObjectType.INCLUDESCRIPT: "git_hold_script_includes",
    ObjectType.JOBTEMPLATE: "git_hold_job_templates",
    ObjectType.JOBRESOURCE: "git_hold_job_resources",
    **dict.fromkeys(CALENDARS, "git_hold_calendars"),
    ObjectType.SCHEDULE: "git_hold_schedules",
}


class Repositories:
    """All that is done with repositories."""

    def __init__(
        self,
        inventory: Inventory,
        settings: Settings,
        copies: WorkingCopies,
        git: Git,
        credentials: GitCredentials,
    ) -> None:
        self._inventory = inventory
        self._settings = settings
        self._copies = copies
        self._git = git
        self._credentials = credentials
        self._locks: dict[tuple[Category, str], asyncio.Lock] = {}

    def types_in(self, category: Category) -> set[ObjectType]:
        """The types whose files are held in a category."""
        return {
            type_ for type_, name in _HELD.items() if self._settings.text("git", name) in (category.lower(), category)
        }

    # --- files --------------------------------------------------------------------------------------------------------

    async def store(self, category: Category, objects: Sequence[StoredObject]) -> None:
        """Write objects into their working copies. Raises `BadRequest` for types that the category does not hold."""
        held = self.types_in(category)
        for item in objects:
            if item.type not in held:
                raise BadRequest(
                    f"{item.path}: objects of type {item.type.name} are not held in {category.lower()} repositories "
                    "(settings, section git)"
                )
        entries = files_of(as_entries(objects))[1:]  # without the description of an archive
        for top in sorted({top_folder(item.path) for item in objects}):
            own = [entry for entry in entries if entry.name.startswith(top + "/")]
            async with self._lock(category, top):
                await asyncio.to_thread(self._copies.write, category, own)

    async def delete(self, category: Category, chosen: Iterable[tuple[ObjectType, str, bool]]) -> None:
        """Delete files; (type, path, recursive) each. The inventory stays as it is."""
        files = await self._files(category, chosen)
        for top in sorted({name.split("/")[0] for name in files}):
            async with self._lock(category, top):
                own = [name for name in files if name.startswith(top + "/")]
                await asyncio.to_thread(self._copies.delete, category, own)

    async def update(
        self,
        category: Category,
        chosen: Iterable[tuple[ObjectType, str, bool]],
        permitted: Callable[[str], bool],
    ) -> list[StoredObject]:
        """Store what the files say as drafts, in one transaction; what is equal stays deployed or released.

        Raises `ImportFailure` naming the file; then nothing has changed.
        """
        files = await self._files(category, chosen)
        entries = [await asyncio.to_thread(self._copies.read, category, name) for name in files]
        held = self.types_in(category)
        objects = [item for item in objects_of(entries) if item.type in held and permitted(item.path)]
        async with self._inventory.writing() as transaction:
            stored = []
            for item in objects:
                existing = await transaction.find(rows.named(item.type, item.name))
                if existing is None or permitted(existing.path):
                    stored.append(await put(transaction, item, item.path, existing))
        return stored

    async def listed(self, category: Category, folder: str, *, recursive: bool) -> list[Listed]:
        """The files in a folder of a working copy."""
        return await asyncio.to_thread(self._copies.list, category, folder, recursive=recursive)

    async def _files(self, category: Category, chosen: Iterable[tuple[ObjectType, str, bool]]) -> list[str]:
        found: dict[str, None] = {}
        for type_, path, recursive in chosen:
            if type_ == ObjectType.FOLDER:
                found |= dict.fromkeys(item.name for item in await self.listed(category, path, recursive=recursive))
            elif type_ in EXTENSIONS:
                top_folder(path)
                found[names.normalized(path).lstrip("/") + EXTENSIONS[type_]] = None
            else:
                raise BadRequest(f"{path}: objects of type {type_.name} are not held in repositories")
        if not found:
            raise ObjectNotFound(f"Couldn't find any file of it in the {category.lower()} repositories")
        return list(found)

    # --- folders under control ----------------------------------------------------------------------------------------

    async def link(self, folder: str, *, is_linked: bool) -> None:
        """Mark a top folder of the inventory as one that is kept in a repository."""
        path = _whole(folder)
        table = inv_configurations
        async with self._inventory.writing() as transaction:
            item = await transaction.read(ObjectType.FOLDER, path)
            await transaction.connection.execute(update(table).where(table.c.id == item.id).values(repo_ctrl=is_linked))

    async def drop(self, folder: str) -> None:
        """Delete the working copies of a top folder; the remote repository stays."""
        top = top_folder(_whole(folder))
        async with self._lock(Category.LOCAL, top), self._lock(Category.ROLLOUT, top):
            await asyncio.to_thread(self._copies.remove, f"/{top}")

    # --- git ----------------------------------------------------------------------------------------------------------

    async def clone(self, account: str, category: Category, folder: str, url: str) -> Result:
        """A new working copy of a remote repository."""
        path = _whole(folder)
        credentials = await self._for_remote(account, url)
        async with self._lock(category, top_folder(path)):
            target = await asyncio.to_thread(self._copies.prepare, category, path)
            arguments = ["clone", "--no-recurse-submodules", "--", url, target.name]
            return await asyncio.to_thread(self._git.run, target.parent, arguments, credentials=credentials)

    async def add(self, account: str, category: Category, folder: str) -> Result:
        """All that has changed goes into the next commit."""
        return await self._run(account, category, folder, ["add", "--all"])

    async def commit(self, account: str, category: Category, folder: str, message: str) -> Result:
        """Under the name of the account's credentials for the server, else that of the account."""
        if not message.strip():
            raise BadRequest("message: a commit needs one")

        def arguments(credentials: Credentials | None) -> list[str]:
            name, email = (
                (account, f"{account}@localhost") if credentials is None else (credentials.username, credentials.email)
            )
            return ["-c", f"user.name={name}", "-c", f"user.email={email}", "commit", "--no-verify", "-F", "-"]

        return await self._run(account, category, folder, arguments, text=message)

    async def push(self, account: str, category: Category, folder: str) -> Result:
        return await self._run(account, category, folder, ["push", "--set-upstream", "origin", "HEAD"])

    async def pull(self, account: str, category: Category, folder: str) -> Result:
        """Forwards only: what was committed on both sides is for a person to bring together."""
        return await self._run(account, category, folder, ["pull", "--ff-only", "--no-recurse-submodules"])

    async def checkout(
        self, account: str, category: Category, folder: str, *, branch: str | None, tag: str | None
    ) -> Result:
        if (branch is None) == (tag is None):
            raise BadRequest("give either branch or tag")
        where = check_reference(branch, "branch") if branch is not None else f"tags/{check_reference(tag or '', 'tag')}"
        return await self._run(account, category, folder, ["checkout", where, "--"])

    async def _run(
        self,
        account: str,
        category: Category,
        folder: str,
        arguments: Sequence[str] | Callable[[Credentials | None], Sequence[str]],
        text: str | None = None,
    ) -> Result:
        path = _whole(folder)
        async with self._lock(category, top_folder(path)):
            copy = await asyncio.to_thread(self._copies.existing, category, path)
            if not self._git.is_working_copy(copy):
                raise GitError(f"the {category.lower()} repository of '{path}' is no working copy: clone one first")
            url = await asyncio.to_thread(self._git.origin, copy)
            credentials = None if url is None else await self._for_remote(account, url)
            chosen: Any = arguments(credentials) if callable(arguments) else arguments
            return await asyncio.to_thread(self._git.run, copy, chosen, credentials=credentials, text=text)

    async def _for_remote(self, account: str, url: str) -> Credentials | None:
        return await self._credentials.for_server(account, server_of(url, self._git.protocols))

    def _lock(self, category: Category, top: str) -> asyncio.Lock:
        return self._locks.setdefault((category, top), asyncio.Lock())


def _whole(folder: str) -> str:
    """The path of a top folder; Git works on whole working copies."""
    path = names.normalized(folder)
    if top_folder(path) != path[1:]:
        raise BadRequest(f"folder '{path}': repositories are those of top folders; give '/{top_folder(path)}'")
    return path
