"""The commands of the vendor's shell CLI against a running installation (cockpit-api 2; the matrix beside it).

Each line of docs/specification/cockpit-api-cli-matrix.jsonl is played as its script does it, in an installation of real
processes. A command whose endpoint does not exist yet is reported as such; it runs as soon as there is a route.
`make contract` prints the report by number.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.contract.commands import COMMANDS, Command, Form
from tests.contract.script import SUCCESS, Script, ScriptFailure, first_value
from tests.contract.world import World

from stellwerk.cockpit.api import all_routes
from stellwerk.cockpit.api.published import missing_paths
from stellwerk.cockpit.api.routes import COMPATIBLE

_MATRIX = Path(__file__).parents[2] / "docs" / "specification" / "cockpit-api-cli-matrix.jsonl"
LINES: dict[int, dict[str, Any]] = {
    number: json.loads(line) for number, line in enumerate(_MATRIX.read_text().splitlines(), 1)
}
_MISSING = {COMPATIBLE + item.path for item in missing_paths(all_routes()) if "POST" in item.methods}
_ROUTES = {COMPATIBLE + route.path for route in all_routes()}


def calls_of(number: int) -> list[dict[str, Any]]:
    """The calls of a command besides login and logout."""
    return [call for call in LINES[number]["calls"] if "/authentication/" not in call["path"]]


def _success(call: dict[str, Any]) -> list[str]:
    """What has to be found in an answer: the first thing read, or its alternative."""
    first, *others = call["reads"]
    return [first, *(other for other in others if other == ".roles")]


def _parameters() -> list[Any]:
    numbers = sorted(LINES, key=lambda number: (COMMANDS[number].is_last, number))
    return [
        pytest.param(number, id=f"{number}-{LINES[number]['script']}-{LINES[number]['command']}") for number in numbers
    ]


@pytest.mark.parametrize("number", _parameters())
def test_the_command_ends_as_expected(number: int, world: World) -> None:
    command, calls = COMMANDS[number], calls_of(number)
    missing = [call["path"] for call in calls if call["path"] in _MISSING]
    if missing:
        pytest.skip(f"no route {missing[0]}")
    if command.before is not None:
        command.before(world)
    script = Script(world.up.ready["url"], world.api.account, world.api.password, world.folder, warning=command.warning)
    code, said = SUCCESS, ""
    try:
        _play(command, calls, script, world)
    except ScriptFailure as failure:
        code, said = failure.code, str(failure)
    finally:
        if command.after is not None:
            command.after(world)
    assert code == command.exit_code, said


def _play(command: Command, calls: list[dict[str, Any]], script: Script, world: World) -> None:
    if not calls:
        return
    script.login()
    for call, content in zip(calls, command.calls, strict=True):
        path, success = call["path"], _success(call)
        if isinstance(content, Form):
            world.found = script.upload(path, content.fields, content.file(world), success)
            continue
        text = content(world) if callable(content) else content
        if text is not None:
            _check_fields(call, text)
        if success[0].startswith("(binary"):
            script.download(path, text or "", world.folder / "download")
        else:
            world.found = script.call(path, text, [query.replace("$p", f'"{_TRANSFERRED}"') for query in success])
    answer = script.answer
    script.logout()
    if command.reads is not None:
        script.answer = answer
        command.reads(script)


#: The workflow of transfer-order, whose old versions the script selects.
_TRANSFERRED = "/contract/TRANSFER"


def _check_fields(call: dict[str, Any], text: str) -> None:
    """The text sends all that the script sends in any case, as the matrix has it."""
    value = first_value(text)
    for field in call["request_fields"]:
        name = re.sub(r" \(.*\)$", "", field)
        if re.search(r"[?(|…]", name):
            continue
        found = [value]
        for part in name.split("."):
            key, is_list = re.sub(r"\[\d*\]$", "", part), part.endswith("]")
            assert all(isinstance(item, dict) and key in item for item in found), f"{name} is missing in {text}"
            found = [item[key] for item in found]
            if is_list:
                assert all(isinstance(item, list) and item for item in found), f"{name} is no list in {text}"
                found = [element for item in found for element in item]


def test_the_table_has_each_command_with_all_its_calls() -> None:
    assert COMMANDS.keys() == LINES.keys() and len(LINES) == 124
    wrong = [number for number, command in COMMANDS.items() if len(command.calls) != len(calls_of(number))]
    assert wrong == []


def test_every_path_of_the_matrix_is_a_route_or_known_to_be_missing() -> None:
    paths = {call["path"] for line in LINES.values() for call in line["calls"]}
    assert paths <= _ROUTES | _MISSING, sorted(paths - _ROUTES - _MISSING)
