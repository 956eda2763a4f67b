"""Alerts in the browser (ui.md S16): a job fails, somebody takes it, a channel is told, the order recovers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.browser import samples
from tests.browser.world import Installation, Person


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook's address, and what has come there."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()
    server.server_close()


def test_from_the_rule_to_the_recovery(
    person: Person, installation: Installation, tmp_path: Path, receiver: tuple[str, list[dict[str, Any]]]
) -> None:
    page = person.page
    url, got = receiver
    repaired = tmp_path / "repaired"
    workflow = installation.deploy("/alerts/watched", samples.failing(repaired))

    person.open("/alerts?tab=rules")
    configuration = page.get_by_label("Notification configuration")
    example = configuration.input_value()
    assert "https://chat.example.com/hook" in example
    configuration.fill(example.replace("https://chat.example.com/hook", "nowhere"))
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_role("alert").filter(has_text="needs a url")).to_be_visible()
    configuration.fill(example.replace("https://chat.example.com/hook", url))
    page.get_by_role("button", name="Release").click()
    expect(page.get_by_text("This is in force.")).to_be_visible()
    person.check_accessibility()
    page.get_by_role("tab", name="Channels").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_role("status").filter(has_text="has taken the test message")).to_be_visible()
    assert got[0]["subject"] == "Test of a channel"

    page.get_by_role("tab", name="Open").click()
    order_id = installation.add_order(workflow, "watched")
    row = page.get_by_role("row").filter(has_text="/alerts/watched")
    expect(row).to_be_visible()
    expect(row).to_contain_text("Disk quota exceeded")
    expect(row).to_contain_text("chat")
    expect(page.get_by_role("link", name="open alert")).to_be_visible()
    person.check_accessibility()
    row.get_by_role("checkbox").check()
    page.get_by_label("Comment").fill("cleaning the disk")
    page.get_by_role("button", name="Acknowledge").click()
    expect(row).to_have_count(0)
    page.get_by_role("tab", name="Acknowledged").click()
    expect(row).to_contain_text("cleaning the disk")

    row.get_by_role("link", name="/alerts/watched").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("/alerts/watched")
    expect(page.get_by_text("“cleaning the disk”")).to_be_visible()
    expect(page.get_by_role("cell", name="sent", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Mute for").click()
    expect(page.get_by_role("button", name="Unmute")).to_be_visible()
    page.get_by_role("button", name="Unmute").click()
    expect(page.get_by_role("button", name="Mute for")).to_be_visible()
    person.check_accessibility()

    repaired.touch()
    installation.post("orders/resume", {"controllerId": installation.controller_id, "orderIds": [order_id]})
    page.get_by_role("link", name="All alerts").click()
    page.get_by_role("tab", name="Resolved").click()
    expect(row).to_be_visible()
    person.check_accessibility()
    installation.post("notification/delete", {"release": True})
