"""Paths of inventory objects (cockpit-services 1.3). Pure."""

from __future__ import annotations

from stellwerk.language.inventory.names import name_fault


def normalized(path: str) -> str:
    """An absolute path without double or trailing slashes; a bare name becomes a path in the root folder."""
    return "/" + "/".join(part for part in path.split("/") if part)


def path_fault(path: str) -> str | None:
    """The first fault of any segment, with the segment."""
    for segment in normalized(path).split("/")[1:]:
        fault = name_fault(segment)
        if fault is not None:
            return f"'{segment}': {fault}"
    return None


def folder_of(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"


def name_of(path: str) -> str:
    """The last segment: the name by which Controllers know an object."""
    return path.rsplit("/", 1)[-1]


def parents_of(path: str) -> list[str]:
    """All folders above a path except the root, outermost first."""
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def is_in_folder(path: str, folder: str, *, recursive: bool) -> bool:
    """Whether an object at `path` lies in a folder (or, recursively, below it)."""
    own = folder_of(path)
    if own == folder:
        return True
    return recursive and (folder == "/" or own.startswith(folder + "/"))


def joined(folder: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{'' if folder == '/' else folder}/{name}"


def moved(path: str, folder: str, target: str) -> str:
    """The path of what lies below `folder` when that has become `target`."""
    return normalized(target + path[0 if folder == "/" else len(folder) :])
