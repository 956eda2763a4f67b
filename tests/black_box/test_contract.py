"""The contract for scripts of `stellwerk up --json`: issue 3, section 5; docs/reference/cli.md."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from up_process import UpProcess, is_alive, wait_until


def test_the_ready_line_names_everything_and_later_starts_go_on(data: Path) -> None:
    with UpProcess(data, agents="north,south", password=None) as up:
        up.start()
        first = up.ready
        assert first["ready"] is True and first["account"] == "root"
        assert len(first["password"]) >= 12  # generated, and shown this once
        components = first["components"]
        assert set(components) == {"cockpit", "controller", "agents"}
        assert set(components["agents"]) == {"north", "south"}
        parts = [components["cockpit"], components["controller"], *components["agents"].values()]
        for part in parts:
            assert is_alive(part["pid"]) and part["url"].startswith("http://127.0.0.1:") and part["command"]
        assert len({part["pid"] for part in parts}) == 4
        assert up.stop() == 0
        assert not any(is_alive(part["pid"]) for part in parts)
        up.no_process_is_left()

        up.password = None  # no variable is set
        up.agents = "north,south,west"  # naming further Agents later adds them
        up.start()
        assert up.ready["password"] is None
        again = up.ready["components"]
        assert set(again["agents"]) == {"north", "south", "west"}
        for name in ("north", "south"):
            assert again["agents"][name]["url"] == components["agents"][name]["url"]
        assert again["controller"]["url"] == components["controller"]["url"]
        up.password = first["password"]
        wait_until(lambda: set(up.api().agents()) == {"north", "south", "west"}, "the third Agent")
        assert up.stop() == 0


def test_a_second_up_and_a_taken_port_are_errors_that_change_nothing(data: Path, tmp_path: Path) -> None:
    with UpProcess(data) as up:
        up.start()

        def refused(folder: Path, port: int) -> str:
            other = UpProcess(folder)
            done = subprocess.run(
                other.command(port=port), env=other.environment(), capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 1 and not done.stdout, (done.returncode, done.stdout)
            return done.stderr

        assert str(data) in refused(data, 0)
        port = urlsplit(up.ready["url"]).port
        assert port is not None and str(port) in refused(tmp_path / "other", port)
        assert up.api().agents()
        assert up.stop() == 0


def test_a_killed_component_is_started_again_only_by_hand_or_by_supervise(data: Path) -> None:
    with UpProcess(data) as up:
        up.start()
        up.kill("agent-1")
        wait_until(lambda: up.api().agent_state("agent-1") != "COUPLED", "the Controller to notice")
        assert up.process is not None and up.process.poll() is None
        assert not is_alive(up.ready["components"]["agents"]["agent-1"]["pid"])
        up.restart("agent-1")
        wait_until(lambda: up.api().agent_state("agent-1") == "COUPLED", "agent-1 to be coupled again")
        assert up.stop() == 0  # stops the component that was started by hand, too
        up.no_process_is_left()

        up.start("--supervise")
        up.kill("agent-1")
        wait_until(lambda: up.api().agent_state("agent-1") != "COUPLED", "the Controller to notice")
        wait_until(lambda: up.api().agent_state("agent-1") == "COUPLED", "agent-1 to be started by up")
        assert up.stop() == 0
