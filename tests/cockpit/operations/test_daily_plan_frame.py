"""What the plan's screen needs besides the orders: the frame of a day, and word of changes (ui.md S8)."""

from __future__ import annotations

import asyncio

from plan_world import CONTROLLER_ID, PlanWorld, at, in_days, schedule

TOMORROW, DAY_AFTER = in_days(1), in_days(2)


async def test_the_frame_of_a_day_says_when_it_is_and_whether_it_is_planned(plans: PlanWorld) -> None:
    await plans.set(time_zone="Europe/Berlin", period_begin="06:00", days_ahead_plan=5)
    frame = await plans.client.get("stellwerk/plan/day", date="2027-03-27")
    assert (frame["end"] - frame["begin"], frame["plans"], frame["daysAheadPlan"]) == (23 * 3_600_000, [], 5)
    assert frame["nextRun"] > plans.cockpit.clock.now_ms()
    await plans.release("/plans/nightly", schedule(at("02:00")))
    await plans.generate(DAY_AFTER)
    frame = await plans.client.get("stellwerk/plan/day", date=DAY_AFTER)
    [made] = frame["plans"]
    assert (made["controllerId"], made["isComplete"]) == (CONTROLLER_ID, True)
    await plans.set(days_ahead_plan=0)
    today = await plans.client.get("stellwerk/plan/day")
    assert today["date"] == today["today"] and "nextRun" not in today
    refused = await plans.client.get("stellwerk/plan/day", date="soon", status=420)
    assert "soon" in refused["error"]["message"]


async def test_a_stream_is_told_that_a_plan_has_changed(plans: PlanWorld) -> None:
    await plans.release("/plans/nightly", schedule(at("02:00")))
    async with await plans.client.raw("GET", "stellwerk/stream", params={"topics": "plan"}) as response:
        told = 0
        async with asyncio.timeout(30):
            async for line in response.content:
                if not line.startswith(b"data: ") or b'"topic":"plan"' not in line:
                    continue
                assert b'"refetch":true' in line
                told += 1
                if told == 2:
                    break
                await plans.generate(TOMORROW)  # the first is the answer to the subscription
    assert told == 2
