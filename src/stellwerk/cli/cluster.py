"""`stellwerk cluster …`: the clusters as the Cockpit sees them, and what people do with the pair of Controllers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from stellwerk.cli.output import confirm, print_json, print_table
from stellwerk.cli.rest import Cockpit


async def show(cockpit: Cockpit, as_json: bool) -> None:
    """Each cluster with its nodes, as on the Cockpit's screen Clusters: the same answer."""
    topology = await cockpit.get("stellwerk/topology")
    if as_json:
        print_json(topology)
        return
    nodes = {node["id"]: node for node in topology["nodes"]}
    for cluster in topology["clusters"]:
        print("\n".join(_lines(cluster, topology)))
        rows = [_row(nodes[node_id], topology["asOf"]) for node_id in cluster["nodes"]]
        print_table(("NODE", "ROLE", "STATE", "UP", "JOURNAL", "URL"), rows)
        for node_id in cluster["nodes"]:
            if nodes[node_id].get("message"):
                print(f"  {nodes[node_id]['name']}: {nodes[node_id]['message']}")
        print()
    if not topology["clusters"]:
        print("Nothing is clustered: every component stands alone.")


def _row(node: dict[str, Any], now_ms: int) -> tuple[Any, ...]:
    journal = node.get("journal")
    started = node.get("startedAt")
    return (
        node.get("name"),
        node.get("role", ""),
        node["state"],
        "" if started is None else f"{(now_ms - started) / 1000:.0f} s",
        "" if journal is None else f"{_size(journal['bytes'])} ({_size(journal['free'])} free)",
        node.get("url", ""),
    )


def _lines(cluster: dict[str, Any], topology: dict[str, Any]) -> Iterator[str]:
    since = f" since {_time(cluster['since'])}" if cluster.get("since") is not None else ""
    kind = {"controller": "Controllers", "agent": "Directors of Agent", "cockpit": "Cockpits"}[cluster["kind"]]
    name = "" if cluster["kind"] == "cockpit" else f" {cluster['name']}"
    yield f"{kind}{name}: {cluster['state']}{since}, term {cluster.get('term', '?')}"
    readiness = cluster.get("readiness")
    if readiness is not None:
        yield "  fail-over possible" if readiness["canFailOver"] else f"  no fail-over: {readiness.get('reason')}"
    if cluster.get("lossToConfirm"):
        yield f"  a person must confirm that {cluster['lossToConfirm']} is stopped"
    for link in topology["links"]:
        if link["from"] == cluster.get("active") and link["to"] in cluster["nodes"]:
            lag = f"{link['lagEvents']} events" if "lagEvents" in link else "unknown"
            size = f", {link['lagBytes']} bytes" if "lagBytes" in link else ""
            yield f"  lag of {link['to']}: {lag}{size}"
    watches = [f"{watch['id']}{'' if watch['connected'] else ' (away)'}" for watch in cluster.get("watches", [])]
    if watches:
        yield f"  watches: {', '.join(watches)}; {cluster.get('watchesNeeded')} must agree"
    last = cluster.get("lastChange")
    if last is not None:
        lost = f", {last['lost']} was lost" if last.get("lost") else ""
        yield f"  last change of roles: {last['event']} at {_time(last['time'])}, {last.get('active')} active{lost}"


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000).astimezone().isoformat(sep=" ", timespec="seconds")


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.{0 if unit == 'B' else 1}f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


async def switch_over(cockpit: Cockpit, is_confirmed: bool, as_json: bool) -> None:
    """The passive Controller becomes the active one."""
    confirm("The passive Controller takes over; the active one starts again as the passive one.", is_confirmed)
    await cockpit.post("controller/cluster/switchover", {"controllerId": cockpit.target.controller_id})
    _done("the Controllers exchange their roles", as_json)


async def confirm_loss(cockpit: Cockpit, url: str | None, is_confirmed: bool, as_json: bool) -> None:
    """A person says that a node is stopped, where no watch can know it."""
    lost = url or "the node that is waited for"
    confirm(f"If {lost} still runs, two nodes become active. Make sure that its process has ended.", is_confirmed)
    body: dict[str, Any] = {"controllerId": cockpit.target.controller_id}
    if url is not None:
        body["url"] = url
    await cockpit.post("controller/cluster/confirm_node_loss", body)
    _done(f"the loss of {lost} is confirmed", as_json)


def _done(what: str, as_json: bool) -> None:
    print_json({"ok": True}) if as_json else print(what)
