"""`stellwerk demo`: an installation with sample workflows and orders, and live progress in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Any

from stellwerk.cli.installation import CONTROLLER_ID, is_port_free
from stellwerk.cli.orders import deploy_files
from stellwerk.cli.output import state_text
from stellwerk.cli.rest import Cockpit
from stellwerk.cli.up import ACCOUNT, installation_running
from stellwerk.effects.waiting import set_within

SAMPLES = Path(__file__).parent / "samples"
FOLDER = "/samples"
#: Which workflows get orders, in turn; `payment-run` and `balance-check` end up waiting for a person.
ROUND = ("nightly-load", "file-transfer", "quality-gate", "month-end-report", "payment-run", "balance-check")


async def run_demo(data: Path, *, port: int, orders: int, seconds: float) -> int:
    """Run until Ctrl-C, SIGTERM, or `seconds` have passed."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    wanted = port
    while not is_port_free(port):
        port += 1
    if port != wanted:
        console.print(f"Port {wanted} is in use, so the Cockpit takes {port}.")
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def stop() -> None:
        stopped.set()
        if main is not None:
            main.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    console.print("Starting Cockpit, Controller and two Agents …")
    with contextlib.suppress(asyncio.CancelledError):
        async with (
            installation_running(data, port=port, agents=["agent-1", "agent-2"]) as running,
            Cockpit(running.target) as cockpit,
        ):
            names = await deploy_files(cockpit, sorted(SAMPLES.glob("*.workflow.json")), FOLDER)
            console.print(f"{len(names)} sample workflows are deployed in {FOLDER}.")
            for index in range(orders):
                name = ROUND[index % len(ROUND)]
                await cockpit.post(
                    "orders/add",
                    {
                        "controllerId": CONTROLLER_ID,
                        "orders": [{"workflowPath": f"{FOLDER}/{name}", "orderName": f"{name}-{index + 1}"}],
                    },
                )
            console.print(f"\n  [bold]{running.url}[/bold]")
            if running.password is not None:
                console.print(f"  account [bold]{ACCOUNT}[/bold], password [bold]{running.password}[/bold]")
                console.print("  (the password is shown only now)\n", style="dim")
            end = loop.time() + seconds if seconds else None
            with Live(console=console, refresh_per_second=4, transient=False) as live:
                while not stopped.is_set() and (end is None or loop.time() < end):
                    live.update(await _progress(cockpit))
                    await set_within(stopped, 0.5)
    console.print("\nStopping …")
    return 0


async def _progress(cockpit: Cockpit) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    answer = await cockpit.post("orders", {"controllerId": CONTROLLER_ID, "limit": 30, "compact": True})
    history = await cockpit.post("orders/history", {"controllerId": CONTROLLER_ID, "limit": 200})
    rows = history.get("history", [])
    done = sum(row.get("state", {}).get("_text") == "SUCCESSFUL" for row in rows)
    table = Table("ORDER", "WORKFLOW", "STATE", "AT", box=box.SIMPLE_HEAD, header_style="bold")
    table.caption = f"{done} orders have finished · Ctrl-C stops everything cleanly, the next start goes on"
    for order in answer.get("orders", []):
        table.add_row(
            Text(str(order.get("orderId"))),
            Text(str(order.get("workflowId", {}).get("path"))),
            state_text(order.get("state", {}).get("_text")),
            Text(str(order.get("label") or order.get("positionString") or "")),
        )
    return table
