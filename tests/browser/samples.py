"""Workflows of the browser tests, in inventory spelling. What their jobs wait for is a file of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def job(script: str, agent: str = "agent-1", **more: Any) -> dict[str, Any]:
    return {
        "agentName": agent,
        "executable": {"TYPE": "ShellScriptExecutable", "script": f"#!/bin/sh\n{script}"},
        **more,
    }


def step(name: str) -> dict[str, Any]:
    return {"TYPE": "Execute.Named", "jobName": name, "label": name}


def block(*instructions: dict[str, Any]) -> dict[str, Any]:
    return {"instructions": list(instructions)}


def until(file: Path, otherwise: str = "sleep 0.05") -> str:
    return f'while ! test -e "{file}"; do {otherwise}; done\n'


def failing(mended: Path) -> dict[str, Any]:
    """Fails at its second job, with a line on stderr, until `mended` exists."""
    load = f"""
seq 1 30 | sed 's/^/loading chunk /'
test -e "{mended}" && {{ echo "loaded all"; exit 0; }}
printf '\\033[31mwrite: Disk quota exceeded\\033[0m <b>not markup</b>\\n' >&2
exit 12
"""
    return {
        "title": "Fails until it is mended",
        "instructions": [step("extract"), step("load")],
        "jobs": {"extract": job("echo extracted"), "load": job(load, "agent-2")},
    }


def forked(finish: Path) -> dict[str, Any]:
    """Two branches on two Agents that run until `finish` exists, then a last job."""
    branch = {name: block(step(f"load-{name}")) for name in ("eu", "us")}
    return {
        "title": "Two branches over two Agents",
        "instructions": [
            {"TYPE": "Fork", "branches": [{"id": name, "workflow": body} for name, body in branch.items()]},
            step("publish"),
        ],
        "jobs": {
            "load-eu": job(until(finish), "agent-1"),
            "load-us": job(until(finish), "agent-2"),
            "publish": job("echo published"),
        },
    }


def parametrised() -> dict[str, Any]:
    """One parameter of each type; the job prints what it got."""
    declared = {
        "day": {"type": "String"},
        "chunk_size": {"type": "Number", "default": "5000"},
        "verbose": {"type": "Boolean", "default": "false"},
    }
    script = 'echo "day=$DAY size=$SIZE verbose=$VERBOSE"'
    load = job(script)
    load["executable"]["env"] = {"DAY": "$day", "SIZE": "$chunk_size", "VERBOSE": "$verbose"}
    return {
        "title": "Asks for its arguments",
        "orderPreparation": {"parameters": declared, "allowUndeclared": False},
        "instructions": [step("load")],
        "jobs": {"load": load},
    }


def streaming(finish: Path) -> dict[str, Any]:
    """Writes numbered lines until `finish` exists."""
    return {
        "title": "Writes and writes",
        "instructions": [step("render")],
        "jobs": {
            "render": job(f"n=0\n{until(finish, 'n=$((n+1)); echo rendered page $n; sleep 0.02')}", parallelism=9)
        },
    }


def prompting() -> dict[str, Any]:
    return {
        "title": "Asks a person",
        "instructions": [{"TYPE": "Prompt", "question": "'Release to production?'"}, step("transmit")],
        "jobs": {"transmit": job("echo transmitted")},
    }
