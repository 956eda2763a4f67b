"""`stellwerk cluster …`: the pair of Controllers as the Cockpit sees it, and what people do with it."""

from __future__ import annotations

import sys
from typing import Any

from stellwerk.cli.output import CommandError, print_json, print_table
from stellwerk.cli.rest import Cockpit


async def show(cockpit: Cockpit, as_json: bool) -> None:
    """Each node with its role, its state and what the pair's state is."""
    request = {"controllerId": cockpit.target.controller_id}
    answer = await cockpit.post("controller/components", request)
    nodes, state = answer["controllers"], answer.get("clusterState", {})
    if as_json:
        print_json({"nodes": nodes, "clusterState": state})
        return
    rows = [
        (
            node.get("role"),
            node.get("clusterNodeState", {}).get("_text"),
            node.get("connectionState", {}).get("_text"),
            node.get("startedAt", ""),
            node.get("url"),
        )
        for node in nodes
    ]
    print_table(("NODE", "ROLE", "CONNECTION", "STARTED", "URL"), rows)
    print(f"pair: {state.get('_text', 'stands alone')}")


async def switch_over(cockpit: Cockpit, is_confirmed: bool, as_json: bool) -> None:
    """The passive Controller becomes the active one."""
    _confirm("The passive Controller takes over; the active one starts again as the passive one.", is_confirmed)
    await cockpit.post("controller/cluster/switchover", {"controllerId": cockpit.target.controller_id})
    _done("the Controllers exchange their roles", as_json)


async def confirm_loss(cockpit: Cockpit, url: str | None, is_confirmed: bool, as_json: bool) -> None:
    """A person says that a node is stopped, where no watch can know it."""
    lost = url or "the node that is waited for"
    _confirm(f"If {lost} still runs, two nodes become active. Make sure that its process has ended.", is_confirmed)
    body: dict[str, Any] = {"controllerId": cockpit.target.controller_id}
    if url is not None:
        body["url"] = url
    await cockpit.post("controller/cluster/confirm_node_loss", body)
    _done(f"the loss of {lost} is confirmed", as_json)


def _confirm(what: str, is_confirmed: bool) -> None:
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise CommandError(what, "confirm it with --yes")
    print(what)
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done", "answer y to go on")


def _done(what: str, as_json: bool) -> None:
    print_json({"ok": True}) if as_json else print(what)
