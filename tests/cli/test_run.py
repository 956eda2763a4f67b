"""`stellwerk run FILE`: one workflow on an installation of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stellwerk.cli.output import CommandError
from stellwerk.cli.run import run_workflow


def workflow_file(folder: Path, *instructions: dict[str, Any], **members: Any) -> Path:
    file = folder / "greeting.workflow.json"
    file.write_text(json.dumps({"version": "1.7.0", "instructions": list(instructions), **members}))
    return file


def job(name: str) -> dict[str, Any]:
    return {"TYPE": "Execute.Named", "jobName": name, "label": name}


def jobs(script: str) -> dict[str, Any]:
    executable = {"TYPE": "ShellScriptExecutable", "script": script, "env": {"WHO": "$who"}}
    return {"greet": {"agentName": "anywhere", "executable": executable}}


PARAMETERS = {"allowUndeclared": False, "parameters": {"who": {"type": "String", "default": "'world'"}}}


async def result(file: Path, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    code = await run_workflow(file, arguments, keep=False, as_json=True)
    outcome: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert outcome["exitCode"] == code
    return outcome


async def test_a_finished_order_with_the_output_of_its_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = 'echo "Hello, $WHO!"; echo "said=$WHO" >> $JS7_RETURN_VALUES'
    file = workflow_file(tmp_path, job("greet"), jobs=jobs(script), orderPreparation=PARAMETERS)
    assert await run_workflow(file, {}, keep=False, as_json=False) == 0
    shown = capsys.readouterr().out
    assert "Hello, world!" in shown and "greet" in shown and "Finished" in shown
    outcome = await result(file, capsys, who="bank")
    assert (outcome["state"], outcome["exitCode"]) == ("Finished", 0)
    assert outcome["values"]["said"] == "bank"


async def test_a_failed_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = workflow_file(tmp_path, job("greet"), jobs=jobs("exit 4"), orderPreparation=PARAMETERS)
    outcome = await result(file, capsys)
    assert (outcome["state"], outcome["exitCode"], outcome["message"]) == ("Failed", 1, "Failed with return code 4")


async def test_an_order_that_waits_for_a_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    branches = [
        {"id": name, "workflow": {"instructions": [{"TYPE": "Prompt", "question": "'Go on?'"}]}} for name in ("a", "b")
    ]
    outcome = await result(workflow_file(tmp_path, {"TYPE": "Fork", "branches": branches}), capsys)
    assert (outcome["orderId"], outcome["state"], outcome["exitCode"]) == ("run|a", "Prompting", 3)


@pytest.mark.parametrize(
    ("instruction", "arguments", "text"),
    [
        ({"TYPE": "Nonsense"}, {}, "Nonsense"),
        ({"TYPE": "Prompt", "question": "'?'"}, {"unknown": 1}, "UndeclaredOrderArgument"),
    ],
)
async def test_what_cannot_run(tmp_path: Path, instruction: dict[str, Any], arguments: Any, text: str) -> None:
    with pytest.raises(CommandError, match=text) as error:
        await run_workflow(workflow_file(tmp_path, instruction), arguments, keep=False, as_json=False)
    assert error.value.code == 2
    with pytest.raises(CommandError, match="does not exist"):
        await run_workflow(tmp_path / "missing.workflow.json", {}, keep=False, as_json=False)


async def test_the_folder_is_kept_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await run_workflow(workflow_file(tmp_path, {"TYPE": "Finish"}), {}, keep=True, as_json=True) == 0
    folder = Path(json.loads(capsys.readouterr().out)["folder"])
    assert list((folder / "controller" / "state").glob("controller--*"))
