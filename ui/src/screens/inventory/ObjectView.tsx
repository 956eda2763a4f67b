/** One object: edited as JSON beside its drawing, compared, published; its versions and neighbours (ui.md S13). */
import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { type KeyBinding, useKeys } from "../../app/keys";
import { type EditedObject } from "../../api/inventory";
import { objectQuery } from "../../api/inventory_queries";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Failure, Panel, Remote } from "../../components/Panel";
import { Tabs } from "../../components/Tabs";
import { Ago } from "../../components/Time";
import { isConflict } from "../../domain/drafts";
import { isPublished, typeLook } from "../../domain/inventory";
import { DiffTab } from "./DiffTab";
import { EditTab } from "./EditTab";
import styles from "./inventory.module.css";
import { LeaveGuard } from "./LeaveGuard";
import { Notices } from "./Notices";
import { ObjectActions } from "./ObjectActions";
import { ObjectDialogs } from "./ObjectDialogs";
import { Breadcrumb, clean, MarkChip, NeighbourRow } from "./parts";
import { CONFLICT, useDraft } from "./useDraft";
import { VersionsTab } from "./VersionsTab";

export function ObjectView({ path, objectType }: { path: string; objectType: string }) {
  const query = useQuery(objectQuery({ path, objectType }));
  const { word } = typeLook(objectType);
  if (query.data !== undefined) return <Loaded object={query.data} gone={query.isError ? query.error : undefined} />;
  return (
    <>
      <PageTitle title={`${path.split("/").at(-1)} – Inventory`} below={<Breadcrumb path={path} />} />
      <Panel>
        {query.isError ? (
          <>
            <Empty title={`The ${word} ${path} cannot be shown.`}>It may have been renamed, moved or removed: search for its name, or look into the trash.</Empty>
            <Failure error={query.error} retry={() => void query.refetch()} />
          </>
        ) : (
          <Remote query={query}>{() => null}</Remote>
        )}
      </Panel>
    </>
  );
}

const TABS = ["edit", "diff", "versions", "uses"] as const;
export type ObjectTab = (typeof TABS)[number];

function Loaded({ object, gone }: { object: EditedObject; gone: Error | undefined }) {
  const search = useSearch({ from: "/inventory/$" });
  const navigate = useNavigate({ from: "/inventory/$" });
  const state = useDraft(object);
  const { draft, changed, saving, error } = state;
  const tab = TABS.find((known) => known === search.tab) ?? "edit";
  const look = typeLook(object.objectType);
  const set = useCallback(
    (part: { tab?: string; mode?: string; node?: string | undefined; v?: string | undefined; dialog?: string | undefined }) =>
      void navigate({ search: (old) => clean({ ...old, ...part }), replace: part.tab === undefined && part.dialog === undefined }),
    [navigate],
  );
  const onMode = useCallback((mode: string) => set({ mode }), [set]);
  const onNode = useCallback((node: string | undefined) => set({ node }), [set]);
  useKeys(
    useMemo<KeyBinding[]>(
      () => [
        { keys: "d", words: "differences", run: () => set({ tab: "diff" }) },
        { keys: "v", words: "versions", run: () => set({ tab: "versions" }) },
        ...(object.can.publish ? [{ keys: "D", words: `${look.publishing ?? "deploy"}…`, run: () => set({ dialog: "publish" }) }] : []),
      ],
      [set, object.can.publish, look.publishing],
    ),
  );
  return (
    <>
      <PageTitle
        title={`${object.name} – Inventory`}
        actions={<ObjectActions object={object} changed={changed} saving={saving} onSave={() => void state.save()} show={(dialog) => set({ dialog })} />}
        below={
          <>
            <Breadcrumb path={object.path} />
            <span>{look.word}</span>
            <MarkChip state={object.state} valid={object.valid} />
            <span>
              stored <Ago time={object.modified} />
            </span>
            {object.objectType === "WORKFLOW" && isPublished(object.state) && (
              <Link to="/workflow/$" params={{ _splat: object.path.slice(1) }}>
                Orders and runs
              </Link>
            )}
            {changed && <strong>not saved</strong>}
            {!object.can.change && <span>You may look, not change: the permission joc:inventory:manage is missing.</span>}
          </>
        }
      >
        {object.name}
      </PageTitle>
      <Notices object={object} state={state} gone={gone} />
      {error !== null && !isConflict(draft) && !(error instanceof Error && "code" in error && error.code === CONFLICT && gone === undefined) && <Failure error={error} />}
      <div className={styles.card}>
        <Tabs
          label={object.name}
          value={tab}
          tabs={[
            { value: "edit", label: "Edit" },
            { value: "diff", label: "Differences" },
            { value: "versions", label: `Versions ${object.versions.length + (object.release === undefined ? 0 : 1)}` },
            { value: "uses", label: `Uses ${object.uses.length + object.usedBy.length}` },
          ]}
          onChange={(value) => set({ tab: value })}
        />
        <div className={styles.content} role="tabpanel" aria-label={tab} data-tab-content={tab}>
          {/* Stays while other tabs are looked at: undo, cursor and folds are kept. */}
          <div className={styles.keep} hidden={tab !== "edit"}>
            <EditTab object={object} state={state} mode={search.mode} node={search.node} onMode={onMode} onNode={onNode} />
          </div>
          {tab === "diff" && <DiffTab object={object} text={draft.text} version={search.v} onVersion={(v) => set({ v })} />}
          {tab === "versions" && <VersionsTab object={object} onShow={(v) => set({ tab: "diff", v })} />}
          {tab === "uses" && <UsesTab object={object} />}
        </div>
      </div>
      {search.dialog !== undefined && <ObjectDialogs dialog={search.dialog} object={object} changed={changed} onClose={() => set({ dialog: undefined })} />}
      <LeaveGuard changed={changed} save={state.save} />
    </>
  );
}

/** References in and out, by name, as they are stored (ui.md S13). */
function UsesTab({ object }: { object: EditedObject }) {
  const groups = [
    { title: "Uses", none: "It refers to nothing.", neighbours: object.uses },
    { title: "Used by", none: "Nothing refers to it.", neighbours: object.usedBy },
  ];
  return (
    <div className={styles.uses}>
      {groups.map(({ title, none, neighbours }) => (
        <section key={title} aria-label={title}>
          <h2>
            {title} {neighbours.length > 0 && <span className="muted">{neighbours.length}</span>}
          </h2>
          {neighbours.length === 0 ? (
            <p className="muted">{none}</p>
          ) : (
            <ul className={styles.neighbours}>
              {neighbours.map((neighbour) => (
                <NeighbourRow key={`${neighbour.objectType} ${neighbour.name}`} neighbour={neighbour} />
              ))}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}
