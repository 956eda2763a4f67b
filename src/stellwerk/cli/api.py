"""`stellwerk api`: the REST API's endpoints, those that there are and those that are still missing."""

from __future__ import annotations

from typing import Any

from stellwerk.cli.output import print_json, print_table
from stellwerk.cockpit.api import all_routes
from stellwerk.cockpit.api.published import missing_paths
from stellwerk.cockpit.api.routes import COMPATIBLE


def list_api(*, missing: bool, as_json: bool) -> None:
    """Print the endpoints; `missing`: instead the published ones that answer "not implemented", with their tier."""
    found = _missing() if missing else _present()
    if as_json:
        for item in found:
            print_json(item)
    else:
        print_table(list(found[0]) if found else [], [list(item.values()) for item in found], "nothing is missing")


def _present() -> list[dict[str, Any]]:
    return [
        {
            "method": route.method,
            "path": COMPATIBLE + route.path,
            "permission": "none needed" if route.public else route.permission or "any session",
            "description": route.description,
        }
        for route in sorted(all_routes(), key=lambda route: route.path)
    ]


def _missing() -> list[dict[str, Any]]:
    return [
        {"tier": item.tier, "method": ",".join(item.methods), "path": COMPATIBLE + item.path}
        for item in sorted(missing_paths(all_routes()), key=lambda item: (item.tier, item.path))
    ]
