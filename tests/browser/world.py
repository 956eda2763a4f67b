"""What the browser tests' fixtures are made of: a running installation's API, and somebody at the browser."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, expect


@dataclass(frozen=True)
class Installation:
    """A running installation and the few REST calls that tests prepare their world with."""

    url: str
    account: str
    password: str
    #: `components` of the ready line; empty for an installation that ran already.
    components: dict[str, Any] = field(default_factory=dict)
    controller_id: str = "controller"
    tokens: list[str] = field(default_factory=list)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if not self.tokens:
            credentials = base64.b64encode(f"{self.account}:{self.password}".encode()).decode()
            answer = self._send("authentication/login", {}, {"Authorization": f"Basic {credentials}"})
            self.tokens.append(answer["accessToken"])
        return self._send(path, body, {"X-Access-Token": self.tokens[0]})

    def _send(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/joc/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return dict(json.load(response))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error

    def deploy(self, path: str, workflow: dict[str, Any]) -> str:
        """Store and deploy one workflow in inventory spelling; answers its path."""
        self.post("inventory/store", {"path": path, "objectType": "WORKFLOW", "configuration": workflow})
        draft = {"configuration": {"path": path, "objectType": "WORKFLOW"}}
        deployment = {"controllerIds": [self.controller_id], "store": {"draftConfigurations": [draft]}}
        self.post("inventory/deployment/deploy", deployment)
        return path

    def release(self, path: str, object_type: str, configuration: dict[str, Any]) -> None:
        """Store and release a calendar or a schedule."""
        self.post("inventory/store", {"path": path, "objectType": object_type, "configuration": configuration})
        self.post("inventory/release", {"update": [{"path": path, "objectType": object_type}]})

    def add_order(self, workflow: str, name: str, arguments: dict[str, Any] | None = None) -> str:
        order = {"workflowPath": workflow, "orderName": name, "arguments": arguments or {}}
        answer = self.post("orders/add", {"controllerId": self.controller_id, "orders": [order]})
        return str(answer["orderIds"][0])


class Person:
    """Somebody at the browser."""

    def __init__(self, page: Page, installation: Installation, axe: str) -> None:
        self.page = page
        self.installation = installation
        self.problems: list[str] = []
        #: Beginnings of URLs of others to whom this person may be sent.
        self.others: list[str] = []
        self._axe = axe
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.problems.append(f"error in the page: {error}"))
        page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # The browser itself reports refused requests; whether those are right is the test's own matter.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.installation.url, *self.others, "data:", "blob:")):
            self.problems.append(f"request to another host: {request.url}")

    def open(self, path: str) -> None:
        self.page.goto(f"{self.installation.url}/ui{path}")

    def log_in(self) -> None:
        self.open("/")
        self.page.get_by_label("Account").fill(self.installation.account)
        self.page.get_by_label("Password").fill(self.installation.password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("navigation", name="Screens")).to_be_visible()

    def row(self, order_id: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.locator(f'a[title="{order_id}"]'))

    def check_accessibility(self, leave_out: str | None = None) -> None:
        """No finding of axe-core that is serious or critical (WCAG 2.2 A and AA).

        `leave_out`: a selector of what is like the rest; axe compares the places of all targets with each other.
        """
        self.page.evaluate(self._axe)
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        where = {"include": [["html"]], "exclude": [[leave_out]] if leave_out else []}
        found = self.page.evaluate("([where, tags]) => axe.run(where, {runOnly: tags})", [where, tags])
        serious = [
            f"{finding['id']}: {finding['help']}\n    {node['html'][:200]}\n    {node['failureSummary']}"
            for finding in found["violations"]
            if finding["impact"] in ("serious", "critical")
            for node in finding["nodes"]
        ]
        assert not serious, f"{self.page.url}\n" + "\n".join(serious)
