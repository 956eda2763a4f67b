"""`stellwerk notify …` against a Cockpit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monitoring_samples import configuration, rule
from monitoring_world import MonitoringWorld, begins, fails

from stellwerk.cli import notify
from stellwerk.cli.output import CommandError
from stellwerk.cli.rest import Cockpit, Target

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(world: MonitoringWorld, capsys: pytest.CaptureFixture[str], action: Any) -> str:
    capsys.readouterr()
    target = Target(url=world.client.base, account="root", password=None, token=world.client.token)
    async with Cockpit(target) as cockpit:
        await action(cockpit)
    return str(capsys.readouterr().out)


async def test_alerts_in_the_terminal(world: MonitoringWorld, capsys: pytest.CaptureFixture[str]) -> None:
    await world.tell(*begins(), *fails())
    [alert] = await world.alerts()
    id_ = alert["id"]
    table = await shown(world, capsys, lambda c: notify.list_alerts(c, "state:open", 10, False))
    assert "/nightly" in table and "disk full" in table
    found = json.loads(await shown(world, capsys, lambda c: notify.list_alerts(c, "", 10, True)))
    assert [one["id"] for one in found["alerts"]] == [id_]
    text = await shown(world, capsys, lambda c: notify.change(c, "acknowledge", [id_], "mine", False))
    assert text == f"acknowledged: {id_}\n"
    muted = await shown(world, capsys, lambda c: notify.change(c, "mute", [id_], "", True, notify.until_ms("4h")))
    assert json.loads(muted) == {"changed": [id_]}
    table = await shown(world, capsys, lambda c: notify.list_alerts(c, "state:acknowledged", 10, False))
    assert "(muted)" in table and "root" in table
    detail = await shown(world, capsys, lambda c: notify.show_alert(c, id_, False))
    assert "error acknowledged: /nightly" in detail and "nothing was sent" in detail
    await shown(world, capsys, lambda c: notify.change(c, "resolve", [id_], "", False))
    text = await shown(world, capsys, lambda c: notify.change(c, "resolve", [id_], "", False))
    assert f"nothing to do: {id_}" in text
    with pytest.raises(CommandError):
        await shown(world, capsys, lambda c: notify.change(c, "resolve", [9999], "", False))


async def test_channels_in_the_terminal(
    world: MonitoringWorld, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match="no notification configuration"):
        await shown(world, capsys, lambda c: notify.show_configuration(c, False))
    told = tmp_path / "told"
    monitors = (
        f'<CommandFragment name="good"><Command>echo "$MON_SN_MESSAGE" &gt; {told}</Command></CommandFragment>'
        '<CommandFragment name="bad"><Command>exit 7</Command></CommandFragment>'
    )
    file = tmp_path / "notification.xml"
    file.write_text(configuration(rule(), monitors=monitors))
    assert "is in force" in await shown(world, capsys, lambda c: notify.release(c, file, False))
    assert "CommandFragment" in await shown(world, capsys, lambda c: notify.show_configuration(c, False))
    assert "good" in await shown(world, capsys, lambda c: notify.list_channels(c, False))
    assert "has taken message" in await shown(world, capsys, lambda c: notify.test_channel(c, "good", False))
    assert told.read_text() == "This is a test message of channel good.\n"
    with pytest.raises(CommandError, match="ended with 7"):
        await shown(world, capsys, lambda c: notify.test_channel(c, "bad", False))
    assert json.loads(await shown(world, capsys, lambda c: notify.retry_channel(c, "bad", True))) == {"ok": True}
    file.write_text("<Configurations>")
    with pytest.raises(CommandError, match="line 1"):
        await shown(world, capsys, lambda c: notify.release(c, file, False))
    with pytest.raises(CommandError, match="cannot be read"):
        await shown(world, capsys, lambda c: notify.release(c, tmp_path / "none.xml", False))


async def test_durations() -> None:
    assert notify.until_ms("off") is None and notify.until_ms("30m") is not None
    for text in ("", "m", "0h", "soon", "1w", "-1h"):
        with pytest.raises(CommandError, match="no duration"):
            notify.until_ms(text)
