"""What the rules need to know of workflows and jobs, read from the database: settings, averages, job resources."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import structlog
from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from stellwerk.cockpit.database import Database
from stellwerk.cockpit.database.tables.deployment import dep_history
from stellwerk.cockpit.database.tables.history import history_order_steps
from stellwerk.cockpit.database.tables.live import live_items
from stellwerk.cockpit.inventory.types import ObjectType
from stellwerk.cockpit.monitoring.jobs import NO_SETTINGS, JobSettings, job_settings
from stellwerk.cockpit.projection.changes import SUCCESSFUL
from stellwerk.language.expressions import EMPTY_SCOPE, ExpressionError, parse_expression, to_string
from stellwerk.values.json import decode
from stellwerk.values.problems import ProblemError

#: The average of a job is that of its last runs.
_RUNS = 1000
_CACHED = 2000
_SPOKEN_OF = ("warnIf", "warnOnErrWritten", '"warning"')

_logger = structlog.get_logger(__name__)


class JobLookup:
    """Settings of jobs by workflow version; cached, as a version never changes."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[str, str, str], dict[str, JobSettings]] = OrderedDict()
        self._seen_id = 0
        #: Some deployed workflow has jobs that warn.
        self.some_warn = False

    async def refresh(self, connection: AsyncConnection) -> None:
        """Look through what has been deployed since the last time."""
        if self.some_warn:
            return
        table = dep_history.c
        newest = (await connection.execute(select(func.max(table.id)))).scalar() or 0
        spoken = or_(*(table.inv_content.contains(word) for word in _SPOKEN_OF))
        query = select(table.id).where(table.type == int(ObjectType.WORKFLOW), table.id > self._seen_id, spoken)
        self.some_warn = (await connection.execute(query.limit(1))).first() is not None
        self._seen_id = newest

    async def settings(
        self, connection: AsyncConnection, controller_id: str, workflow: str, version: str, job: str
    ) -> JobSettings:
        key = (controller_id, workflow, version)
        found = self._cache.get(key)
        if found is None:
            table = dep_history.c
            query = (
                select(table.inv_content)
                .where(
                    table.controller_id == controller_id,
                    table.type == int(ObjectType.WORKFLOW),
                    table.name == workflow,
                    table.commit_id == version,
                )
                .order_by(table.id.desc())
            )
            found = self._cache[key] = job_settings((await connection.execute(query.limit(1))).scalar())
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return found.get(job, NO_SETTINGS)


async def average_ms(
    connection: AsyncConnection, controller_id: str, workflow: str, job: str, before_ms: int
) -> int | None:
    """Of the last successful runs of a job that began before then."""
    table = history_order_steps.c
    last = (
        select((table.end_time - table.start_time).label("duration"))
        .where(
            table.controller_id == controller_id,
            table.workflow_name == workflow,
            table.job_name == job,
            table.severity == SUCCESSFUL,
            table.start_time < before_ms,
        )
        .order_by(table.start_time.desc())
        .limit(_RUNS)
        .subquery()
    )
    average = (await connection.execute(select(func.avg(last.c.duration)))).scalar()
    return None if average is None else int(average)


def needs_average(settings: JobSettings) -> bool:
    return any(time is not None and time.percent is not None for time in (settings.longer, settings.shorter))


async def job_resource_variables(database: Database, names: tuple[str, ...], controller_id: str) -> Mapping[str, str]:
    """Constant variables of deployed job resources; later ones take the place of earlier ones.

    The Controller's own, else (for messages that belong to none) anybody's.
    """
    table = live_items.c
    query = select(table.controller_id, table.path, table.content).where(
        table.type == "JobResource", table.path.in_(names), table.is_current
    )
    async with database.read() as connection:
        rows = list(await connection.execute(query))
    by_name = {row.path: row.content for row in rows}
    by_name |= {row.path: row.content for row in rows if row.controller_id == controller_id}
    found: dict[str, str] = {}
    for name in names:
        variables = decode(by_name[name]).get("variables", {}) if name in by_name else {}
        for variable, expression in variables.items():
            try:
                found[variable] = to_string(parse_expression(str(expression)).evaluate(EMPTY_SCOPE))
            except (ExpressionError, ProblemError) as error:
                _logger.warning("a variable is no constant", job_resource=name, variable=variable, error=str(error))
    return found
