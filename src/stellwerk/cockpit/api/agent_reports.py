"""`/agents/report`: what has run on each Agent in a time (cockpit-api 3, 8)."""

from __future__ import annotations

import msgspec
from sqlalchemy import func, select

from stellwerk.cockpit.api.dates import instant_ms
from stellwerk.cockpit.api.native_page import permitted
from stellwerk.cockpit.api.routes import RequestContext, Route, timestamp
from stellwerk.cockpit.controllers.registry import Registry
from stellwerk.cockpit.database.tables.history import history_order_steps

#: `severity` of history rows.
_SUCCESSFUL = 0


class AgentReportFilter(msgspec.Struct, rename="camel"):
    controller_id: str = ""
    agent_ids: list[str] = []
    urls: list[str] = []
    date_from: str | None = None
    date_to: str | None = None
    time_zone: str | None = None


class AgentReport(msgspec.Struct, frozen=True, rename="camel"):
    controller_id: str
    agent_id: str
    url: str
    num_of_successful_tasks: int
    num_of_jobs: int


class AgentReports(msgspec.Struct, frozen=True, rename="camel"):
    delivery_date: str
    agents: list[AgentReport]
    total_num_of_successful_tasks: int
    total_num_of_jobs: int


async def agents_report(context: RequestContext, request: AgentReportFilter) -> AgentReports:
    """How many tasks have succeeded on each Agent in a time, and of how many jobs they were."""
    steps, now = history_order_steps.c, context.now_ms()
    where = permitted(
        context, "ctl:agents:view", steps.controller_id, request.controller_id, workflow=steps.workflow_name
    )
    first = instant_ms(request.date_from, now, time_zone=request.time_zone, is_past=True)
    end = instant_ms(request.date_to, now, time_zone=request.time_zone, is_past=True, is_end=True)
    where += [steps.severity == _SUCCESSFUL, steps.agent_id.is_not(None)]
    where += [steps.start_time >= first] if first is not None else []
    where += [steps.start_time < end] if end is not None else []
    where += [steps.agent_id.in_(request.agent_ids)] if request.agent_ids else []
    jobs = (steps.controller_id, steps.agent_id, steps.workflow_name, steps.job_name)
    urls = {(agent.controller_id, agent.agent_id): agent.uri for agent in await context.services.get(Registry).agents()}
    tasks: dict[tuple[str, str], list[int]] = {}
    async with context.database.read() as connection:
        for row in await connection.execute(select(*jobs, func.count().label("number")).where(*where).group_by(*jobs)):
            tasks.setdefault((row.controller_id, row.agent_id), []).append(row.number)
    reports = [
        AgentReport(*key, url=urls.get(key, ""), num_of_successful_tasks=sum(numbers), num_of_jobs=len(numbers))
        for key, numbers in sorted(tasks.items())
        if not request.urls or urls.get(key) in request.urls
    ]
    return AgentReports(
        delivery_date=timestamp(now),
        agents=reports,
        total_num_of_successful_tasks=sum(report.num_of_successful_tasks for report in reports),
        total_num_of_jobs=sum(report.num_of_jobs for report in reports),
    )


ROUTES = [
    Route("/agents/report", AgentReportFilter, AgentReports, "ctl:agents:view", False, agents_report),
    Route("/agents/tasks", AgentReportFilter, AgentReports, "ctl:agents:view", False, agents_report),
]
