"""What the vendor publishes and this Cockpit does not do yet: such calls say so, instead of "no such endpoint".

A client learns that it has called the right thing, and `stellwerk api --missing` lists what is to come.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from stellwerk.cockpit.api.errors import ApiError
from stellwerk.cockpit.api.published_paths import PUBLISHED_PATHS
from stellwerk.cockpit.api.routes import NoRequest, RequestContext, Route

_PARAMETER = re.compile(r"\{\w+\}")


class PublishedPath(msgspec.Struct, frozen=True):
    """One line of the vendor's list. `tier`: 1 used by the shell CLI, 2 by the vendor's UI, 3 others."""

    path: str
    methods: tuple[str, ...]
    tier: int


class NotImplementedYet(ApiError):
    """JOC-004: the endpoint is published, but this release does not have it."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"/joc/api{path} is not implemented in this release of Stellwerk",
            code="JOC-004",
            kind="JocNotImplementedException",
        )


def published_paths() -> list[PublishedPath]:
    """The vendor's list, in its order."""
    found = []
    for line in PUBLISHED_PATHS.splitlines():
        tier, methods, path = line.split(" ", 2)
        found.append(PublishedPath(path, tuple(methods.split(",")), int(tier)))
    return found


def missing_routes(routes: Iterable[Route]) -> list[Route]:
    """Routes for `missing_paths`."""
    return [
        Route(item.path, NoRequest, None, None, False, _refuse, method=method)
        for item in missing_paths(routes)
        for method in item.methods
    ]


async def _refuse(context: RequestContext, request: NoRequest) -> None:
    raise NotImplementedYet(context.path)


def missing_paths(routes: Iterable[Route]) -> list[PublishedPath]:
    """Published paths with the methods for which there is no route."""
    present = [(route.method, re.compile(_PARAMETER.sub("[^/]+", route.path))) for route in routes]
    found = []
    for item in published_paths():
        served = {method for method, pattern in present if pattern.fullmatch(item.path)}
        methods = tuple(method for method in item.methods if method not in served)
        if methods:
            found.append(msgspec.structs.replace(item, methods=methods))
    return found
