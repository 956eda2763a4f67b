/** The dialogs of one object; which one is open is in the URL. */
import actionStyles from "../../actions/actions.module.css";
import { ChangeDialog } from "../../actions/ChangeDialog";
import { deployVersions, type EditedObject, revertDraft } from "../../api/inventory";
import { INVENTORY } from "../../api/inventory_queries";
import { say } from "../../components/toasts";
import { typeLook } from "../../domain/inventory";
import { PathDialog, RemoveDialog } from "./dialogs";
import { PublishDialog } from "./PublishDialog";
import { WithdrawDialog } from "./WithdrawDialog";

interface ObjectDialogsProps {
  dialog: string;
  object: EditedObject;
  changed: boolean;
  onClose: () => void;
}

/** `again-<commitId>`: the dialog that deploys an older version again. */
const AGAIN = "again-";
export const againDialog = (commitId: string): string => AGAIN + commitId;

export function ObjectDialogs({ dialog, object, changed, onClose }: ObjectDialogsProps) {
  const { path, objectType } = object;
  const verb = typeLook(objectType).publishing === "release" ? "Release" : "Deploy";
  // What is stored is published: a text that is not saved yet is not shown as if it were.
  if (dialog === "publish") return changed ? null : <PublishDialog objects={[{ path, objectType }]} title={`${verb} ${object.name}`} onClose={onClose} />;
  if (dialog === "withdraw") return <WithdrawDialog object={object} onClose={onClose} />;
  if (dialog === "rename" || dialog === "copy") return <PathDialog object={object} verb={dialog} usedBy={object.usedBy} onClose={onClose} />;
  if (dialog === "remove") return <RemoveDialog object={object} usedBy={object.usedBy} onClose={onClose} />;
  if (dialog === "revert") return <RevertDialog object={object} onClose={onClose} />;
  if (dialog.startsWith(AGAIN)) return <AgainDialog object={object} commitId={dialog.slice(AGAIN.length)} onClose={onClose} />;
  return null;
}

function RevertDialog({ object, onClose }: { object: EditedObject; onClose: () => void }) {
  return (
    <ChangeDialog
      title={`Throw away the draft of ${object.name}`}
      request={revertDraft(object)}
      button="Throw away the draft"
      danger
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`${object.name} is what was published last`);
        onClose();
      }}
    >
      <p className={actionStyles.effect}>What is stored becomes what was deployed or released last. The tab Differences shows what gets lost.</p>
    </ChangeDialog>
  );
}

function AgainDialog({ object, commitId, onClose }: { object: EditedObject; commitId: string; onClose: () => void }) {
  const { controllers } = object.can;
  return (
    <ChangeDialog
      title={`Deploy an older version of ${object.name} again`}
      request={controllers.length === 0 ? undefined : deployVersions([{ path: object.path, objectType: object.objectType, commitId }], controllers)}
      refused={controllers.length === 0 ? "There is no Controller to which you may deploy." : undefined}
      button={`Deploy version ${commitId.slice(0, 8)}`}
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`Deployed version ${commitId.slice(0, 8)} of ${object.name} again`);
        onClose();
      }}
    >
      <p className={actionStyles.effect}>
        Version <code>{commitId.slice(0, 8)}</code> goes to {controllers.map((id) => `Controller ${id}`).join(", ")} under a new version id. The draft stays as it is. Orders on
        their way keep the version that they have.
      </p>
    </ChangeDialog>
  );
}
