"""Conversations with the engine as readable scripts: `tests/engine/scripts/*.txt`.

Each block is a line of input (a JSON workflow after `deploy`, or a command), then what the Controller's journal got by
it, indented. `pytest tests/engine --rewrite` writes the present behaviour into the files, for review in the diff.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from installation import Installation, short

from stellwerk.engine import commands, noticing
from stellwerk.engine import requests as r
from stellwerk.engine.events import order as e
from stellwerk.engine.order import Order
from stellwerk.language.outcomes import AnyOutcome, Failed, Succeeded
from stellwerk.language.positions import WorkflowId
from stellwerk.values.problems import ProblemError

SCRIPTS = sorted((Path(__file__).parent / "scripts").glob("*.txt"))


def _members(words: list[str]) -> dict[str, Any]:
    names = {"scheduledFor": "scheduled_for", "deleteWhenTerminated": "delete_when_terminated"}
    given = json.loads(words[1]) if len(words) > 1 else {}
    return {names.get(name, name): value for name, value in given.items()}


class Conversation:
    """Runs the lines of one script. Jobs end only when the script says `job ORDER RETURN_CODE`."""

    def __init__(self) -> None:
        self.results: dict[str, AnyOutcome] = {}
        self.installation = Installation(job_result=self._result)

    def _result(self, order: Order) -> AnyOutcome | None:
        return self.results.pop(order.id, None)

    def execute(self, line: str) -> list[str]:
        count = len(self.installation.events)
        try:
            self._execute(line)
            self.installation.run()
        except ProblemError as error:
            return [f"PROBLEM {error.problem}"]
        return [f"{key} {short(event)}" for key, event in self.installation.events[count:]]

    def _execute(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        if name == "deploy":
            self.installation.deploy(json.loads(rest))
            return
        words = shlex.split(rest)
        order_id = words[0] if words else ""
        command: Any = self.installation.command
        if name == "add":
            self.installation.add(order_id, **_members(words))
        elif name == "job":
            code = int(words[1])
            values = {"returnCode": code}
            self.results[order_id] = Failed(named_values=values) if code else Succeeded(named_values=values)
        elif name == "advance":
            self.installation.advance(float(order_id))
        elif name == "cancel":
            kill = e.Kill() if "kill" in words else None
            command(commands.cancel_orders, [order_id], e.FreshOrStarted(kill=kill))
        elif name == "cancel-fresh":
            command(commands.cancel_orders, [order_id], e.FreshOnly())
        elif name == "suspend":
            kill = e.Kill() if "kill" in words else None
            mode = e.SuspensionMode(reset_state="reset" in words, kill=kill)
            command(commands.suspend_orders, [order_id], mode)
        elif name == "resume":
            position = tuple(json.loads(words[1])) if len(words) > 1 and words[1].startswith("[") else None
            command(
                commands.resume_order,
                r.ResumeOrder(order_id=order_id, position=position, as_succeeded="succeeded" in words),
            )
        elif name == "go":
            position = self.installation.controller.orders[order_id].position
            command(commands.go_order, order_id, position)
        elif name == "answer":
            command(commands.answer_order_prompt, order_id)
        elif name == "delete":
            command(commands.delete_orders_when_terminated, [order_id])
        elif name == "change":
            command(commands.change_order, r.ChangeOrder(order_id=order_id, priority=int(words[1])))
        elif name == "transfer":
            workflow_id = WorkflowId(words[0], words[1])
            command(commands.transfer_orders, workflow_id)
        elif name == "post":
            command(noticing.post_notice, r.PostNotice(notice_id=[*words]))
        elif name == "delete-notice":
            command(noticing.delete_notice, r.DeleteNotice(notice_id=[*words]))
        elif name == "state":
            raise ProblemError(self.installation.state(order_id))
        else:
            raise AssertionError(f"unknown command in script: {line}")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_conversation_is_as_written(path: Path, request: pytest.FixtureRequest) -> None:
    conversation = Conversation()
    written: list[str] = []
    for line in path.read_text().splitlines():
        if line.startswith("    "):
            continue
        written.append(line)
        if line and not line.startswith("#"):
            written += [f"    {event}" for event in conversation.execute(line)]
    text = "\n".join(written) + "\n"
    if request.config.getoption("--rewrite"):
        path.write_text(text)
    assert text == path.read_text()
