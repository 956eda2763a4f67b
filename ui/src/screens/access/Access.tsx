/** S18 Access (ui.md S18): who may do what, and why; accounts, roles, identity services, sessions, block list. */
import { useQuery } from "@tanstack/react-query";
import { useCallback } from "react";
import { accessRoute } from "../../app/router";
import { servicesQuery } from "../../api/access";
import { useMay } from "../../api/permissions";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { Tabs } from "../../components/Tabs";
import styles from "./access.module.css";
import { Accounts } from "./Accounts";
import { Blocklist } from "./Blocklist";
import { Roles } from "./Roles";
import { Services } from "./Services";
import { Sessions } from "./Sessions";
import { TryAs } from "./TryAs";

const SECTIONS = [
  { value: "accounts", label: "Accounts" },
  { value: "roles", label: "Roles" },
  { value: "try", label: "Who may what" },
  { value: "services", label: "Identity services" },
  { value: "sessions", label: "Sessions" },
  { value: "blocklist", label: "Block list" },
] as const;

export interface PartProps {
  /** The identity service whose accounts and roles are shown. */
  service: string;
  /** Why nothing can be changed; undefined: it can. */
  readOnly: string | undefined;
  search: ReturnType<typeof accessRoute.useSearch>;
  set: (part: { [Name in keyof PartProps["search"]]?: string | undefined }) => void;
}

export function Access() {
  const { section: asked } = accessRoute.useParams();
  const search = accessRoute.useSearch();
  const navigate = accessRoute.useNavigate();
  const may = useMay();
  const section = SECTIONS.find(({ value }) => value === asked) ?? SECTIONS[0];
  const services = useQuery(servicesQuery());
  const set = useCallback(
    (part: { [Name in keyof typeof search]?: string | undefined }) =>
      void navigate({ search: (old) => Object.fromEntries(Object.entries({ ...old, ...part }).filter(([, value]) => value !== undefined)) }),
    [navigate],
  );
  if (!may("joc:administration:accounts:view"))
    return (
      <>
        <PageTitle title="Access" />
        <Empty title="You may not see accounts and roles.">You lack the permission administration:accounts:view.</Empty>
      </>
    );
  const readOnly = may("joc:administration:accounts:manage") ? undefined : "You lack the permission administration:accounts:manage";
  return (
    <div className={list.page}>
      <PageTitle title={`${section.label} – Access`}>Access</PageTitle>
      <div className={list.card}>
        <Tabs label="Access" value={section.value} tabs={SECTIONS} onChange={(value) => void navigate({ params: { section: value }, search: search.service === undefined ? {} : { service: search.service } })} />
        <div className={styles.content} role="tabpanel" aria-label={section.label}>
          <Remote query={services}>
            {({ identityServiceItems }) => {
              const service = identityServiceItems.find((one) => one.identityServiceName === search.service) ?? identityServiceItems[0];
              const props: PartProps = { service: service?.identityServiceName ?? "", readOnly, search, set };
              const names = identityServiceItems.map((one) => one.identityServiceName);
              return (
                <>
                  {["accounts", "roles", "try"].includes(section.value) && names.length > 1 && <Choose names={names} {...props} />}
                  {section.value === "accounts" && <Accounts {...props} />}
                  {section.value === "roles" && <Roles {...props} />}
                  {section.value === "try" && <TryAs {...props} />}
                  {section.value === "services" && <Services {...props} />}
                  {section.value === "sessions" && <Sessions {...props} />}
                  {section.value === "blocklist" && <Blocklist {...props} />}
                </>
              );
            }}
          </Remote>
        </div>
      </div>
    </div>
  );
}

function Choose({ names, service, set }: PartProps & { names: string[] }) {
  return (
    <label className={styles.choose}>
      Identity service
      <select className="input" value={service} onChange={(event) => set({ service: event.target.value, role: undefined })}>
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
