/** The folders to which a role is restricted: none at all means everywhere. */
import { useState } from "react";
import { RequestDialog } from "../../actions/RequestDialog";
import { ACCESS_KEYS, deleteFolders, type Folder, storeFolders } from "../../api/access";
import { folderWords } from "../../domain/permissions";
import styles from "./access.module.css";
import { Verb } from "../../components/Verb";

interface FoldersProps {
  service: string;
  role: string;
  folders: Record<string, Folder[]>;
  scopes: readonly string[];
  readOnly: string | undefined;
}

const scopeWords = (scope: string): string => (scope === "" ? "all Controllers" : scope);

export function Folders({ service, role, folders, scopes, readOnly }: FoldersProps) {
  const [isAdding, setAdding] = useState(false);
  const [removed, setRemoved] = useState<{ scope: string; folder: Folder }>();
  const rows = scopes.flatMap((scope) => (folders[scope] ?? []).map((folder) => ({ scope, folder })));
  return (
    <section className={styles.folders} aria-label="Folders of the role">
      <h2>Folders</h2>
      {rows.length === 0 ? (
        <p className="muted">The role is not restricted to folders.</p>
      ) : (
        <ul>
          {rows.map(({ scope, folder }) => (
            <li key={`${scope} ${folder.folder}`}>
              <code>{folderWords(folder)}</code>
              <span className="muted">{scopeWords(scope)}</span>
              <Verb why={readOnly} onClick={() => setRemoved({ scope, folder })}>
                Take away {folder.folder}…
              </Verb>
            </li>
          ))}
        </ul>
      )}
      <Verb why={readOnly} onClick={() => setAdding(true)}>
        Add folder…
      </Verb>
      {isAdding && <AddFolder service={service} role={role} scopes={scopes} isFirst={rows.length === 0} onClose={() => setAdding(false)} />}
      {removed !== undefined && (
        <RequestDialog
          title={`Take ${removed.folder.folder} from role ${role}`}
          request={(comment) => deleteFolders({ identityServiceName: service, roleName: role, controllerId: removed.scope }, [removed.folder.folder], comment)}
          button="Take the folder away"
          danger={rows.length === 1}
          effect={rows.length === 1 ? "It is the last folder: without any the role is not restricted and sees everything." : "What lies there is not seen any more by who has no other folder above it."}
          done={() => `Took ${removed.folder.folder} from role ${role}`}
          refresh={ACCESS_KEYS}
          onClose={() => setRemoved(undefined)}
        />
      )}
    </section>
  );
}

function AddFolder({ service, role, scopes, isFirst, onClose }: { service: string; role: string; scopes: readonly string[]; isFirst: boolean; onClose: () => void }) {
  const [folder, setFolder] = useState("/");
  const [recursive, setRecursive] = useState(true);
  const [scope, setScope] = useState("");
  const path = folder.trim();
  return (
    <RequestDialog
      title={`Restrict role ${role} to a folder`}
      request={(comment) => storeFolders({ identityServiceName: service, roleName: role, controllerId: scope }, [{ folder: path, recursive }], comment)}
      button="Add folder"
      danger={isFirst}
      problem={path.startsWith("/") ? undefined : "A folder begins with /, such as /etl."}
      effect={isFirst ? "It is the first folder: from now on the role sees nothing outside of its folders." : "The role sees this folder as well."}
      done={() => `Added ${path} to role ${role}`}
      refresh={ACCESS_KEYS}
      onClose={onClose}
    >
      <label className="field">
        <span className="field-label">Folder</span>
        <input className="input mono" data-autofocus value={folder} onChange={(event) => setFolder(event.target.value)} />
      </label>
      <label className="check">
        <input type="checkbox" checked={recursive} onChange={(event) => setRecursive(event.target.checked)} />
        and all folders below it
      </label>
      <label className="field">
        <span className="field-label">At</span>
        <select className="input" value={scope} onChange={(event) => setScope(event.target.value)}>
          {scopes.map((one) => (
            <option key={one} value={one}>
              {scopeWords(one)}
            </option>
          ))}
        </select>
      </label>
    </RequestDialog>
  );
}
