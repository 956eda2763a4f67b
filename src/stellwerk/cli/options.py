"""Options that many commands share, and how a command runs in a session of the Cockpit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Url = Annotated[str | None, typer.Option("--url", help="a Cockpit elsewhere; default: the one of --data")]
Account = Annotated[str | None, typer.Option("--account", help="with --url; the password is in STELLWERK_PASSWORD")]
Home = Annotated[Path, typer.Option("--data", envvar="STELLWERK_DATA", help="data folder of the installation")]
Yes = Annotated[bool, typer.Option("--yes", help="do it without asking")]


def in_session(data: Path, url: str | None, account: str | None, action: Callable[[Any], Awaitable[Any]]) -> Any:
    """Run one action with the REST API of the Cockpit that the options name."""
    from stellwerk.cli.orders import execute
    from stellwerk.cli.rest import Target

    return execute(Target.find(url, account, data), action)
