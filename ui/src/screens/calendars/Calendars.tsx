/** S12 Calendars and schedules (ui.md S12): which days count and why, what starts when; edited with the outcome beside. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { NotFound } from "../../app/NotFound";
import { calendarsRoute } from "../../app/router";
import { CALENDAR_KEYS, objectQuery, objectsQuery, type ObjectType, storeObject, type StoredObject } from "../../api/calendars";
import { useMay } from "../../api/permissions";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { Tabs } from "../../components/Tabs";
import { Verb } from "../../components/Verb";
import { splitPath } from "../../domain/words";
import { CalendarEditor } from "./CalendarEditor";
import styles from "./calendars.module.css";
import { ScheduleEditor } from "./ScheduleEditor";

export function Calendars() {
  const { kind } = calendarsRoute.useParams();
  return kind === "calendars" || kind === "schedules" ? <Screen kind={kind} /> : <NotFound />;
}

function Screen({ kind }: { kind: "calendars" | "schedules" }) {
  const { _splat: splat = "" } = calendarsRoute.useParams();
  const navigate = calendarsRoute.useNavigate();
  const may = useMay();
  const one = kind === "schedules" ? "schedule" : "calendar";
  const query = useQuery(objectsQuery(kind));
  const [isAdding, setAdding] = useState(false);
  const path = splat === "" ? undefined : `/${splat}`;
  const readOnly = may("joc:inventory:manage") ? undefined : "You lack the permission inventory:manage";
  const open = (to: string) => void navigate({ params: { kind, _splat: to.replace(/^\//, "") }, search: {} });
  const found = query.data?.find((object) => object.path === path);
  return (
    <div className={list.page}>
      <PageTitle title={`${path === undefined ? "" : `${path} – `}${kind === "schedules" ? "Schedules" : "Calendars"}`}>
        {kind === "schedules" ? "Schedules" : "Calendars"}
      </PageTitle>
      <div className={list.card}>
        <Tabs
          label="Calendars and schedules"
          value={kind}
          tabs={[
            { value: "calendars", label: "Calendars" },
            { value: "schedules", label: "Schedules" },
          ]}
          onChange={(value) => void navigate({ params: { kind: value, _splat: "" }, search: {} })}
        />
        <div className={styles.columns}>
          <nav className={styles.names} aria-label={kind === "schedules" ? "All schedules" : "All calendars"}>
            <Remote query={query}>{(objects) => <Names objects={objects} path={path} onOpen={open} />}</Remote>
            <Verb why={readOnly} onClick={() => setAdding(true)}>
              New {one}…
            </Verb>
          </nav>
          <div className={styles.object}>
            {path === undefined ? (
              <Empty title={`Choose a ${one}.`}>{kind === "schedules" ? "It shows what starts in the next days." : "It shows which days of the year count, and why."}</Empty>
            ) : (
              <Remote query={query}>
                {() => (found === undefined ? <Empty title={`There is no ${one} ${path}.`} /> : <Opened key={found.path} object={found} readOnly={readOnly} />)}
              </Remote>
            )}
          </div>
        </div>
      </div>
      {isAdding && <NewDialog kind={kind} onAdded={open} onClose={() => setAdding(false)} />}
    </div>
  );
}

function Names({ objects, path, onOpen }: { objects: readonly StoredObject[]; path: string | undefined; onOpen: (path: string) => void }) {
  if (objects.length === 0) return <p className="muted">None yet.</p>;
  return (
    <ul>
      {objects.map((object) => (
        <li key={`${object.objectType} ${object.path}`}>
          <button type="button" aria-current={object.path === path || undefined} onClick={() => onOpen(object.path)}>
            <span className={list.two}>
              <b>{object.name}</b>
              <small>
                {splitPath(object.path).folder}
                {object.objectType === "NONWORKINGDAYSCALENDAR" && " · days off"}
                {!object.released && " · not released"}
                {!object.valid && " · not valid"}
              </small>
            </span>
          </button>
        </li>
      ))}
    </ul>
  );
}

function Opened({ object, readOnly }: { object: StoredObject; readOnly: string | undefined }) {
  const query = useQuery(objectQuery(object.path, object.objectType));
  return (
    <Remote query={query}>
      {(content) => (object.objectType === "SCHEDULE" ? <ScheduleEditor content={content} readOnly={readOnly} /> : <CalendarEditor content={content} readOnly={readOnly} />)}
    </Remote>
  );
}

function NewDialog({ kind, onAdded, onClose }: { kind: "calendars" | "schedules"; onAdded: (path: string) => void; onClose: () => void }) {
  const [text, setText] = useState("/");
  const [type, setType] = useState<ObjectType>(kind === "schedules" ? "SCHEDULE" : "WORKINGDAYSCALENDAR");
  const path = text.trim();
  const isPath = /^(\/[^/\s]+)+$/.test(path);
  const one = kind === "schedules" ? "schedule" : "calendar";
  const configuration = type === "SCHEDULE" ? { workflowNames: [], calendars: [], planOrderAutomatically: false } : { type, includes: {} };
  return (
    <RequestDialog
      title={`New ${one}`}
      request={(comment) => storeObject(path, type, configuration, comment)}
      button={`Store ${one}`}
      problem={isPath ? undefined : "Say its path, such as /calendars/work-days."}
      effect="It is a draft until it is released."
      done={() => `Stored ${path}`}
      refresh={CALENDAR_KEYS}
      onDone={() => onAdded(path)}
      onClose={onClose}
    >
      <label className="field">
        <span className="field-label">Path</span>
        <input className="input mono" data-autofocus value={text} onChange={(event) => setText(event.target.value)} />
      </label>
      {kind === "calendars" && (
        <label className="field">
          <span className="field-label">Its days are</span>
          <select className="input" value={type} onChange={(event) => setType(event.target.value as ObjectType)}>
            <option value="WORKINGDAYSCALENDAR">days on which something may start</option>
            <option value="NONWORKINGDAYSCALENDAR">days off</option>
          </select>
        </label>
      )}
    </RequestDialog>
  );
}
