"""Two real Cockpits on one PostgreSQL database: the active one is killed, then another stands still (F51, F52).

Orders are added throughout, at whichever Cockpit answers. History has each order and each task exactly once, whoever
wrote it. `pytest -s` shows how long the fail-overs took.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postgresql import empty_database, running_server
from up_process import DEADLINE_SECONDS, Api, UpProcess, send, wait_until

from stellwerk.cli.installation import free_port

WORKFLOW = {
    "instructions": [{"TYPE": "Execute.Named", "jobName": "job", "label": "job"}],
    "jobs": {"job": {"agentName": "agent-1", "executable": {"TYPE": "ShellScriptExecutable", "script": "echo done"}}},
}


@pytest.fixture
def database_url() -> Iterator[str]:
    with running_server() as server, empty_database(server) as url:
        yield url


@pytest.fixture
def up(data: Path, database_url: str) -> Iterator[UpProcess]:
    """An installation whose Cockpit works on PostgreSQL."""
    folder = data / "cockpit"
    folder.mkdir(parents=True)
    (folder / "cockpit.toml").write_text(f'database_url = "{database_url}"\n[cluster]\ntitle = "first"\n')
    with UpProcess(data, agents="agent-1") as made:
        yield made.start()


class SecondCockpit:
    """Another member, on a data folder of its own."""

    def __init__(self, up: UpProcess, database_url: str) -> None:
        self.folder = up.data.parent / "second"
        self.port = free_port()
        (self.folder / "private").mkdir(parents=True)
        shutil.copytree(up.folder("cockpit") / "private" / "controllers", self.folder / "private" / "controllers")
        (self.folder / "cockpit.toml").write_text(f'database_url = "{database_url}"\n[cluster]\ntitle = "second"\n')
        log = (up.data.parent / "second.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stellwerk.cli", "cockpit", "--data", str(self.folder), "--port", str(self.port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=up.environment(),
            start_new_session=True,
        )
        log.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            assert self.process.wait(DEADLINE_SECONDS) == 0


def health(url: str) -> dict[str, Any]:
    answer = send(urllib.request.Request(url + "/health"))
    return answer.body if answer.status == 200 else {}


def role(url: str) -> str | None:
    return health(url).get("role")


def add(api: Api, workflow: str, names: list[str]) -> list[str]:
    ids: list[str] = []
    for name in names:
        answer = api.post_until_answered("orders/add", api.order_request(workflow, name), name)
        assert answer.status == 200, answer.body
        ids += answer.body["orderIds"]
    return ids


def finished(api: Api, ids: list[str]) -> None:
    def are_finished() -> bool:
        history = api.history()
        return all(history.get(id_, {}).get("state", {}).get("_text") == "SUCCESSFUL" for id_ in ids)

    wait_until(are_finished, lambda: f"the end of {set(ids) - set(api.history())}")


def test_another_cockpit_goes_on_when_the_active_one_is_killed_or_stands_still(
    up: UpProcess, database_url: str
) -> None:
    first_url = up.ready["url"]
    second = SecondCockpit(up, database_url)
    try:
        wait_until(lambda: role(second.url) == "passive", "the second Cockpit")
        assert role(first_url) == "active"
        api = up.api()
        workflow = api.deploy("/f/once", WORKFLOW)
        there = api.at(second.url)  # one session for both
        ids = add(api, workflow, [f"first-{n}" for n in range(10)])
        ids += add(there, workflow, [f"passive-{n}" for n in range(10)])

        up.kill("cockpit")
        begin = time.monotonic()
        ids += add(there, workflow, [f"headless-{n}" for n in range(5)])
        wait_until(lambda: role(second.url) == "active", "the second Cockpit is active")
        print(f"\nfail-over after kill -9: {time.monotonic() - begin:.1f} s")
        ids += add(there, workflow, [f"second-{n}" for n in range(10)])
        finished(there, ids)
        assert there._token == api._token  # never logged in again
        up.restart("cockpit")
        wait_until(lambda: role(first_url) == "passive", "the first Cockpit is passive")

        os.kill(second.process.pid, signal.SIGSTOP)
        begin = time.monotonic()
        ids += add(api, workflow, [f"stopped-{n}" for n in range(10)])
        wait_until(lambda: role(first_url) == "active", "the first Cockpit is active again")
        print(f"fail-over after SIGSTOP: {time.monotonic() - begin:.1f} s")
        term = health(first_url)["term"]
        ids += add(api, workflow, [f"behind-{n}" for n in range(10)])
        finished(api, ids)
        os.kill(second.process.pid, signal.SIGCONT)
        wait_until(lambda: role(second.url) == "passive", "the second Cockpit has stepped down")
        ids += add(there, workflow, [f"last-{n}" for n in range(10)])
        finished(there, ids)
        assert health(first_url) == {"status": "ok", "role": "active", "term": term}
        assert health(second.url)["term"] == term

        rows = api.post("orders/history", {"controllerId": api.controller_id, "limit": 10_000})["history"]
        assert sorted(row["orderId"] for row in rows) == sorted(ids)
        assert sorted(task["orderId"] for task in api.tasks()) == sorted(ids)
        assert all(api.log(task["taskId"]).count("done") == 1 for task in api.tasks()[-20:])

        shown = {item["title"]: item for item in api.post("jocs", {})["jocs"]}
        api.post("joc/cluster/switch_member", {"memberId": shown["second"]["memberId"]})
        wait_until(lambda: role(second.url) == "active" and role(first_url) == "passive", "the switch-over")
        begin = time.monotonic()
        second.end()
        wait_until(lambda: role(first_url) == "active", "the first Cockpit after an orderly stop")
        print(f"take-over after an orderly stop: {time.monotonic() - begin:.1f} s")
        assert up.stop() == 0
    finally:
        second.end()


def test_two_processes_on_one_data_folder_are_refused(data: Path) -> None:
    with UpProcess(data, agents="agent-1") as up:
        up.start()
        done = subprocess.run(
            [sys.executable, "-m", "stellwerk.cli", "cockpit", "--data", str(up.folder("cockpit")), "--port", "0"],
            env=up.environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
        )
        assert done.returncode == 1
        assert "already running with the directory" in done.stderr
        assert up.stop() == 0
