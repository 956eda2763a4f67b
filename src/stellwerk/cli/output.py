"""How commands speak: tables for people, JSON for scripts, problems with place and remedy on standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from stellwerk.values.json import encode


class CommandError(Exception):
    """What a person is told, with the exit code of the command."""

    def __init__(self, message: str, remedy: str | None = None, code: int = 1) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code


def fail(error: CommandError, as_json: bool = False) -> NoReturn:
    if as_json:
        print_json({"error": {"message": str(error), "remedy": error.remedy}}, sys.stderr)
    else:
        print(f"stellwerk: {error}", file=sys.stderr)
        if error.remedy:
            print(f"  → {error.remedy}", file=sys.stderr)
    raise SystemExit(error.code)


def confirm(what: str, is_confirmed: bool) -> None:
    """Ask a person before something is done; raises `CommandError` if it is not wanted, or nobody can be asked."""
    if is_confirmed:
        return
    if not sys.stdin.isatty():
        raise CommandError(what, "confirm it with --yes")
    print(what)
    if input("Go on? [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done", "answer y to go on")


def print_json(value: Any, stream: Any = None) -> None:
    """One JSON text on one line."""
    (stream or sys.stdout).write(encode(value).decode() + "\n")
    (stream or sys.stdout).flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str = "nothing found") -> None:
    """A plain table; colours and width are left to Rich."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for column in columns:
        # Ids and times are copied from here: they stay whole.
        table.add_column(column, no_wrap=True, overflow="fold")
    count = 0
    for row in rows:
        # Text, never markup: order ids and messages are untrusted.
        table.add_row(*[cell if isinstance(cell, Text) else Text("" if cell is None else str(cell)) for cell in row])
        count += 1
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    console.print(table if count else empty)


def time_text(value: Any) -> str:
    """A time of the API (ISO text or epoch milliseconds) in the person's own zone."""
    if value in (None, ""):
        return ""
    if isinstance(value, int):
        instant = datetime.fromtimestamp(value / 1000, UTC)
    else:
        instant = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    return instant.astimezone().strftime("%Y-%m-%d %H:%M:%S")


_STYLES: Mapping[str, str] = {
    "FINISHED": "green",
    "SUCCESSFUL": "green",
    "RUNNING": "cyan",
    "INPROGRESS": "cyan",
    "INCOMPLETE": "cyan",
    "FAILED": "bold red",
    "BROKEN": "bold red",
    "SUSPENDED": "yellow",
    "PROMPTING": "yellow",
    "CANCELLED": "dim",
}


def state_text(state: Any) -> Any:
    """A state with its usual colour."""
    from rich.text import Text

    text = str(state or "")
    return Text(text, style=_STYLES.get(text.upper(), ""))
