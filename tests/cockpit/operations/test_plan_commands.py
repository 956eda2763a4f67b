"""`stellwerk plan`, `plan diff`, `calendar`, `schedule` of a Cockpit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plan_world import PlanWorld, at, each, in_days, schedule

from stellwerk.cli import plan as commands
from stellwerk.cli.output import CommandError
from stellwerk.cli.rest import Cockpit, Target

TOMORROW, DAY_AFTER = in_days(1), in_days(2)


@pytest.fixture
async def planned(plans: PlanWorld) -> PlanWorld:
    await plans.release("/plans/nightly", schedule(at("02:00:00")))
    await plans.release("/plans/hourly", schedule(each("01:00:00", "10:00", "13:00")))
    await plans.generate(TOMORROW)
    return plans


async def shown(world: PlanWorld, capsys: pytest.CaptureFixture[str], action: Any) -> Any:
    capsys.readouterr()
    target = Target(url=world.client.base, account="root", password=None, token=world.client.token)
    async with Cockpit(target) as cockpit:
        await action(cockpit)
    return capsys.readouterr().out


async def test_the_plan_of_a_cockpit(planned: PlanWorld, capsys: pytest.CaptureFixture[str]) -> None:
    text = await shown(planned, capsys, lambda c: commands.plan(c, TOMORROW, DAY_AFTER, True))
    dates = json.loads(text)["dates"]
    assert {day: (item["planned"], item["numOfOrders"]) for day, item in dates.items()} == {
        str(TOMORROW): (True, 4),
        str(DAY_AFTER): (False, 4),
    }
    table = await shown(planned, capsys, lambda c: commands.plan(c, TOMORROW, DAY_AFTER, False))
    assert "10:00 to 13:00 every 1:00:00" in table and f"{TOMORROW.day}:4" in table and "forecast" in table


async def test_a_change_of_files_against_what_is_released(
    planned: PlanWorld, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "nightly.schedule.json").write_text(json.dumps(schedule(at("04:00:00"))))
    text = await shown(planned, capsys, lambda c: commands.plan_difference(c, [tmp_path], TOMORROW, TOMORROW, True))
    assert [(item["change"], item["start"]) for item in json.loads(text)["changes"]] == [
        ("-", f"{TOMORROW}T02:00:00Z"),
        ("+", f"{TOMORROW}T04:00:00Z"),
    ]


async def test_a_released_calendar_and_schedule(planned: PlanWorld, capsys: pytest.CaptureFixture[str]) -> None:
    text = await shown(planned, capsys, lambda c: commands.calendar(c, "every-day", TOMORROW, DAY_AFTER, True))
    assert json.loads(text)["dates"] == [str(TOMORROW), str(DAY_AFTER)]
    text = await shown(planned, capsys, lambda c: commands.schedule(c, "hourly", TOMORROW, TOMORROW, True))
    assert [item["start"] for item in json.loads(text)["starts"]] == [
        f"{TOMORROW}T{hour}:00:00Z" for hour in (10, 11, 12)
    ]
    with pytest.raises(CommandError):
        await shown(planned, capsys, lambda c: commands.schedule(c, "none", TOMORROW, TOMORROW, True))
