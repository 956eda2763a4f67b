/** What is done to folders and objects: made, renamed or moved, copied, removed. Which dialog is open is in the URL. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ChangeDialog, CommentField } from "../../actions/ChangeDialog";
import { copyObject, createFolder, type Neighbour, type ObjectId, removeObject, renameObject, storeObject } from "../../api/inventory";
import { agentNamesQuery, INVENTORY } from "../../api/inventory_queries";
import { Icon } from "../../components/Icon";
import { say } from "../../components/toasts";
import { joinPath, nameFault, typeLook, TYPES } from "../../domain/inventory";
import { plural, splitPath } from "../../domain/words";
import { ExportDialog, ImportDialog } from "./archives";
import styles from "./inventory.module.css";
import { NeighbourRow, useGoTo } from "./parts";
import { PublishDialog } from "./PublishDialog";

export function FolderDialogs({ dialog, path, onClose }: { dialog: string; path: string; onClose: () => void }) {
  const folder = { path, objectType: "FOLDER" };
  if (dialog === "new") return <NewDialog folder={path} onClose={onClose} />;
  if (dialog === "folder") return <NewFolderDialog folder={path} onClose={onClose} />;
  if (dialog === "import") return <ImportDialog folder={path} onClose={onClose} />;
  if (dialog === "export") return <ExportDialog folder={path} onClose={onClose} />;
  if (dialog === "publish") return <PublishDialog objects={[{ ...folder, recursive: true }]} title={`Deploy drafts of ${path}`} onClose={onClose} />;
  if (dialog === "rename" || dialog === "copy") return <PathDialog object={folder} verb={dialog} usedBy={[]} onClose={onClose} />;
  if (dialog === "remove") return <RemoveDialog object={folder} usedBy={[]} onClose={onClose} />;
  return null;
}

function NameField({ label, value, onChange, fault, children }: { label: string; value: string; onChange: (text: string) => void; fault: string | undefined; children?: ReactNode }) {
  const shown = value === "" ? undefined : fault;
  return (
    <label className="field">
      <span className="field-label">{label}</span>
      <input
        className="input mono"
        data-autofocus
        autoComplete="off"
        spellCheck={false}
        value={value}
        aria-invalid={shown !== undefined}
        onChange={(event) => onChange(event.target.value)}
      />
      {shown !== undefined ? <span className="field-error">{shown}</span> : children}
    </label>
  );
}

function NewDialog({ folder, onClose }: { folder: string; onClose: () => void }) {
  const goTo = useGoTo();
  const agents = useQuery(agentNamesQuery());
  const [objectType, setObjectType] = useState("WORKFLOW");
  const [name, setName] = useState("");
  const look = typeLook(objectType);
  const fault = nameFault(name);
  const path = joinPath(folder, name);
  return (
    <ChangeDialog
      title={`New object in ${folder}`}
      request={fault === undefined ? storeObject({ path, objectType, configuration: newObject(objectType, agents.data?.[0]) }) : undefined}
      button={`Create ${look.word}`}
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`Created ${look.word} ${path} as a draft`);
        goTo(path, objectType);
      }}
    >
      <fieldset className={styles.types}>
        <legend className="field-label">What it is</legend>
        {TYPES.map(({ type, word, icon, what }) => (
          <label key={type} title={what}>
            <input type="radio" name="type" checked={objectType === type} onChange={() => setObjectType(type)} />
            <Icon name={icon} size={15} />
            <span>{word}</span>
          </label>
        ))}
      </fieldset>
      <p className="muted">{look.what}.</p>
      <NameField label="Name" value={name} onChange={setName} fault={fault}>
        <small>The name is unique among all objects of its type; the folder is only where it is kept.</small>
      </NameField>
    </ChangeDialog>
  );
}

/** The sample, with an Agent that there is. */
function newObject(objectType: string, agentName = ""): unknown {
  const text = JSON.stringify(typeLook(objectType).sample ?? {});
  return JSON.parse(text, (key, value: unknown) => (key === "agentName" ? agentName : value)) as unknown;
}

function NewFolderDialog({ folder, onClose }: { folder: string; onClose: () => void }) {
  const goTo = useGoTo();
  const [name, setName] = useState("");
  const fault = nameFault(name);
  const path = joinPath(folder, name);
  return (
    <ChangeDialog
      title={`New folder in ${folder}`}
      request={fault === undefined ? createFolder(path) : undefined}
      button="Create folder"
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`Created folder ${path}`);
        goTo(path);
      }}
    >
      <NameField label="Name" value={name} onChange={setName} fault={fault} />
    </ChangeDialog>
  );
}

interface ObjectDialogProps {
  object: ObjectId;
  usedBy: readonly Neighbour[];
  onClose: () => void;
}

/** Rename, move and copy are one question: the new path. */
export function PathDialog({ object, verb, usedBy, onClose }: ObjectDialogProps & { verb: "rename" | "copy" }) {
  const goTo = useGoTo();
  const client = useQueryClient();
  const { word } = typeLook(object.objectType);
  const { folder, name } = splitPath(object.path);
  const [path, setPath] = useState(verb === "copy" ? joinPath(folder, `${name}-copy`) : object.path);
  const target = `/${path.split("/").filter((part) => part !== "").join("/")}`;
  const fault = target === "/" ? "A path is missing." : target === object.path ? "This is its path now." : nameFault(splitPath(target).name);
  const isRenamed = splitPath(target).name !== name;
  return (
    <ChangeDialog<{ path: string }>
      title={`${verb === "copy" ? "Copy" : "Rename or move"} ${word} ${name}`}
      request={fault === undefined ? (verb === "copy" ? copyObject(object, target) : renameObject(object, target)) : undefined}
      button={verb === "copy" ? `Copy ${word}` : isRenamed ? `Rename ${word}` : `Move ${word}`}
      stale={INVENTORY}
      onClose={onClose}
      onDone={(answer) => {
        say(`${verb === "copy" ? "Copied to" : "Now"} ${answer.path}`);
        if (verb === "rename") client.removeQueries({ queryKey: [INVENTORY, "object", object.objectType, object.path] });
        goTo(answer.path, object.objectType);
      }}
    >
      <NameField label="New path" value={path} onChange={setPath} fault={fault}>
        <small>Folders that do not exist are made.</small>
      </NameField>
      {verb === "rename" && (
        <p className={actionStyles.effect}>
          {object.objectType === "FOLDER"
            ? "All that is in the folder moves with it. Names of objects stay, so that nothing has to be deployed again."
            : isRenamed
              ? `Under a new name it is a draft until it is published again. ${usedBy.length === 0 ? "Nothing refers to it." : `The ${plural(usedBy.length, "object that refers to it becomes a draft", "objects that refer to it become drafts")} with the new name:`}`
              : "The name stays: what is deployed or released, and what refers to it, is not touched."}
        </p>
      )}
      {verb === "rename" && isRenamed && <Neighbours neighbours={usedBy} />}
    </ChangeDialog>
  );
}

export function RemoveDialog({ object, usedBy, onClose }: ObjectDialogProps) {
  const goTo = useGoTo();
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const { word } = typeLook(object.objectType);
  return (
    <ChangeDialog
      title={`Remove ${word} ${splitPath(object.path).name}`}
      request={removeObject(object, { comment })}
      button={`Remove ${word}`}
      danger
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`${object.path} is in the trash`);
        client.removeQueries({ queryKey: [INVENTORY, "object", object.objectType, object.path] });
        goTo(splitPath(object.path).folder);
      }}
    >
      <p className={actionStyles.effect}>
        {object.objectType === "FOLDER" ? "The folder and all that is in it" : "It"} is deleted from all Controllers, withdrawn from release, and moved to the trash, from
        which it can be restored as a draft.
      </p>
      {usedBy.length > 0 && (
        <div className={actionStyles.refused}>
          <p>{plural(usedBy.length, "object refers", "objects refer")} to it and will not be valid any more:</p>
          <Neighbours neighbours={usedBy} />
        </div>
      )}
      <CommentField value={comment} onChange={setComment} autoFocus />
    </ChangeDialog>
  );
}

function Neighbours({ neighbours }: { neighbours: readonly Neighbour[] }) {
  if (neighbours.length === 0) return null;
  return (
    <ul className={styles.neighbours}>
      {neighbours.slice(0, 10).map((neighbour) => (
        <NeighbourRow key={`${neighbour.objectType} ${neighbour.name}`} neighbour={neighbour} />
      ))}
      {neighbours.length > 10 && <li className="muted">and {neighbours.length - 10} more</li>}
    </ul>
  );
}
