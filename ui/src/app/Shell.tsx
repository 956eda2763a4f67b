/** The frame (ui.md 4.2): top bar with freshness lamp and what needs a person, navigation, page, toasts, keys. */
import { Menu } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, linkOptions, Outlet, useNavigate } from "@tanstack/react-router";
import { Fragment, lazy, Suspense, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { post } from "../api/http";
import { permissionsQuery } from "../api/permissions";
import { alertCountsQuery, attentionQuery } from "../api/queries";
import { sessionStore } from "../api/session";
import { copy } from "../components/clipboard";
import { Icon } from "../components/Icon";
import { Toasts } from "../components/toasts";
import { subscribeTheme, themeChoice } from "../design/theme";
import { may } from "../domain/permissions";
import { plural } from "../domain/words";
import { useOnChange, useTopic } from "../live/react";
import { Points } from "../screens/login/Login";
import { FreshnessLamp } from "./FreshnessLamp";
import { type KeyBinding, useKeys } from "./keys";
import { useKeptPreferences, usePreferences } from "./preferences";
import styles from "./shell.module.css";

const loadPalette = () => import("./Palette");
const Palette = lazy(loadPalette);
const KeyHelp = lazy(() => import("./KeyHelp"));

/** Without its permission an entry is absent (ui.md 4.9); "": everybody may. */
const OPERATE = [
  { link: linkOptions({ to: "/" }), label: "Overview", icon: "overview", key: "g o", permission: "" },
  { link: linkOptions({ to: "/orders" }), label: "Orders", icon: "orders", key: "g r", permission: "ctl:orders:view" },
  { link: linkOptions({ to: "/workflows" }), label: "Workflows", icon: "workflows", key: "g w", permission: "ctl:workflows:view" },
  { link: linkOptions({ to: "/plan/$date", params: { date: "today" } }), label: "Daily plan", icon: "plan", key: "g p", permission: "joc:dailyplan:view" },
  { link: linkOptions({ to: "/history/$kind", params: { kind: "orders" } }), label: "History", icon: "history", key: "g h", permission: "ctl:orders:view" },
  { link: linkOptions({ to: "/alerts/$", params: { _splat: "" } }), label: "Alerts", icon: "bell", key: "g a", permission: "joc:notification:view" },
];
const ADMINISTER = [
  { link: linkOptions({ to: "/clusters/$", params: { _splat: "" } }), label: "Clusters", icon: "clusters", key: "g c", permission: "" },
  { link: linkOptions({ to: "/access/$section", params: { section: "accounts" } }), label: "Access", icon: "access", key: "g x", permission: "joc:administration:accounts:view" },
  { link: linkOptions({ to: "/audit" }), label: "Audit log", icon: "audit", key: "g u", permission: "joc:auditlog:view" },
  { link: linkOptions({ to: "/settings/$section", params: { section: "dailyplan" } }), label: "Settings", icon: "gear", key: "g s", permission: "joc:administration:settings:view" },
];
const RESOURCES = [
  { link: linkOptions({ to: "/resources/$kind/$", params: { kind: "calendars", _splat: "" } }), label: "Calendars", icon: "calendar", key: "g k", permission: "joc:inventory:view" },
];
const BUILD = [
  { link: linkOptions({ to: "/inventory/$", params: { _splat: "" } }), label: "Inventory", icon: "inventory", key: "g i", permission: "joc:inventory:view" },
  { link: linkOptions({ to: "/deployments/$", params: { _splat: "" } }), label: "Deployments", icon: "deployments", key: "g d", permission: "joc:inventory:view" },
];
const GROUPS = [
  { name: "Operate", entries: OPERATE },
  { name: "Resources", entries: RESOURCES },
  { name: "Build", entries: BUILD },
  { name: "Administer", entries: ADMINISTER },
];

/** The navigation of who is logged in: what they may not see is absent. */
function useGroups() {
  const { data } = useQuery(permissionsQuery());
  return useMemo(
    () =>
      GROUPS.map(({ name, entries }) => ({
        name,
        entries: entries.filter(({ permission }) => permission === "" || data === undefined || may(data, permission)),
      })).filter(({ entries }) => entries.length > 0),
    [data],
  );
}

export function Shell() {
  const navigate = useNavigate();
  const [overlay, setOverlay] = useState<"palette" | "keys">();
  const groups = useGroups();
  useKeptPreferences();

  const keys = useMemo<KeyBinding[]>(
    () => [
      ...groups.flatMap(({ entries }) => entries.map(({ link, label, key }) => ({ keys: key, words: `go to ${label}`, run: () => void navigate(link) }))),
      { keys: "?", words: "keys of this page", run: () => setOverlay("keys") },
      { keys: "/", words: "filter", run: () => document.querySelector<HTMLElement>("[data-filter-field]")?.focus() },
      { keys: "y", words: "copy link to this page", run: () => void copy(window.location.href, "the link to this page") },
    ],
    [navigate, groups],
  );
  useKeys(keys);

  useEffect(() => {
    // Loaded ahead, so that what one types right after Ctrl-K is not lost; not before the page itself is there.
    // If the Cockpit is away just then, the palette is loaded when it is asked for.
    const timer = setTimeout(() => void loadPalette().catch(() => undefined), 1500);
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    const open = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      setOverlay("palette");
    };
    window.addEventListener("keydown", open);
    return () => window.removeEventListener("keydown", open);
  }, []);

  return (
    <div className={styles.shell}>
      <a className={styles.skip} href="#page">
        Skip to the page
      </a>
      <header className={styles.bar}>
        <Link to="/" className={styles.brand} aria-label="Stellwerk, Overview">
          <Points size={24} />
          <span>Stellwerk</span>
        </Link>
        <button type="button" className={styles.search} onClick={() => setOverlay("palette")}>
          <Icon name="search" size={14} />
          <span>Search or jump</span>
          <kbd>Ctrl K</kbd>
        </button>
        <div className={styles.right}>
          <FreshnessLamp />
          <NeedYou />
          <Bell />
          <button type="button" className={styles.tool} aria-label="Keys of this page" title="Keys (?)" onClick={() => setOverlay("keys")}>
            <Icon name="help" />
          </button>
          <ThemeMenu />
          <AccountMenu />
        </div>
      </header>
      <nav className={styles.nav} aria-label="Screens">
        {groups.map(({ name, entries }) => (
          <Fragment key={name}>
            <p className={styles.group}>{name}</p>
            {entries.map(({ link, label, icon }) => (
              <Link
                key={label}
                {...link}
                className={styles.entry}
                activeProps={{ "aria-current": "page" }}
                activeOptions={{ exact: link.to === "/", includeSearch: false }}
              >
                <Icon name={icon} />
                <span>{label}</span>
              </Link>
            ))}
          </Fragment>
        ))}
      </nav>
      <main id="page" className={styles.page} tabIndex={-1}>
        <Outlet />
      </main>
      <Toasts />
      <Suspense>
        {overlay === "palette" && <Palette onClose={() => setOverlay(undefined)} />}
        {overlay === "keys" && <KeyHelp onClose={() => setOverlay(undefined)} />}
      </Suspense>
    </div>
  );
}

function NeedYou() {
  const { data } = useQuery(attentionQuery());
  if (data === undefined) return null;
  return (
    <Link to="/" className={styles.need} data-quiet={data.length === 0 || undefined}>
      {data.length === 0 ? "all quiet" : `${plural(data.length, "thing needs you", "things need you")}`}
    </Link>
  );
}

/** How many alerts nobody has taken yet; absent for who may not see them. */
function Bell() {
  const client = useQueryClient();
  const { data } = useQuery(alertCountsQuery());
  useOnChange(useTopic("alerts"), () => void client.invalidateQueries({ queryKey: ["alerts"] }));
  if (data === undefined) return null;
  const open = data.counts?.open ?? 0;
  return (
    <Link to="/alerts/$" params={{ _splat: "" }} className={styles.bell} aria-label={plural(open, "open alert")} data-quiet={open === 0 || undefined}>
      <Icon name="bell" />
      {open > 0 && <span>{open > 999 ? "999+" : open}</span>}
    </Link>
  );
}

function ThemeMenu() {
  const choice = useSyncExternalStore(subscribeTheme, themeChoice);
  const { choose } = usePreferences();
  const choices = [
    ["light", "Light", "sun"],
    ["dark", "Dark", "moon"],
    ["system", "As the system", "system"],
  ] as const;
  const current = choices.find(([value]) => value === choice) ?? choices[2];
  return (
    <Menu position="bottom-end" width={180}>
      <Menu.Target>
        <button type="button" className={styles.tool} aria-label={`Theme: ${current[1]}`}>
          <Icon name={current[2]} />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(([value, words, icon]) => (
          <Menu.Item key={value} leftSection={<Icon name={icon} />} aria-current={choice === value} onClick={() => choose({ theme: value })}>
            {words}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

function AccountMenu() {
  const navigate = useNavigate();
  const state = useSyncExternalStore(sessionStore.subscribe, sessionStore.get);
  const account = state.kind === "in" ? state.session.account : state.kind === "ended" ? state.account : "";
  async function leave() {
    try {
      await post("authentication/logout", {});
    } finally {
      // Whatever the server says: this tab forgets the token.
      sessionStore.leave();
    }
  }
  return (
    <Menu position="bottom-end" width={220}>
      <Menu.Target>
        <button type="button" className={styles.account} aria-label={`Account ${account}`}>
          {account}
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {account}
          {state.kind === "in" && state.session.role !== "" && ` · ${state.session.role}`}
        </Menu.Label>
        <Menu.Item leftSection={<Icon name="gear" />} onClick={() => void navigate({ to: "/profile" })}>
          Profile
        </Menu.Item>
        <Menu.Item leftSection={<Icon name="leave" />} onClick={() => void leave()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
