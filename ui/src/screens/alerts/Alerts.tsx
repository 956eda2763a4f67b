/** S16 Alerts: what is open, who has it, did it come back, who was told (ui.md S16). */
import { useQuery } from "@tanstack/react-query";
import { alertsRoute } from "../../app/router";
import { alertCountsQuery } from "../../api/queries";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Tabs } from "../../components/Tabs";
import { numberWords } from "../../domain/words";
import { AlertList } from "./AlertList";
import { AlertPage } from "./AlertPage";
import { Channels } from "./Channels";
import { Rules } from "./Rules";

const STATES = ["open", "acknowledged", "resolved"] as const;
type State = (typeof STATES)[number];
type Tab = State | "rules" | "channels";
const WORDS: Record<Tab, string> = { open: "Open", acknowledged: "Acknowledged", resolved: "Resolved", rules: "Rules", channels: "Channels" };

export function Alerts() {
  const { _splat: id = "" } = alertsRoute.useParams();
  return id === "" ? <Inbox /> : <AlertPage key={id} id={id} />;
}

function Inbox() {
  const { tab: wanted, q = "" } = alertsRoute.useSearch();
  const navigate = alertsRoute.useNavigate();
  const { data } = useQuery(alertCountsQuery());
  const tab: Tab = wanted !== undefined && wanted in WORDS ? (wanted as Tab) : "open";
  const label = (value: Tab) => {
    const count = value === "rules" || value === "channels" ? undefined : data?.counts?.[value];
    return count === undefined ? WORDS[value] : `${WORDS[value]} ${numberWords(count)}`;
  };
  return (
    <div className={list.page}>
      <PageTitle title="Alerts" />
      <div className={list.card}>
        <Tabs
          label="Alerts by state, and who is told of them"
          value={tab}
          tabs={([...STATES, "rules", "channels"] as const).map((value) => ({ value, label: label(value) }))}
          onChange={(value) => void navigate({ search: value === "open" ? {} : { tab: value } })}
        />
        {tab === "rules" ? (
          <Rules />
        ) : tab === "channels" ? (
          <Channels />
        ) : (
          <AlertList
            key={tab}
            state={tab}
            q={q}
            lastResolved={data?.lastResolved}
            onQ={(text) => void navigate({ search: (old) => ({ ...old, q: text }), replace: true })}
          />
        )}
      </div>
    </div>
  );
}
