/** What has been deployed and released of an object, newest first (ui.md S13). */
import { useNavigate } from "@tanstack/react-router";
import { type EditedObject, type ObjectVersion } from "../../api/inventory";
import { type Column, DataTable } from "../../components/DataTable";
import { Glyph } from "../../components/Glyph";
import { Empty } from "../../components/Panel";
import { When } from "../../components/Time";
import styles from "./inventory.module.css";
import { againDialog } from "./ObjectDialogs";

export function VersionsTab({ object, onShow }: { object: EditedObject; onShow: (version: string) => void }) {
  const navigate = useNavigate({ from: "/inventory/$" });
  const again = (commitId: string) => void navigate({ search: (old) => ({ ...old, dialog: againDialog(commitId) }) });
  const columns: readonly Column<ObjectVersion>[] = [
    { id: "time", header: "Deployed", width: "120px", cell: ({ time }) => <When time={time} /> },
    { id: "version", header: "Version", width: "100px", cell: ({ commitId }) => <code title={commitId}>{commitId.slice(0, 8)}</code> },
    { id: "account", header: "By", width: "minmax(80px, 1fr)", cell: ({ account }) => account },
    { id: "at", header: "Controllers", width: "minmax(160px, 2fr)", cell: (version) => <Controllers version={version} /> },
    {
      id: "do",
      header: "",
      width: "230px",
      right: true,
      cell: ({ commitId, operation, refused, at }) =>
        operation === "update" && refused === undefined ? (
          <span className={styles.rowActions}>
            <button type="button" className="button small" onClick={() => onShow(commitId)}>
              Differences
            </button>
            {object.can.publish && !at.every(({ current }) => current) && (
              <button type="button" className="button small" onClick={() => again(commitId)}>
                Deploy again…
              </button>
            )}
          </span>
        ) : null,
    },
  ];
  return (
    <div className={styles.versions}>
      {object.release !== undefined && (
        <p className={styles.released}>
          <span>
            Released <When time={object.release.time} />: what the Cockpit works by.
          </span>
          <button type="button" className="button small" onClick={() => onShow("release")}>
            Differences
          </button>
        </p>
      )}
      <div className={styles.versionRows}>
        {object.versions.length > 0 ? (
          <DataTable
            label={`Versions of ${object.name}`}
            columns={columns}
            rows={object.versions}
            keyOf={({ commitId, operation, refused }) => `${commitId} ${operation} ${refused ?? ""}`}
            onOpen={({ commitId }) => onShow(commitId)}
            empty={null}
          />
        ) : (
          object.release === undefined && <Empty title="It has not been deployed or released yet." />
        )}
      </div>
    </div>
  );
}

function Controllers({ version: { at, operation, refused } }: { version: ObjectVersion }) {
  if (refused !== undefined)
    return (
      <span className={styles.mark} data-state="failed" title={refused}>
        <Glyph name="FAILED" size={13} />
        refused: {refused}
      </span>
    );
  return (
    <span>
      {operation === "delete" && "deleted at "}
      {at.map(({ controllerId, current }) => `${controllerId}${current && operation === "update" ? " (there now)" : ""}`).join(", ")}
    </span>
  );
}
