/** What has been removed, until it is restored or deleted for good. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ChangeDialog } from "../../actions/ChangeDialog";
import { deleteForGood, restoreObject, type TrashItem } from "../../api/inventory";
import { INVENTORY, trashQuery } from "../../api/inventory_queries";
import { type Column, DataTable } from "../../components/DataTable";
import { Icon } from "../../components/Icon";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { say } from "../../components/toasts";
import { typeLook } from "../../domain/inventory";
import { plural, splitPath } from "../../domain/words";
import styles from "./inventory.module.css";
import { useGoTo } from "./parts";

const keyOf = ({ objectType, path }: TrashItem): string => `${objectType} ${path}`;

export function Trash() {
  const query = useQuery(trashQuery());
  const goTo = useGoTo();
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [restoring, setRestoring] = useState<TrashItem>();
  const [deleting, setDeleting] = useState<TrashItem[]>();
  const chosen = (query.data ?? []).filter((item) => selected.has(keyOf(item)));
  const columns: readonly Column<TrashItem>[] = [
    {
      id: "name",
      header: "Name",
      width: "minmax(180px, 2fr)",
      cell: ({ name, objectType }) => (
        <span className={styles.entry}>
          <Icon name={typeLook(objectType).icon} size={14} />
          {name}
        </span>
      ),
    },
    { id: "type", header: "Type", width: "minmax(110px, 1fr)", cell: ({ objectType }) => typeLook(objectType).word },
    { id: "folder", header: "Was in", width: "minmax(120px, 1fr)", cell: ({ path }) => splitPath(path).folder },
    { id: "changed", header: "Changed", width: "120px", cell: ({ modified }) => <When time={Date.parse(modified)} /> },
    {
      id: "restore",
      header: "",
      width: "110px",
      cell: (item) => (
        <button type="button" className="button small" aria-label={`Restore ${item.path}`} onClick={() => setRestoring(item)}>
          Restore…
        </button>
      ),
    },
  ];
  return (
    <>
      <PageTitle
        title="Trash – Inventory"
        actions={
          <button type="button" className="button" disabled={chosen.length === 0} onClick={() => setDeleting(chosen)}>
            <Icon name="trash" size={14} /> Delete for good{chosen.length === 0 ? "" : ` ${chosen.length}`}…
          </button>
        }
        below={query.data !== undefined && <span>{plural(query.data.length, "object")}</span>}
      >
        Trash
      </PageTitle>
      <div className={styles.card}>
        <Remote query={query}>
          {(items) => (
            <DataTable
              label="Removed objects"
              columns={columns}
              rows={items}
              keyOf={keyOf}
              selected={selected}
              onSelect={setSelected}
              empty={<Empty title="The trash is empty." />}
            />
          )}
        </Remote>
      </div>
      {restoring !== undefined && (
        <RestoreDialog
          item={restoring}
          onClose={() => setRestoring(undefined)}
          onDone={(path) => {
            setRestoring(undefined);
            goTo(path, restoring.objectType);
          }}
        />
      )}
      {deleting !== undefined && (
        <ChangeDialog
          title={`Delete ${plural(deleting.length, "object")} for good`}
          request={deleteForGood(deleting)}
          button={`Delete ${plural(deleting.length, "object")}`}
          danger
          stale={INVENTORY}
          onClose={() => setDeleting(undefined)}
          onDone={() => {
            say(`Deleted ${plural(deleting.length, "object")} for good`);
            setSelected(new Set());
            setDeleting(undefined);
          }}
        >
          <ul className={actionStyles.touched}>
            {deleting.slice(0, 20).map((item) => (
              <li key={keyOf(item)}>
                <code>{item.path}</code>
                <span className="muted">{typeLook(item.objectType).word}</span>
              </li>
            ))}
          </ul>
          <p className={actionStyles.effect}>They cannot be restored afterwards. History and logs of what ran stay.</p>
        </ChangeDialog>
      )}
    </>
  );
}

function RestoreDialog({ item, onClose, onDone }: { item: TrashItem; onClose: () => void; onDone: (path: string) => void }) {
  const [path, setPath] = useState(item.path);
  return (
    <ChangeDialog<{ path: string }>
      title={`Restore ${item.name}`}
      request={path.trim() === "" ? undefined : restoreObject(item, path)}
      button="Restore as draft"
      stale={INVENTORY}
      onClose={onClose}
      onDone={(answer) => {
        say(`Restored ${answer.path} as a draft`);
        onDone(answer.path);
      }}
    >
      <label className="field">
        <span className="field-label">Path</span>
        <input className="input mono" data-autofocus value={path} onChange={(event) => setPath(event.target.value)} />
        <small>If the name is taken meanwhile it gets the suffix &quot;restored&quot;.</small>
      </label>
    </ChangeDialog>
  );
}
