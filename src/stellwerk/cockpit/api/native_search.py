"""`history/search`: tasks whose logs have a text (ui.md S7, S9)."""

from __future__ import annotations

import msgspec

from stellwerk.cockpit.api.errors import BadRequest
from stellwerk.cockpit.api.native_history import HistoryRow, selected_tasks, task_row
from stellwerk.cockpit.api.native_orders import PREFIX
from stellwerk.cockpit.api.native_page import ListRequest
from stellwerk.cockpit.api.routes import RequestContext, Route
from stellwerk.cockpit.history.log_search import search_logs
from stellwerk.cockpit.live.names import WorkflowNames
from stellwerk.cockpit.projection.logs import LogLine

MAXIMUM_HITS = 100
#: How long one request looks; the answer says where to go on.
SEARCH_SECONDS = 2.0


class SearchRequest(msgspec.Struct, rename="camel"):
    """`text`: words as they stand in a line, the last one may be the beginning of one. `q`: as in the list of tasks."""

    text: str
    q: str = ""
    limit: int = 20
    cursor: str = ""
    controller_id: str = ""


class Hit(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """A task, and the first lines of its log that have the text."""

    task: HistoryRow
    lines: list[LogLine]
    has_more_lines: bool = False


class SearchAnswer(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Newest first. `next`: the cursor with which to look further back; absent: all has been looked at. There may be
    no hit and yet a cursor, as a request looks for some seconds only."""

    hits: list[Hit]
    as_of: int
    next: str | None = None


async def search(context: RequestContext, request: SearchRequest) -> SearchAnswer:
    """Look for a text in the output of tasks."""
    if request.cursor and not (request.cursor.isdigit() and len(request.cursor) < 19):
        raise BadRequest("cursor: it is not one that this search has given")
    names = context.services.get(WorkflowNames)
    selection = selected_tasks(context, ListRequest(q=request.q, controller_id=request.controller_id))
    try:
        found = await search_logs(
            context.database,
            selection,
            request.text,
            limit=max(1, min(request.limit, MAXIMUM_HITS)),
            before=int(request.cursor) if request.cursor else None,
            seconds=SEARCH_SECONDS,
        )
    except ValueError as fault:
        raise BadRequest(f"text: {fault}") from None
    hits = [Hit(task_row(hit.row, names), hit.lines, hit.has_more) for hit in found.hits]
    return SearchAnswer(hits, context.now_ms(), None if found.next is None else str(found.next))


ROUTES = [
    Route(f"{PREFIX}/history/search", SearchRequest, SearchAnswer, "ctl:orders:view", False, search, method="GET"),
]
