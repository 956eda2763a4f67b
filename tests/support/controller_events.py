"""The Controller's own event stream, read by a receiver of its own who releases nothing before it has seen all.

So the test has every event from the first on, in the Controller's own words, to compare the Cockpit's history with.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from component_processes import ComponentProcesses
from up_process import UpProcess

from stellwerk.cli.installation import Installation

USER = "checker"
_PASSWORD = "only for this test"


def prepare(up: UpProcess, agents: list[str], journal: str = "") -> None:
    """Make the installation's files before its first start, with the receiver configured."""
    Installation.open(up.data, port=0, agents=agents)
    file = up.data / "controller" / "controller.toml"
    text = file.read_text()
    receivers = 'users_allowed_to_release_events = ["cockpit"'
    assert receivers in text
    text = text.replace(receivers, f'{receivers}, "{USER}"')
    text = text.replace("release_events_delay_seconds = 5", f"release_events_delay_seconds = 0\n{journal}")
    file.write_text(text + f'\n[users.{USER}]\npassword = "plain:{_PASSWORD}"\n')


@dataclass(frozen=True)
class Stream:
    """Events as JSON objects, in their order."""

    events: list[dict[str, Any]]

    @property
    def last_event_id(self) -> int:
        return int(self.events[-1]["eventId"])

    def of_order(self, order_id: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event.get("Key") == order_id]


def read(
    nodes: ComponentProcesses, name: str = "controller", headers: dict[str, str] | None = None, after: int = 0
) -> Stream:
    """All events behind `after`. Fails if one has been deleted already. `headers`: None, those of the receiver."""
    headers = _authorization() if headers is None else headers
    events: list[dict[str, Any]] = []
    while True:
        answer = nodes.node_request(
            name,
            f"event?return=Event&after={after}&limit=5000&timeout=0s",
            headers={**headers, "Accept": "application/x-ndjson"},
        )
        assert answer.status == 200, answer
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        page = [json.loads(line) for line in text.replace("\x1e", "").splitlines() if line.strip()]
        page = [event for event in page if "eventId" in event and event.get("TYPE") != "Empty"]
        page = [event for event in page if event["eventId"] > after]
        if not page:
            return Stream(events)
        events += page
        after = page[-1]["eventId"]


def release(up: UpProcess, until_event_id: int) -> None:
    answer = up.node_request(
        "controller",
        "command",
        {"TYPE": "ReleaseEvents", "untilEventId": until_event_id},
        headers=_authorization(),
    )
    assert answer.status == 200, answer


def _authorization() -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{USER}:{_PASSWORD}".encode()).decode()}
