"""The REST API: thin modules that parse, authorise, call a service and answer. `all_routes()` is the one table.

Adding endpoints: a module with `ROUTES: list[Route]`, named in `MODULES`.
"""

from __future__ import annotations

from importlib import import_module

from stellwerk.cockpit.api.routes import Route

MODULES = (
    "authentication",
    "iam_accounts",
    "iam_roles",
    "iam_services",
    "iam_clients",
    "iam_fido",
    "iam_overview",
    "approvals",
    "configurations",
    "profiles",
    "settings",
    "audit",
    "joc",
    "utilities",
    "cluster",
    "controller_pairs",
    "controllers",
    "agents",
    "agent_clusters",
    "agent_archives",
    "inventory",
    "inventory_life",
    "inventory_transfer",
    "inventory_rename",
    "inventory_views",
    "inventory_publishable",
    "tags",
    "workflow_tags",
    "repositories",
    "job_templates",
    "collections",
    "authoring",
    "encipherment",
    "deployment",
    "keys",
    "workflows",
    "workflow_controls",
    "workflow_views",
    "deployed_search",
    "locks",
    "notes",
    "documentations",
    "plans",
    "notices",
    "overviews",
    "orders",
    "order_places",
    "daily_plan",
    "daily_plan_submissions",
    "daily_plan_projections",
    "calendars",
    "history",
    "agent_reports",
    "logs",
    "events",
    "monitoring",
    "notification",
    "native_orders",
    "native_history",
    "native_search",
    "native_statistics",
    "native_overview",
    "native_topology",
    "native_alerts",
    "native_stream",
    "native_inventory",
    "native_editor",
    "native_publishing",
    "native_plan",
)


def all_routes() -> list[Route]:
    """The routes of all modules."""
    routes: list[Route] = []
    for name in MODULES:
        routes += import_module(f"stellwerk.cockpit.api.{name}").ROUTES
    return routes
