"""Calendars, schedules and projections as views ask for them (cockpit-services 3, 4.8)."""

from __future__ import annotations

from typing import Any

import pytest
from plan_world import CONTROLLER_ID, PlanWorld, at, each, in_days, schedule

from stellwerk.cockpit.inventory.types import ObjectType

TOMORROW = in_days(1)
WORKDAYS = {
    "title": "Working days",
    "from": "2024-01-01",
    "includes": {"weekdays": [{"days": [1, 2, 3, 4, 5]}]},
    "excludes": {"nonWorkingDayCalendars": ["holidays"]},
}
HOLIDAYS = {"includes": {"holidays": [{"dates": ["2024-05-01", "2024-05-02"]}]}}


@pytest.fixture
async def released(plans: PlanWorld) -> PlanWorld:
    await plans.release("/days/workdays", WORKDAYS, ObjectType.WORKINGDAYSCALENDAR)
    await plans.release("/days/off/holidays", HOLIDAYS, ObjectType.NONWORKINGDAYSCALENDAR)
    return plans


async def test_calendars_are_listed_by_type_path_folder_and_expression(released: PlanWorld) -> None:
    async def paths(**members: Any) -> list[str]:
        answer = await released.client.post("calendars", members)
        return [item["path"] for item in answer["calendars"]]

    assert await paths() == ["/days/every-day", "/days/off/holidays", "/days/workdays"]
    assert await paths(type="NONWORKINGDAYSCALENDAR") == ["/days/off/holidays"]
    assert await paths(calendarPaths="workdays") == ["/days/workdays"]
    assert await paths(folders=[{"folder": "/days/off"}]) == ["/days/off/holidays"]
    assert await paths(folders=[{"folder": "/none"}]) == []
    assert await paths(regex="work|holi") == ["/days/off/holidays", "/days/workdays"]
    [item] = (await released.client.post("calendars", {"calendarPaths": ["workdays"], "compact": True}))["calendars"]
    assert item.items() >= {"title": "Working days", "from": "2024-01-01", "type": "WORKINGDAYSCALENDAR"}.items()
    assert "includes" not in item
    for members in ({"type": "SCHEDULE"}, {"regex": "("}):
        answer = await released.client.post("calendars", members, status=420)
        assert answer["error"]["code"] == "JOC-400"


async def test_dates_of_released_and_of_given_calendars(released: PlanWorld) -> None:
    span = {"dateFrom": "2024-04-29", "dateTo": "2024-05-05"}
    answer = await released.client.post("calendar/dates", {"path": "/days/workdays", **span})
    assert answer["dates"] == ["2024-04-29", "2024-04-30", "2024-05-03"]
    assert answer["withExcludes"] == ["2024-05-01", "2024-05-02"]
    given = {"calendar": {"includes": {"ultimos": [{"days": [1]}]}}, **span}
    assert (await released.client.post("calendar/dates", given))["dates"] == ["2024-04-30"]
    draft = {"path": "/drafts/days", "objectType": "WORKINGDAYSCALENDAR", "configuration": given["calendar"]}
    await released.client.post("inventory/store", draft)
    asked = {"path": "/drafts/days", **span}
    assert (await released.client.post("inventory/calendar/dates", asked))["dates"] == ["2024-04-30"]
    answer = await released.client.post("calendar/dates", asked, status=420)
    assert answer["error"]["code"] == "JOC-002"


async def test_dates_that_cannot_be_told(released: PlanWorld) -> None:
    nothing = await released.client.post("calendar/dates", {"dateTo": "2024-05-05"}, status=420)
    assert "calendar object is undefined" in nothing["error"]["message"]
    wrong = {"path": "workdays", "dateFrom": "1.5.2024"}
    answer = await released.client.post("calendar/dates", wrong, status=420)
    assert answer["error"]["code"] == "JOC-400" and "YYYY-MM-DD" in answer["error"]["message"]


async def test_start_times_of_assignments(released: PlanWorld) -> None:
    assignment = {
        "calendarName": "workdays",
        "timeZone": "Europe/Berlin",
        "periods": [at("02:00"), each("01:00:00", "10:00", "13:00")],
    }
    request = {"calendars": [assignment], "dateFrom": "2024-05-02", "dateTo": "2024-05-05"}
    answer = await released.client.post("schedule/runtime", request)
    assert answer["dates"] == {
        "2024-05-03": {
            "periods": [
                {"singleStart": "2024-05-03T00:00:00.000Z"},
                {
                    "begin": "2024-05-03T08:00:00.000Z",
                    "end": "2024-05-03T10:00:00.000Z",
                    "repeat": "01:00:00",
                },
            ]
        }
    }
    # A period without whenHoliday is suppressed on days off here.
    off: dict[str, Any] = {"calendars": [{"calendarName": "every-day", "periods": [at("02:00")]}]}
    off |= {"nonWorkingDayCalendars": [{"calendarName": "holidays"}], "dateFrom": "2024-04-30", "dateTo": "2024-05-03"}
    assert list((await released.client.post("schedule/runtime", off))["dates"]) == ["2024-04-30", "2024-05-03"]
    unknown = {"calendars": [{"calendarName": "none", "periods": []}], "dateFrom": "2024-05-01"}
    answer = await released.client.post("schedule/runtime", unknown, status=420)
    assert "none" in answer["error"]["message"]


async def test_schedules_are_listed_by_path_folder_and_workflow(released: PlanWorld) -> None:
    await released.release("/plans/a", schedule(at("02:00")))
    await released.release("/plans/b", schedule(at("02:00"), workflows=("OTHER",)))

    async def paths(**selector: Any) -> list[str]:
        answer = await released.client.post("schedules", {"controllerId": CONTROLLER_ID, "selector": selector})
        return [item["path"] for item in answer["schedules"]]

    assert await paths() == ["/plans/a", "/plans/b"]
    assert await paths(workflowPaths=["/nightly/LOAD"]) == ["/plans/a"]
    assert await paths(schedulePaths="b") == ["/plans/b"]


async def test_national_holidays_of_a_region(released: PlanWorld) -> None:
    request = {"country": "DE", "firstYear": "2024", "subdivision": "BY", "language": "en_US"}
    answer = await released.client.post("stellwerk/holidays", request)
    assert {"date": "2024-01-06", "name": "Epiphany"} in answer["holidays"]
    countries = (await released.client.post("stellwerk/holidays/countries"))["countries"]
    assert "BY" in next(item for item in countries if item["code"] == "DE")["subdivisions"]
    answer = await released.client.post("stellwerk/holidays", {"country": "XX", "firstYear": 2024}, status=420)
    assert "XX" in answer["error"]["message"]


async def test_projections_show_plans_and_what_will_be_planned(released: PlanWorld) -> None:
    await released.release("/plans/nightly", schedule(at("02:00")))
    await released.release("/plans/hourly", schedule(each("01:00:00", "10:00", "13:00")))
    rare: Any = schedule(at("03:00"), planOrderAutomatically=False)
    rare["calendars"][0]["includes"] = {"dates": [str(in_days(40))]}
    await released.release("/plans/rare", rare)
    await released.generate(TOMORROW)
    [_, cycle] = await released.orders(TOMORROW)
    await released.do("delete", orderIds=[cycle["orderId"]])
    await released.client.post("daily_plan/projections/recreate")

    planned = await released.client.post("daily_plan/projections/date", {"date": str(TOMORROW)})
    assert (planned["planned"], planned["numOfOrders"]) == (True, 1)
    assert planned["periods"] == [
        {
            "schedule": "/plans/nightly",
            "scheduleOrderName": "nightly",
            "workflow": "/nightly/LOAD",
            "period": {"singleStart": f"{TOMORROW}T02:00:00.000Z"},
        }
    ]
    later = in_days(40)
    computed = await released.client.post("daily_plan/projections/date", {"date": str(later)})
    assert (computed["planned"], computed["numOfOrders"]) == (False, 5)
    assert computed["meta"][CONTROLLER_ID]["/plans/rare"]["excludedFromProjection"] is True
    cycles = [item["period"] for item in computed["periods"] if item["schedule"] == "/plans/hourly"]
    assert cycles == [{"begin": "10:00", "end": "13:00", "repeat": "01:00:00"}]
    inverted = {"date": str(TOMORROW), "withoutStartTime": True, "schedulePaths": ["/plans/hourly", "rare"]}
    idle = await released.client.post("daily_plan/projections/date", inverted)
    assert [item["schedule"] for item in idle["nonPeriods"]] == ["/plans/hourly", "/plans/rare"]
    assert idle["numOfNonPeriods"] == 2 and "periods" not in idle

    span = {"dateFrom": str(later), "dateTo": str(later), "schedulePaths": ["/plans/hourly"]}
    counts = await released.client.post("daily_plan/projections/calendar", span)
    assert counts["years"] == {str(later.year): {str(later)[:7]: {str(later): {"planned": False, "numOfOrders": 3}}}}
    dates = await released.client.post("daily_plan/projections/dates", span)
    [shown] = dates["years"][str(later.year)][str(later)[:7]][str(later)]["periods"]
    assert shown["schedule"] == "/plans/hourly"
    assert list(dates["meta"][CONTROLLER_ID]) == ["/plans/hourly"]


async def test_projections_that_were_never_computed_are_empty(released: PlanWorld) -> None:
    answer = await released.client.post("daily_plan/projections/calendar", {})
    assert answer["years"] == {} and answer["meta"] == {}
