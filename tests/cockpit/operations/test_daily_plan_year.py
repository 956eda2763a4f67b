"""A site's daily plan over months, while the Cockpit dies again and again (cockpit-services 4.4 and 4.5).

The short form is some weeks around the change of the clocks in both time zones; the long one, `make year`, is a year of
300 schedules on 40 calendars.
"""

from __future__ import annotations

import random
from datetime import date

import pytest
from plan_world import PlanWorld
from plan_year import Year, site


@pytest.fixture
async def world(plans: PlanWorld) -> PlanWorld:
    """The Cockpit's own service, which looks at the real clock, is switched off."""
    await plans.set(days_ahead_plan=0, projections_month_before=0, projections_month_ahead=0)
    return plans


async def test_weeks_around_the_change_of_the_clocks(world: PlanWorld) -> None:
    year = Year(world, site(16, 8, random.Random(1)), seed=1)
    await year.begin()
    await year.run(date(2027, 3, 11), 19, deaths_per_day=0.7)
    counts = await year.check()
    assert year.deaths.count >= 8 and year.lost >= 2
    assert counts["in time"] > 150 and counts["late"] == 0


async def test_orders_of_days_without_a_cockpit_are_late_and_not_sent(world: PlanWorld) -> None:
    year = Year(world, site(8, 4, random.Random(2)), seed=2)
    await year.begin()
    await year.run(date(2027, 10, 27), 14, deaths_per_day=0.3, down=range(3, 8))
    counts = await year.check()
    assert counts["in time"] > 0
    assert counts["late"] == await year.reported_late() > 0


@pytest.mark.year
async def test_a_year_of_a_site(world: PlanWorld) -> None:
    year = Year(world, site(300, 40, random.Random(3)), seed=3)
    await year.begin()
    await year.run(date(2027, 1, 1), 365, deaths_per_day=0.25)
    counts = await year.check()
    print(f"{counts}, {year.deaths.count} deaths, {year.lost} lost answers")
    assert year.deaths.count >= 50 and year.lost >= 20
    assert counts["late"] == 0
