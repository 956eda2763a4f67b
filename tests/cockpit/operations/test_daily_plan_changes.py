"""What people change in a plan: times, cycles, variables, positions, priorities, copies, deletions (spec 4.7)."""

from __future__ import annotations

from typing import Any

import pytest
from plan_world import CONTROLLER_ID, PlanWorld, at, each, in_days, schedule

from stellwerk.cockpit.api import daily_plan as api
from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.application import Cockpit
from stellwerk.cockpit.auth.permissions import PermissionRow, Permissions
from stellwerk.cockpit.auth.sessions import Sessions
from stellwerk.cockpit.daily_plan.start_times import new_start
from stellwerk.cockpit.projection.model import NEVER_MS
from stellwerk.values.problems import Problem

TOMORROW, DAY_AFTER = in_days(1), in_days(2)
HOUR_MS = 3_600_000


@pytest.fixture
async def planned(plans: PlanWorld) -> PlanWorld:
    """A single start with variables, and a cycle of three."""
    single = schedule(at("02:00:00"), orderParameterisations=[{"orderName": "n1", "variables": {"a": "x", "b": 1}}])
    await plans.release("/plans/nightly", single)
    await plans.release("/plans/hourly", schedule(each("01:00:00", "10:00", "13:00")))
    await plans.generate(TOMORROW)
    return plans


async def ids(world: PlanWorld) -> tuple[str, str]:
    """Of the single start and of the cycle."""
    single, cycle = await world.orders(TOMORROW)
    return single["orderId"], cycle["orderId"]


def at_controller(world: PlanWorld) -> list[str]:
    """Commands since the deployment: `AddOrder name@hours`, `CancelOrders`."""
    told = []
    for command in world.controller.commands:
        if command["TYPE"] == "AddOrder":
            told.append(f"AddOrder {command['order']['id'][25:]}")
        else:
            told.append(str(command["TYPE"]))
    return told


async def starts(world: PlanWorld, **members: Any) -> list[str]:
    days = () if members else (TOMORROW, in_days(5))
    return [item["plannedStartTime"] for item in await world.orders(*days, expandCycleOrders=True, **members)]


async def test_a_planned_order_is_moved_and_keeps_its_id(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    answer = await planned.do("modify", orderIds=[single], scheduledFor=f"{TOMORROW} 04:30", timeZone="Etc/UTC")
    assert answer["orderIds"] == {single: single}
    assert await starts(planned, orderIds=[single]) == [f"{TOMORROW}T04:30:00.000Z"]
    assert at_controller(planned) == []


async def test_a_submitted_order_is_taken_back_moved_and_added_again(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("submit", orderIds=[single])
    answer = await planned.do("modify", orderIds=[single], scheduledFor="cur + 01:00")
    [new] = answer["orderIds"].values()
    assert new != single and new[:13] == single[:13]
    assert at_controller(planned) == ["AddOrder n1", "CancelOrders", "AddOrder n1"]
    last = planned.controller.commands[-1]["order"]
    assert last["id"] == new and last["arguments"] == {"a": "x", "b": 1}
    [item] = await planned.orders(orderIds=[new])
    assert item["state"]["_text"] == "SUBMITTED" and item["plannedStartTime"] == f"{TOMORROW}T03:00:00.000Z"


async def test_an_order_moves_to_another_plan_date_unless_it_sticks(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    [kept] = (await planned.do("modify", orderIds=[single], scheduledFor=str(DAY_AFTER), stickDailyPlanDate="true"))[
        "orderIds"
    ].values()
    assert kept == single and [item["orderId"] for item in await planned.orders(TOMORROW)][-1] == single
    [moved] = (await planned.do("modify", orderIds=[single], scheduledFor=str(DAY_AFTER)))["orderIds"].values()
    assert moved.startswith(f"#{DAY_AFTER}#P") and moved.endswith("-n1")
    [item] = await planned.orders(DAY_AFTER)
    assert item["orderId"] == moved and item["plannedStartTime"] == f"{DAY_AFTER}T02:00:00.000Z"
    await planned.do("submit", orderIds=[moved])
    assert planned.controller.commands[-1]["order"]["planId"] == ["DailyPlan", str(DAY_AFTER)]


async def test_a_cycle_is_shifted_as_a_whole_also_over_its_own_starts(planned: PlanWorld) -> None:
    _, cycle = await ids(planned)
    answer = await planned.do("modify", orderIds=[cycle], scheduledFor="cur + 3600")
    assert len(answer["orderIds"]) == 3
    assert await starts(planned, orderIds=[cycle]) == [f"{TOMORROW}T{hour}:00:00.000Z" for hour in (11, 12, 13)]
    await planned.do("modify", orderIds=[cycle], scheduledFor="cur - 01:00:00")
    assert await starts(planned, orderIds=[cycle]) == [f"{TOMORROW}T{hour}:00:00.000Z" for hour in (10, 11, 12)]
    await planned.check_sound()


@pytest.mark.parametrize("is_submitted", [False, True])
async def test_a_cycle_gets_another_rhythm(planned: PlanWorld, is_submitted: bool) -> None:
    _, cycle = await ids(planned)
    if is_submitted:
        await planned.do("submit", orderIds=[cycle])
    answer = await planned.do("modify", orderIds=[cycle], cycle={"repeat": "00:30:00", "end": "12:00"})
    new = answer["orderIds"][cycle]
    assert new.endswith("-00001-4-hourly")
    assert await starts(planned, orderIds=[new]) == [
        f"{TOMORROW}T{time}:00.000Z" for time in ("10:00", "10:30", "11:00", "11:30")
    ]
    assert len(await planned.rows()) == 5
    added = [told for told in at_controller(planned) if told.startswith("AddOrder")]
    assert len(added) == (7 if is_submitted else 0)
    await planned.check_sound()


async def test_variables_and_positions_are_changed(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("submit", orderIds=[single])
    request: dict[str, Any] = {
        "orderIds": [single],
        "variables": {"b": 2, "c": [1, 2]},
        "removeVariables": ["a"],
        "startPosition": "load",
        "endPositions": [[1]],
        "forceJobAdmission": True,
    }
    [new] = (await planned.do("modify", **request))["orderIds"].values()
    order = planned.controller.commands[-1]["order"]
    assert order["id"] == new
    assert order["arguments"] == {"b": 2, "c": [1, 2]}
    assert (order["startPosition"], order["stopPositions"], order["forceAdmission"]) == ("load", [[1]], True)


async def test_copies_start_at_other_times_and_the_originals_stay(planned: PlanWorld) -> None:
    single, cycle = await ids(planned)
    await planned.do("submit", orderIds=[single])
    answer = await planned.do("copy", orderIds=[single, cycle], scheduledFor=f"{DAY_AFTER}")
    copies = await planned.orders(DAY_AFTER)
    assert [item["orderId"] for item in copies] == [answer["orderIds"][single], answer["orderIds"][cycle]]
    assert [item["state"]["_text"] for item in copies] == ["SUBMITTED", "PLANNED"]
    assert planned.controller.commands[-1]["order"]["arguments"] == {"a": "x", "b": 1}
    assert [item["orderId"] for item in await planned.orders(TOMORROW)] == [single, cycle]
    await planned.check_sound()


async def test_a_copy_for_now_is_submitted_at_once(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("copy", orderIds=[single], scheduledFor="now")
    assert at_controller(planned) == ["AddOrder n1"]


async def test_priorities_of_planned_and_of_submitted_orders(planned: PlanWorld) -> None:
    single, cycle = await ids(planned)
    await planned.do("submit", orderIds=[cycle])
    await planned.do("modify/priority", orderIds=[single, cycle], priority="5")
    changes = [command for command in planned.controller.commands if command["TYPE"] == "ChangeOrder"]
    assert len(changes) == 3 and all(command["priority"] == 5 for command in changes)
    await planned.do("submit", orderIds=[single])
    assert planned.controller.commands[-1]["order"]["priority"] == 5


async def test_start_times_that_are_refused(planned: PlanWorld) -> None:
    single, cycle = await ids(planned)
    past = await planned.do("modify", orderIds=[single], scheduledFor="2020-01-01 00:00", status=420)
    assert "The planned start time must be in the future." in past["error"]["message"]
    odd = await planned.do("modify", orderIds=[single], scheduledFor="cur 5", status=420)
    assert odd["error"]["code"] == "JOC-400" and "cur 5" in odd["error"]["message"]
    both = await planned.do("modify", orderIds=[single, cycle], cycle={"repeat": "60"}, status=420)
    assert "exactly one cyclic order" in both["error"]["message"]
    unknown = await planned.do("modify", orderIds=["#2026-01-31#P12345678901-x"], scheduledFor="now", status=420)
    assert unknown["error"]["code"] == "JOC-161"
    nothing = await planned.do("copy", orderIds=[single], status=420)
    assert "scheduledFor" in nothing["error"]["message"]


async def test_two_workflows_do_not_get_the_same_variables(planned: PlanWorld) -> None:
    await planned.client.post(
        "inventory/store",
        {"path": "/nightly/OTHER", "objectType": "WORKFLOW", "configuration": {"instructions": [{"TYPE": "Fail"}]}},
    )
    entry = {"configuration": {"path": "/nightly/OTHER", "objectType": "WORKFLOW"}}
    deployment = {"controllerIds": [CONTROLLER_ID], "store": {"draftConfigurations": [entry]}}
    await planned.client.post("inventory/deployment/deploy", deployment)
    await planned.release("/plans/other", schedule(at("03:00"), workflows=("OTHER",)))
    await planned.generate(TOMORROW)
    every = [item["orderId"] for item in await planned.orders(TOMORROW)]
    answer = await planned.do("modify", orderIds=every, variables={"a": 1}, status=420)
    assert "All orders must belong to the same workflow" in answer["error"]["message"]


async def test_a_move_onto_another_order_is_refused_and_a_submitted_one_stays_submitted(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("copy", orderIds=[single], scheduledFor=f"{TOMORROW} 05:00")
    await planned.do("submit", orderIds=[single])
    answer = await planned.do("modify", orderIds=[single], scheduledFor=f"{TOMORROW} 05:00", status=420)
    assert "already an order" in answer["error"]["message"]
    first, second, *_ = await planned.orders(TOMORROW)
    assert (first["plannedStartTime"], first["state"]["_text"]) == (f"{TOMORROW}T02:00:00.000Z", "SUBMITTED")
    assert (second["plannedStartTime"], second["state"]["_text"]) == (f"{TOMORROW}T05:00:00.000Z", "PLANNED")


async def test_an_order_that_the_controller_does_not_give_back_stays_as_it_is(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("submit", orderIds=[single])
    planned.controller.refuse = lambda command: (
        Problem.of("CancelStartedOrder", orderId=single) if command["TYPE"] == "CancelOrders" else None
    )
    answer = await planned.do("modify", orderIds=[single], scheduledFor="cur + 60", status=419)
    assert answer["errors"][0]["path"] == single
    assert await starts(planned, orderIds=[single]) == [f"{TOMORROW}T02:00:00.000Z"]


async def test_planned_orders_are_deleted_and_the_service_does_not_plan_the_day_again(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("submit", orderIds=[single])
    await planned.do("delete", dailyPlanDateFrom=str(TOMORROW))
    assert [item["orderId"] for item in await planned.orders(TOMORROW)] == [single]
    await planned.do("cancel", orderIds=[single])
    await planned.do("delete", orderIds=[single])
    assert await planned.rows() == []
    filter_ = {"dateFrom": str(TOMORROW), "dateTo": str(TOMORROW)}
    listed = await planned.client.post("daily_plan/submissions", {"controllerId": CONTROLLER_ID, "filter": filter_})
    assert [item["dailyPlanDate"] for item in listed["submissionHistoryItems"]] == [str(TOMORROW)]


async def test_submissions_are_deleted_only_if_nothing_is_submitted(planned: PlanWorld) -> None:
    single, _ = await ids(planned)
    await planned.do("submit", orderIds=[single])
    request = {"controllerId": CONTROLLER_ID, "filter": {"dateFor": str(TOMORROW)}}
    await planned.client.post("daily_plan/submissions/delete", request)
    assert len(await planned.rows()) == 4
    await planned.do("cancel", orderIds=[single])
    await planned.client.post("daily_plan/submissions/delete", request)
    assert await planned.rows() == []
    filter_ = {"dateTo": str(TOMORROW)}
    listed = await planned.client.post("daily_plan/submissions", {"controllerId": CONTROLLER_ID, "filter": filter_})
    assert listed["submissionHistoryItems"] == []


@pytest.mark.parametrize(
    "text, zone, expected",
    [
        ("now", None, 1_000 * HOUR_MS),
        ("now + 60", None, 1_000 * HOUR_MS + 60_000),
        ("now + 01:00", None, 1_001 * HOUR_MS),
        ("never", None, NEVER_MS),
        ("cur + 90", None, 2_000 * HOUR_MS + 90_000),
        ("cur - 01:30", None, 2_000 * HOUR_MS - HOUR_MS * 3 // 2),
        ("cur -00:00:05", None, 2_000 * HOUR_MS - 5_000),
        # 2000 hours after the epoch it is 08:00 UTC, 09:00 in Berlin.
        ("1970-06-01", None, 13_075_200_000),
        ("1970-06-01 09:00", "Europe/Berlin", 13_075_200_000),
    ],
)
def test_new_start_times(text: str, zone: str | None, expected: int) -> None:
    start = new_start(text, zone, 1_000 * HOUR_MS)
    assert start.of(2_000 * HOUR_MS) == expected


@pytest.mark.parametrize("text", ["cur", "cur + x", "31.1.2026", "2026-02-30", "now - 5"])
def test_start_times_that_are_not_understood(text: str) -> None:
    with pytest.raises(BadRequest):
        new_start(text, None, 0)


# --- who may see and do what ------------------------------------------------------------------------------------------


async def test_what_lies_in_other_folders_is_neither_seen_nor_touched(
    planned: PlanWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await planned.release("/secret/hidden", schedule(at("07:00")))
    await planned.generate(TOMORROW)
    [hidden] = [item for item in await planned.orders(TOMORROW) if item["schedulePath"] == "/secret/hidden"]
    monkeypatch.setattr(api, "permitted", lambda context, path, controller_id: not path.startswith("/secret"))
    assert [item["schedulePath"] for item in await planned.orders(TOMORROW)] == ["/plans/nightly", "/plans/hourly"]
    await planned.do("submit", dailyPlanDateFrom=str(TOMORROW))
    assert "AddOrder hidden" not in at_controller(planned) and len(at_controller(planned)) == 4
    for verb, members in (("modify", {"scheduledFor": "cur + 60"}), ("copy", {"scheduledFor": "now"})):
        answer = await planned.do(verb, orderIds=[hidden["orderId"]], status=420, **members)
        assert answer["error"]["code"] == "JOC-419"
    await planned.do("delete", dailyPlanDateFrom=str(TOMORROW), orderIds=[hidden["orderId"]])
    await planned.generate(DAY_AFTER)
    monkeypatch.undo()
    assert hidden["orderId"] in [item["orderId"] for item in await planned.orders(TOMORROW)]
    assert "/secret/hidden" not in [item["schedulePath"] for item in await planned.orders(DAY_AFTER)]


async def test_who_may_only_look_changes_nothing(planned: PlanWorld, cockpit: Cockpit) -> None:
    single, _ = await ids(planned)
    sessions = cockpit.services.get(Sessions)
    session = await sessions.get(planned.client.token, renew=False)
    assert session is not None
    only_view = Permissions([PermissionRow("sos:products:controller:orders:view")])
    object.__setattr__(session, "permissions", only_view)
    assert len(await planned.orders(TOMORROW)) == 2
    day = {"dailyPlanDateFrom": str(TOMORROW)}
    for verb, members in (
        ("generate", {"dailyPlanDate": str(TOMORROW)}),
        ("submit", day),
        ("cancel", day),
        ("delete", day),
        ("modify", {"orderIds": [single], "scheduledFor": "cur + 60"}),
        ("copy", {"orderIds": [single], "scheduledFor": "now"}),
        ("modify/priority", {"orderIds": [single], "priority": 1}),
    ):
        await planned.do(verb, status=403, **members)
    assert at_controller(planned) == []


async def test_polls_hear_of_changes(planned: PlanWorld) -> None:
    before = (await planned.client.post("events", {"controllerId": CONTROLLER_ID}))["eventId"]
    single, _ = await ids(planned)
    await planned.do("modify", orderIds=[single], scheduledFor="cur + 60")
    heard = await planned.client.post("events", {"controllerId": CONTROLLER_ID, "eventId": before})
    assert "DailyPlanUpdated" in {item["eventType"] for item in heard["eventSnapshots"]}
