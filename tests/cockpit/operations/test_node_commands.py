"""`stellwerk login`, `logout`, `profiles`, and the nouns `agent` and `controller`, against a running Cockpit."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cockpit.conftest import PASSWORD
from typer.testing import CliRunner

from stellwerk.cli.main import app
from stellwerk.cli.output import CommandError
from stellwerk.cli.profiles import Profile, Profiles, read_profiles
from stellwerk.cockpit.auth.sessions import Sessions

Run = Callable[..., Awaitable[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a thread; gives what it says, or the words of its error after `error=True`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STELLWERK_PASSWORD", PASSWORD)
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.delenv("STELLWERK_PROFILE_NAME", raising=False)
    monkeypatch.setenv("STELLWERK_DATA", str(tmp_path / "no installation"))

    async def command(*words: str, error: bool = False) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
        if error:
            assert isinstance(result.exception, CommandError), (words, result.output, result.exception)
            return f"{result.exception} → {result.exception.remedy}"
        assert result.exit_code == 0, (words, result.output, result.exception)
        return result.stdout

    return command


async def _json(run: Run, *words: str) -> Any:
    return json.loads(await run(*words, "--json"))


async def test_people_log_in_to_several_installations(run: Run, registered: Any, client: Any, cockpit: Any) -> None:
    assert "there is no installation" in await run("agent", "list", error=True)
    first = await _json(run, "login", client.base)
    assert first == {"profile": "default", "url": client.base, "account": "root", "controllerId": "controller"}
    assert "has no Controller" in await run("login", client.base, "--controller", "x", error=True)
    await run("login", client.base + "/", "--profile", "test")
    listed = await _json(run, "profiles")
    assert [(item["profile"], item["current"]) for item in listed] == [("default", False), ("test", True)]
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "stellwerk" / "profiles.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert PASSWORD not in file.read_text()

    assert [item["agentId"] for item in await _json(run, "agent", "list")] == ["agent-1"]
    assert [item["agentId"] for item in await _json(run, "--profile", "default", "agent", "list")] == ["agent-1"]
    assert "known: default, test" in await run("--profile", "nobody", "agent", "list", error=True)
    tokens = {name: profile.token for name, profile in read_profiles().profiles.items()}
    assert len(set(tokens.values())) == 2
    await run("logout", "--profile", "test")
    sessions = cockpit.services.get(Sessions)
    assert await sessions.get(tokens["test"], renew=False) is None, "its session has ended at the Cockpit, too"
    assert "there is no installation" in await run("agent", "list", error=True), "no profile is the current one"

    async with await client.raw("POST", "authentication/logout", headers={"X-Access-Token": tokens["default"]}):
        pass
    ended = await run("--profile", "default", "agent", "list", error=True)
    assert "session of the profile 'default' has ended" in ended and "stellwerk login" in ended
    await run("logout", "--profile", "default")
    assert await _json(run, "profiles") == []
    assert "nobody is logged in" in await run("logout", error=True)
    file.chmod(0o644)
    assert "can be read by others" in await run("profiles", error=True)


async def test_agents_and_controllers_are_listed_added_changed_and_removed(
    run: Run, registered: Any, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STELLWERK_URL", client.base)
    await run("agent", "add", "agent-2", "http://127.0.0.1:4446", "--alias", "second", "--process-limit", "3")
    two = await _json(run, "agent", "show", "agent-2")
    assert (two["agentName"], two["agentNameAliases"], two["processLimit"]) == ("agent-2", ["second"], 3)
    assert {"agentPath": "agent-2"}.items() <= registered.items[-1][-1]["item"].items(), "its Controller knows it"
    await run("agent", "add", "agent-2", "http://127.0.0.1:4447", "--name", "South")
    text = await run("agent", "list")
    assert "South" in text and "http://127.0.0.1:4447" in text and "agent-1" in text
    await run("agent", "disable", "agent-2", "agent-1")
    assert [item["disabled"] for item in await _json(run, "agent", "list")] == [True, True]
    await run("agent", "enable", "agent-1")
    assert "agentId" in await run("agent", "show", "agent-1")
    assert "confirm it with --yes" in await run("agent", "reset", "agent-2", error=True)
    await run("agent", "reset", "agent-2", "--force", "--yes")
    reset = registered.commands[-1]
    assert (reset["TYPE"], reset["agentPath"], reset["force"]) == ("ResetAgent", "agent-2", True)
    assert "no Agent 'nobody'" in await run("agent", "remove", "nobody", "--yes", error=True)
    asked = await run("agent", "switch-over", "agent-2", "--yes", error=True)
    assert "cluster/directors" in asked, "this Controller knows no pairs, but it has been asked"
    await run("agent", "remove", "agent-2", "--yes")
    assert [item["agentId"] for item in await _json(run, "agent", "list")] == ["agent-1"]

    [node] = await _json(run, "controller", "list")
    assert (node["controllerId"], node["role"]) == ("controller", "STANDALONE")
    assert "established" in await run("controller", "list") and "established" in await run("controller", "show")
    assert "no Controller 'other'" in await run("controller", "show", "other", error=True)
    await run("controller", "restart", "--yes")
    await run("controller", "stop", "--yes")
    assert registered.commands[-2:] == [{"TYPE": "ShutDown", "restart": True}, {"TYPE": "ShutDown"}]
    await run("controller", "add", registered.url, "--title", "The one")
    assert (await _json(run, "controller", "show", "controller"))[0]["title"] == "The one"
    await run("controller", "remove", "controller", "--yes")
    assert await _json(run, "controller", "list") == []


def test_the_profile_that_is_named_wins_over_the_current_one() -> None:
    one, two = Profile("http://one", "root", "t1"), Profile("http://two", "ann", "t2", "other")
    profiles = Profiles().having("one", one).having("two", two)
    assert profiles.chosen(None) == ("two", two)
    assert profiles.chosen("one") == ("one", one)
    assert profiles.without("one").chosen(None) == ("two", two) and profiles.without("two").chosen(None) is None
    with pytest.raises(CommandError, match="unknown profile 'x'; known: one, two"):
        profiles.chosen("x")
