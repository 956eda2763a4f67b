/** The tree of routes (ui.md 4.2): every state of a screen is in its URL; screens are chunks of their own. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { NotFound, RouteFailure } from "./NotFound";
import { Shell } from "./Shell";

/** Texts of the URL only: whoever needs a number reads it from the text. Absent stays absent. */
function texts<Name extends string>(...names: Name[]) {
  return (search: Record<string, unknown>): { [Key in Name]?: string } => {
    const kept: { [Key in Name]?: string } = {};
    for (const name of names) {
      const value = search[name];
      if (typeof value === "string" && value !== "") kept[name] = value;
      else if (typeof value === "number" || typeof value === "boolean") kept[name] = String(value);
    }
    return kept;
  };
}

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

export const overviewRoute = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("../screens/overview/Overview"), "Overview"),
});
export const ordersRoute = createRoute({
  getParentRoute: () => root,
  path: "/orders",
  validateSearch: texts("q", "sort"),
  component: lazyRouteComponent(() => import("../screens/orders/Orders"), "Orders"),
});
export const orderRoute = createRoute({
  getParentRoute: () => root,
  path: "/order/$orderId",
  validateSearch: texts("tab", "node", "line", "all"),
  component: lazyRouteComponent(() => import("../screens/order/Order"), "Order"),
});
export const workflowsRoute = createRoute({
  getParentRoute: () => root,
  path: "/workflows",
  validateSearch: texts("q", "folder", "sort"),
  component: lazyRouteComponent(() => import("../screens/workflows/Workflows"), "Workflows"),
});
export const workflowRoute = createRoute({
  getParentRoute: () => root,
  path: "/workflow/$",
  validateSearch: texts("v", "tab", "node", "dir", "dialog"),
  component: lazyRouteComponent(() => import("../screens/workflow/Workflow"), "Workflow"),
});
export const historyRoute = createRoute({
  getParentRoute: () => root,
  path: "/history/$kind",
  validateSearch: texts("q", "sort", "cursor", "of", "range", "text"),
  component: lazyRouteComponent(() => import("../screens/history/History"), "History"),
});
export const logRoute = createRoute({
  getParentRoute: () => root,
  path: "/log/$kind/$id",
  validateSearch: texts("find"),
  component: lazyRouteComponent(() => import("../screens/log/Log"), "Log"),
});

export const alertsRoute = createRoute({
  getParentRoute: () => root,
  path: "/alerts/$",
  validateSearch: texts("tab", "q"),
  component: lazyRouteComponent(() => import("../screens/alerts/Alerts"), "Alerts"),
});

export const planRoute = createRoute({
  getParentRoute: () => root,
  path: "/plan/$date",
  validateSearch: texts("view", "q", "sort", "group", "order", "dialog", "inverted"),
  component: lazyRouteComponent(() => import("../screens/plan/Plan"), "Plan"),
});
export const auditRoute = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: texts("tab", "q", "since", "comment", "entry"),
  component: lazyRouteComponent(() => import("../screens/audit/Audit"), "Audit"),
});
export const accessRoute = createRoute({
  getParentRoute: () => root,
  path: "/access/$section",
  validateSearch: texts("service", "role", "account", "permission", "controller", "path"),
  component: lazyRouteComponent(() => import("../screens/access/Access"), "Access"),
});
export const calendarsRoute = createRoute({
  getParentRoute: () => root,
  path: "/resources/$kind/$",
  validateSearch: texts("year", "day"),
  component: lazyRouteComponent(() => import("../screens/calendars/Calendars"), "Calendars"),
});
export const settingsRoute = createRoute({
  getParentRoute: () => root,
  path: "/settings/$section",
  component: lazyRouteComponent(() => import("../screens/settings/Settings"), "Settings"),
});
export const profileRoute = createRoute({
  getParentRoute: () => root,
  path: "/profile",
  component: lazyRouteComponent(() => import("../screens/profile/Profile"), "Profile"),
});
export const clustersRoute = createRoute({
  getParentRoute: () => root,
  path: "/clusters/$",
  component: lazyRouteComponent(() => import("../screens/clusters/Clusters"), "Clusters"),
});

export const inventoryRoute = createRoute({
  getParentRoute: () => root,
  path: "/inventory/$",
  validateSearch: texts("type", "tab", "mode", "node", "v", "dialog"),
  component: lazyRouteComponent(() => import("../screens/inventory/Inventory"), "Inventory"),
});
export const deploymentsRoute = createRoute({
  getParentRoute: () => root,
  path: "/deployments/$",
  validateSearch: texts("q", "object", "at"),
  component: lazyRouteComponent(() => import("../screens/deployments/Deployments"), "Deployments"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    overviewRoute,
    ordersRoute,
    orderRoute,
    workflowsRoute,
    workflowRoute,
    historyRoute,
    logRoute,
    alertsRoute,
    clustersRoute,
    inventoryRoute,
    deploymentsRoute,
    planRoute,
    auditRoute,
    accessRoute,
    calendarsRoute,
    settingsRoute,
    profileRoute,
  ]),
  basepath: "/ui",
  defaultPreload: "intent",
  defaultPreloadStaleTime: 0,
  defaultErrorComponent: RouteFailure,
  // Human-readable search: plain texts, no JSON quoting.
  parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
  stringifySearch: (search) => {
    const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "");
    const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return text === "" ? "" : `?${text.replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",")}`;
  },
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
