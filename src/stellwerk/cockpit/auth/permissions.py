"""Permission strings and their evaluation (cockpit-api 1.10, cockpit-services 7.3). Pure.

Routes name permissions in the short form of the endpoint table: `joc:inventory:view` (global), `ctl:orders:view` (for
one Controller). Rows of roles hold the long form `sos:products:joc:…`, `sos:products:controller:…`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec

ROOT = "sos:products"

JOC_PERMISSIONS: tuple[str, ...] = (
    "get_log",
    *(
        f"administration:{part}:{verb}"
        for part in ("accounts", "certificates", "controllers", "settings")
        for verb in ("view", "manage")
    ),
    *(f"administration:customization:{verb}" for verb in ("view", "manage", "share")),
    "auditlog:view",
    "calendars:view",
    "cluster:manage",
    *(f"dailyplan:{verb}" for verb in ("view", "manage")),
    *(f"documentations:{verb}" for verb in ("view", "manage")),
    "encipherment:encrypt",
    *(f"filetransfer:{verb}" for verb in ("view", "manage")),
    *(f"inventory:{verb}" for verb in ("view", "manage", "deploy")),
    *(f"{part}:{verb}" for part in ("notification", "others", "reports") for verb in ("view", "manage")),
)
CONTROLLER_PERMISSIONS: tuple[str, ...] = (
    "view",
    "restart",
    "terminate",
    "switch_over",
    "get_log",
    "agents:view",
    "deployment:view",
    "deployment:deploy",
    "locks:view",
    *(f"noticeboards:{verb}" for verb in ("view", "post", "delete")),
    *(
        f"orders:{verb}"
        for verb in (
            "view",
            "create",
            "cancel",
            "modify",
            "suspend_resume",
            "resume_failed",
            "confirm",
            "manage_positions",
        )
    ),
    "workflows:view",
)


class PermissionRow(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of a role: grants `permission` and all below it, or excludes them; for one Controller or (None) all."""

    permission: str
    controller_id: str | None = None
    excluded: bool = False
    #: The name of the role.
    role: str = ""


class FolderRow(msgspec.Struct, frozen=True):
    """One row of a role: what may be seen lies in `folder` or, if `recursive`, below it; for one Controller or all."""

    folder: str
    recursive: bool = True
    controller_id: str | None = None

    def covers(self, path: str) -> bool:
        """Whether an object (or a folder) at `path` may be seen."""
        folder = self.folder
        if path == folder or (path.rsplit("/", 1)[0] or "/") == folder:
            return True
        return self.recursive and (folder == "/" or path.startswith(folder + "/"))


def long_form(permission: str) -> str:
    """`joc:x` → `sos:products:joc:x`; `ctl:x` → `sos:products:controller:x`; the misspelt legacy form is put right."""
    if permission.startswith("joc:"):
        permission = f"{ROOT}:{permission}"
    elif permission.startswith("ctl:"):
        permission = f"{ROOT}:controller:{permission[4:]}"
    return permission.replace(":joc:adminstration:", ":joc:administration:")


def permission_fault(permission: str) -> str | None:
    """What is wrong with the long form of a permission that a role is to hold; None: it covers something."""
    known = [
        *(long_form(f"joc:{name}") for name in JOC_PERMISSIONS),
        *(long_form(f"ctl:{name}") for name in CONTROLLER_PERMISSIONS),
    ]
    wanted = long_form(permission)
    if any(covers(wanted, one) for one in known):
        return None
    nearest = difflib.get_close_matches(wanted, known, 1, 0.0)[0]
    return f"there is no permission '{permission}'; did you mean '{nearest}'?"


def covers(granted: str, wanted: str) -> bool:
    return wanted == granted or wanted.startswith(granted + ":")


class Permissions:
    """The effective permissions of an account: union of its roles' grants, minus exclusions (exclusions win).

    `folders` restrict what of it can be seen: none = everything.
    """

    def __init__(self, rows: Iterable[PermissionRow], folders: Iterable[FolderRow] = ()) -> None:
        self.folders = list(folders)
        #: All of them, in the long form.
        self.rows = [msgspec.structs.replace(row, permission=long_form(row.permission)) for row in rows]
        self._granted = [row for row in self.rows if not row.excluded]
        self._excluded = [row for row in self.rows if row.excluded]

    def without_grants_of(self, role: str) -> Permissions:
        """What would be left without what this role grants; what it excludes stays excluded."""
        return Permissions([row for row in self.rows if row.excluded or row.role != role], self.folders)

    @property
    def is_empty(self) -> bool:
        return not self._granted

    def allows(self, permission: str, controller_id: str | None = None) -> bool:
        wanted = long_form(permission)
        return self._any(self._granted, wanted, controller_id) and not self._any(self._excluded, wanted, controller_id)

    def allows_for_any_controller(self, permission: str) -> bool:
        """True if at least one Controller could be permitted; lists then filter."""
        scopes = {row.controller_id for row in self._granted} | {None}
        return any(self.allows(permission, scope) for scope in scopes)

    def folders_for(self, controller_id: str | None) -> list[FolderRow]:
        """The rows that restrict objects of a Controller; none = no restriction.

        Where no Controller is meant (the inventory), the rows of all of them count: who is restricted somewhere sees
        there only what could be seen somewhere.
        """
        return [row for row in self.folders if controller_id is None or row.controller_id in (None, controller_id)]

    def permits_folder(self, path: str, controller_id: str | None = None) -> bool:
        """Whether the object, or the folder, at `path` may be seen (cockpit-services 7.3, folder permissions).

        A folder that may be seen need not have contents that may: check each of them.
        """
        if not self.folders:
            return True
        rows = self.folders_for(controller_id)
        return not rows or any(row.covers(path) for row in rows)

    def controller_ids(self) -> list[str]:
        """Controllers for which rows of their own exist."""
        return sorted({row.controller_id for row in (*self._granted, *self._excluded) if row.controller_id})

    def tree(self, prefix: str, names: Iterable[str], controller_id: str | None = None) -> dict[str, object]:
        """The nested object of booleans of the API: `{"view":true,"orders":{"suspendResume":false,…}}`."""
        result: dict[str, object] = {}
        for name in names:
            *parents, leaf = [_camel(part) for part in name.split(":")]
            node = result
            for parent in parents:
                child = node.setdefault(parent, {})
                assert isinstance(child, dict)
                node = child
            node[leaf] = self.allows(f"{prefix}:{name}", controller_id)
        return result

    @staticmethod
    def _any(rows: list[PermissionRow], wanted: str, controller_id: str | None) -> bool:
        return any(
            (row.controller_id is None or row.controller_id == controller_id) and covers(row.permission, wanted)
            for row in rows
        )


_CAMEL = {
    "auditlog": "auditLog",
    "dailyplan": "dailyPlan",
    "filetransfer": "fileTransfer",
    "noticeboards": "noticeBoards",
}


def _camel(name: str) -> str:
    if name in _CAMEL:
        return _CAMEL[name]
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
