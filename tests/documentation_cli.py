"""The page docs/reference/cli.md, made from the Typer app: what `--help` says, for every command."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, get_args

import typer

from stellwerk.cli.main import app

HEAD = """# Command line

This page is generated from the program (`make docs`). `stellwerk COMMAND --help` says the same in the terminal.

Commands that speak to a Cockpit find it by `--url` (or `STELLWERK_URL`), else by the data folder of an installation on
this machine: `--data` (or `STELLWERK_DATA`, by default `data`). On the same machine no password is needed: the Cockpit
keeps a session token that only its own user can read. For a Cockpit elsewhere the account comes from `--account` or
`STELLWERK_ACCOUNT` (by default `root`), the password from `STELLWERK_PASSWORD` or the terminal.

Who works with several installations logs in to each once: `stellwerk login https://cockpit:4446 --profile production`.
Then `stellwerk --profile production order list` (or `STELLWERK_PROFILE_NAME=production`) goes there, and without
`--profile` commands use what was logged in to last, unless the data folder holds an installation. The session token is
kept in `~/.config/stellwerk/profiles.json`, the password is not; a session that nobody uses ends as in the web UI.

With `--json` a command writes one JSON text a line to standard output; a problem is
`{"error":{"message":…,"remedy":…}}` on standard error. [Exit codes](exit-codes.md) are listed on a page of their own.

"""


def cli_page() -> str:
    """The whole page in Markdown."""
    root = typer.main.get_command(app)
    parts = [HEAD]
    for name, command in _commands(root, "stellwerk"):
        parts.append(_section(name, command))
    return "".join(parts).rstrip() + "\n"


def _commands(group: Any, prefix: str) -> list[tuple[str, Any]]:
    """All commands of a group and of its groups; typed loosely, as Typer may bring its own copy of click along."""
    found: list[tuple[str, Any]] = []
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        if not hasattr(command, "commands") or command.invoke_without_command:
            found.append((full, command))
        if hasattr(command, "commands"):
            found += _commands(command, full)
    return found


def _section(name: str, command: Any) -> str:
    arguments = [item for item in command.params if item.param_type_name == "argument"]
    options = [item for item in command.params if item.param_type_name == "option"]
    usage = " ".join([name, *(["[OPTIONS]"] if options else []), *(_metavar(item) for item in arguments)])
    lines = [f"## {name}", "", (command.help or "").strip(), "", "```", usage, "```", ""]
    rows = [(f"`{_metavar(item)}`", getattr(item, "help", None), "") for item in arguments]
    rows += [(f"`{_spelling(item)}`", item.help, _default(item)) for item in options]
    if rows:
        lines += ["| Argument, option | Meaning | Default |", "|---|---|---|"]
        lines += [f"| {first} | {text or ''} | {default} |" for first, text, default in rows]
        lines.append("")
    return "\n".join(lines) + "\n"


def _metavar(argument: Any) -> str:
    return (argument.name or "").upper() + ("…" if argument.nargs == -1 else "")


def _spelling(option: Any) -> str:
    names = ", ".join(option.opts + option.secondary_opts)
    return names if option.is_flag else f"{names} {_type_name(option.type_descriptor.annotation)}"


def _type_name(annotation: Any) -> str:
    types = [item for item in get_args(annotation) or (annotation,) if item is not NoneType]
    if isinstance(types[0], type) and issubclass(types[0], Enum):
        return "|".join(str(member.value) for member in types[0])
    return {str: "TEXT", int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(types[0]) or _type_name(types[0])


def _default(option: Any) -> str:
    if option.required:
        return "must be given"
    default = option.default
    text = "" if default in (None, "", [], ()) or option.is_flag else f"`{default}`"
    return f"{text} (`{option.envvar}`)".strip() if option.envvar else text
