/** Search or jump (ui.md S20, first form): screens, workflows by name, and a pasted order id. */
import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useState } from "react";
import { keepPreviousData, workflowsQuery } from "../api/queries";
import { Icon } from "../components/Icon";
import { splitPath } from "../domain/words";
import styles from "./palette.module.css";

interface Hit {
  id: string;
  icon: string;
  label: string;
  detail: string;
  go: () => void;
}

export default function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  // Not deferred: Enter right behind the last letter must open what the whole text finds.
  const wanted = text.trim();
  const workflows = useQuery({ ...workflowsQuery({ limit: 500 }), placeholderData: keepPreviousData });

  const screens: Hit[] = [
    { id: "overview", icon: "overview", label: "Overview", detail: "screen", go: () => void navigate({ to: "/" }) },
    { id: "orders", icon: "orders", label: "Orders", detail: "screen", go: () => void navigate({ to: "/orders" }) },
    { id: "failed", icon: "orders", label: "Failed orders", detail: "screen", go: () => void navigate({ to: "/orders", search: { q: "state:failed" } }) },
    { id: "workflows", icon: "workflows", label: "Workflows", detail: "screen", go: () => void navigate({ to: "/workflows" }) },
    { id: "history", icon: "history", label: "Order history", detail: "screen", go: () => void navigate({ to: "/history/$kind", params: { kind: "orders" } }) },
    { id: "tasks", icon: "history", label: "Task history", detail: "screen", go: () => void navigate({ to: "/history/$kind", params: { kind: "tasks" } }) },
    { id: "logs", icon: "history", label: "Search in logs", detail: "screen", go: () => void navigate({ to: "/history/$kind", params: { kind: "logs" } }) },
    { id: "statistics", icon: "history", label: "Statistics", detail: "screen", go: () => void navigate({ to: "/history/$kind", params: { kind: "statistics" } }) },
    { id: "alerts", icon: "bell", label: "Alerts", detail: "screen", go: () => void navigate({ to: "/alerts/$", params: { _splat: "" } }) },
    { id: "plan", icon: "plan", label: "Daily plan", detail: "screen", go: () => void navigate({ to: "/plan/$date", params: { date: "today" } }) },
    { id: "calendars", icon: "calendar", label: "Calendars", detail: "screen", go: () => void navigate({ to: "/resources/$kind/$", params: { kind: "calendars", _splat: "" } }) },
    { id: "schedules", icon: "calendar", label: "Schedules", detail: "screen", go: () => void navigate({ to: "/resources/$kind/$", params: { kind: "schedules", _splat: "" } }) },
    { id: "settings", icon: "gear", label: "Settings", detail: "screen", go: () => void navigate({ to: "/settings/$section", params: { section: "dailyplan" } }) },
    { id: "profile", icon: "access", label: "Profile", detail: "screen", go: () => void navigate({ to: "/profile" }) },
    { id: "accounts", icon: "access", label: "Accounts", detail: "screen", go: () => void navigate({ to: "/access/$section", params: { section: "accounts" } }) },
    { id: "roles", icon: "access", label: "Roles", detail: "screen", go: () => void navigate({ to: "/access/$section", params: { section: "roles" } }) },
    { id: "audit", icon: "audit", label: "Audit log", detail: "screen", go: () => void navigate({ to: "/audit" }) },
    { id: "clusters", icon: "clusters", label: "Clusters", detail: "screen", go: () => void navigate({ to: "/clusters/$", params: { _splat: "" } }) },
  ];
  const found: Hit[] = (workflows.data?.rows ?? []).map((row) => {
    const { folder, name } = splitPath(row.path);
    const go = () => void navigate({ to: "/workflow/$", params: { _splat: row.path.replace(/^\//, "") } });
    return { id: row.path, icon: "workflows", label: name, detail: `workflow in ${folder}`, go };
  });
  const orderId = wanted.startsWith("#") ? wanted : undefined;
  const order: Hit[] =
    orderId === undefined
      ? []
      : [{ id: "order", icon: "orders", label: orderId, detail: "open this order", go: () => void navigate({ to: "/order/$orderId", params: { orderId } }) }];
  const needle = wanted.toLowerCase();
  const hits = [...order, ...[...found, ...screens].filter((hit) => needle === "" || hit.label.toLowerCase().includes(needle))].slice(0, 12);
  const index = Math.min(chosen, hits.length - 1);

  function keyDown(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setChosen((Math.max(0, index) + step + hits.length) % Math.max(1, hits.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      open(hits[index]);
    }
  }

  function open(hit: Hit | undefined) {
    if (hit === undefined) return;
    onClose();
    hit.go();
  }

  return (
    <Modal opened onClose={onClose} withCloseButton={false} size={560} padding={0} yOffset="12vh" title={undefined} aria-label="Search or jump">
      <input
        className={styles.field}
        role="combobox"
        aria-label="Search or jump"
        aria-expanded="true"
        aria-controls="palette-hits"
        aria-activedescendant={hits[index] === undefined ? undefined : `hit-${index}`}
        placeholder="A workflow, a screen, or an order id"
        data-autofocus
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={keyDown}
      />
      <ul id="palette-hits" role="listbox" aria-label="Found" className={styles.hits}>
        {hits.map((hit, at) => (
          <li key={hit.id} id={`hit-${at}`} role="option" aria-selected={at === index} onMouseEnter={() => setChosen(at)} onClick={() => open(hit)}>
            <Icon name={hit.icon} />
            <span className={styles.label}>{hit.label}</span>
            <span className="muted">{hit.detail}</span>
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p className={styles.none}>Nothing has this in its name. Order ids begin with #.</p>}
    </Modal>
  );
}
