/** Archives of inventory objects: a folder goes out as a file, a file comes in as drafts (ui.md S13). */
import { Modal } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ShowAs } from "../../actions/ShowAs";
import { download, NATIVE, upload } from "../../api/http";
import { exportFolder, importFields, type ExportChoice, type ImportChoice } from "../../api/inventory";
import { controllersQuery, INVENTORY } from "../../api/inventory_queries";
import { Failure } from "../../components/Panel";
import { say } from "../../components/toasts";
import { typeLook } from "../../domain/inventory";
import { plural } from "../../domain/words";
import styles from "./inventory.module.css";

export function ExportDialog({ folder, onClose }: { folder: string; onClose: () => void }) {
  const [choice, setChoice] = useState<ExportChoice>({ folder, recursive: true, withDrafts: true, format: "ZIP", fileName: `${folder.split("/").filter(Boolean).join("-") || "inventory"}.zip` });
  const set = (part: Partial<ExportChoice>) => setChoice({ ...choice, ...part });
  const request = exportFolder(choice);
  const sending = useMutation({
    mutationFn: async () => save(await download(request.path, request.body), choice.fileName),
    onSuccess: () => {
      say(`Saved ${choice.fileName}`);
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Export ${folder}`} size={560}>
      <form
        className={actionStyles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          sending.mutate();
        }}
      >
        <label className="field">
          <span className="field-label">File</span>
          <input className="input mono" data-autofocus value={choice.fileName} onChange={(event) => set({ fileName: event.target.value })} />
        </label>
        <fieldset className={actionStyles.options}>
          <legend>Form</legend>
          {(["ZIP", "TAR_GZ"] as const).map((format) => (
            <label key={format} className="check">
              <input
                type="radio"
                name="format"
                checked={choice.format === format}
                onChange={() => set({ format, fileName: choice.fileName.replace(/\.(zip|tar\.gz)$/, "") + (format === "ZIP" ? ".zip" : ".tar.gz") })}
              />
              {format === "ZIP" ? "zip" : "tar.gz"}
            </label>
          ))}
        </fieldset>
        <fieldset className={actionStyles.options}>
          <legend>What</legend>
          <label className="check">
            <input type="checkbox" checked={choice.recursive} onChange={(event) => set({ recursive: event.target.checked })} />
            also the folders below
          </label>
          <label className="check">
            <input type="checkbox" checked={choice.withDrafts} onChange={(event) => set({ withDrafts: event.target.checked })} />
            drafts, too (else only what is deployed or released)
          </label>
        </fieldset>
        <ShowAs requests={[request]} />
        {sending.isError && <Failure error={sending.error} />}
        <footer className={actionStyles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={choice.fileName.trim() === "" || sending.isPending}>
            {sending.isPending ? "Packing…" : "Export"}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

interface PlannedChange {
  action: "create" | "change" | "move" | "delete";
  path: string;
  objectType: string;
  invalidMsg?: string;
  overwritesDraft?: boolean;
}

export function ImportDialog({ folder, onClose }: { folder: string; onClose: () => void }) {
  const client = useQueryClient();
  const controllers = useQuery(controllersQuery());
  const [file, setFile] = useState<File>();
  const [choice, setChoice] = useState<ImportChoice>({ folder, taken: "keep", suffix: "imported" });
  const set = (part: Partial<ImportChoice>) => setChoice({ ...choice, ...part });
  const controllerId = controllers.data?.[0];
  const look = useMutation({
    mutationFn: async (archive: File) => {
      const fields = { controllerId: controllerId ?? "", targetFolder: folder };
      return (await upload<{ changes: PlannedChange[] }>(`${NATIVE}inventory/plan`, fields, archive)).changes;
    },
  });
  const sending = useMutation({
    mutationFn: async (archive: File) => await upload("inventory/import", importFields(choice), archive),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: [INVENTORY] });
      say(`Imported ${file?.name ?? ""} to ${folder} as drafts`);
      onClose();
    },
  });
  return (
    <Modal opened onClose={onClose} title={`Import to ${folder}`} size={620}>
      <form
        className={actionStyles.dialog}
        onSubmit={(event) => {
          event.preventDefault();
          if (file !== undefined) sending.mutate(file);
        }}
      >
        <label className="field">
          <span className="field-label">Archive</span>
          <input
            className="input"
            type="file"
            accept=".zip,.tar.gz,.tgz"
            onChange={(event) => {
              const chosen = event.target.files?.[0];
              setFile(chosen);
              if (chosen !== undefined && controllerId !== undefined) look.mutate(chosen);
            }}
          />
          <small>A zip or tar.gz, as Export makes it, or as it comes from JS7.</small>
        </label>
        {look.isError && <Failure error={look.error} />}
        {look.data !== undefined && file !== undefined && <Planned changes={look.data} />}
        <fieldset className={actionStyles.options}>
          <legend>Objects whose names are taken</legend>
          <label className="check">
            <input type="radio" name="taken" checked={choice.taken === "keep"} onChange={() => set({ taken: "keep" })} />
            stay as they are; the archive's are left out
          </label>
          <label className="check">
            <input type="radio" name="taken" checked={choice.taken === "replace"} onChange={() => set({ taken: "replace" })} />
            are replaced by the archive's
          </label>
          <label className="check">
            <input type="radio" name="taken" checked={choice.taken === "suffix"} onChange={() => set({ taken: "suffix" })} />
            stay; all names of the archive get a suffix
          </label>
          {choice.taken === "suffix" && (
            <label className="field">
              <span className="field-label">Suffix</span>
              <input className="input mono" value={choice.suffix} onChange={(event) => set({ suffix: event.target.value })} />
            </label>
          )}
        </fieldset>
        <p className={actionStyles.effect}>All of it is stored as drafts, or nothing. Nothing is deployed or released.</p>
        {sending.isError && <Failure error={sending.error} />}
        <footer className={actionStyles.footer}>
          <button type="button" className="button" onClick={onClose}>
            Close
          </button>
          <button type="submit" className="button primary" disabled={file === undefined || sending.isPending}>
            {sending.isPending ? "Importing…" : "Import"}
          </button>
        </footer>
      </form>
    </Modal>
  );
}

const ACTIONS: Record<PlannedChange["action"], string> = { create: "new", change: "differs", move: "moved", delete: "gone" };

/** The archive compared with what is deployed and released. */
function Planned({ changes }: { changes: readonly PlannedChange[] }) {
  if (changes.length === 0) return <p role="status">The archive says what is deployed and released already.</p>;
  return (
    <div role="status">
      <p>Compared with what is deployed and released, {plural(changes.length, "object differs", "objects differ")}:</p>
      <ul className={styles.planned}>
        {changes.slice(0, 50).map((change) => (
          <li key={`${change.objectType} ${change.path}`}>
            <span>{ACTIONS[change.action]}</span>
            <code>{change.path}</code>
            <span className="muted">{typeLook(change.objectType).word}</span>
            {change.overwritesDraft === true && <strong>a draft is there</strong>}
            {change.invalidMsg !== undefined && <span className="field-error">{change.invalidMsg}</span>}
          </li>
        ))}
        {changes.length > 50 && <li className="muted">and {changes.length - 50} more</li>}
      </ul>
    </div>
  );
}
