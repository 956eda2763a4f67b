/** Revoke (from Controllers) and recall (from release): the object stays as a draft. */
import { useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { ChangeDialog, CommentField } from "../../actions/ChangeDialog";
import { type EditedObject, recallObjects, revokeObjects } from "../../api/inventory";
import { INVENTORY } from "../../api/inventory_queries";
import { say } from "../../components/toasts";
import { typeLook } from "../../domain/inventory";
import { plural } from "../../domain/words";

/** The Controllers that have the object now. */
export const controllersOf = (object: EditedObject): string[] => [
  ...new Set(object.versions.filter(({ operation }) => operation === "update").flatMap(({ at }) => at.filter(({ current }) => current).map(({ controllerId }) => controllerId))),
];

export function WithdrawDialog({ object, onClose }: { object: EditedObject; onClose: () => void }) {
  const [comment, setComment] = useState("");
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const isDeployed = typeLook(object.objectType).publishing === "deploy";
  const there = controllersOf(object);
  const targets = there.filter((id) => !off.has(id));
  const verb = isDeployed ? "Revoke" : "Recall";
  const request = isDeployed ? (targets.length === 0 ? undefined : revokeObjects([object], targets, { comment })) : recallObjects([object], { comment });
  return (
    <ChangeDialog
      title={`${verb} ${typeLook(object.objectType).word} ${object.name}`}
      request={request}
      refused={isDeployed && targets.length === 0 ? "Choose a Controller." : undefined}
      button={`${verb} ${typeLook(object.objectType).word}`}
      danger
      stale={INVENTORY}
      onClose={onClose}
      onDone={() => {
        say(`${verb}${isDeployed ? "d" : "ed"} ${object.path}`);
        onClose();
      }}
    >
      {isDeployed && (
        <fieldset className={actionStyles.options}>
          <legend>From</legend>
          {there.map((id) => (
            <label key={id} className="check">
              <input
                type="checkbox"
                checked={!off.has(id)}
                onChange={(event) => setOff(new Set(event.target.checked ? [...off].filter((one) => one !== id) : [...off, id]))}
              />
              Controller {id}
            </label>
          ))}
        </fieldset>
      )}
      <p className={actionStyles.effect}>
        {isDeployed
          ? "It is deleted there and stays here as a draft. Orders of it that have not started are cancelled; orders on their way go on to their end."
          : "The Cockpit does not use it any more; it stays here as a draft. Plans that exist stay as they are."}
      </p>
      {object.usedBy.length > 0 && (
        <p className={actionStyles.refused}>
          {plural(object.usedBy.length, "object refers", "objects refer")} to it: {object.usedBy.map(({ name }) => name).slice(0, 8).join(", ")}
          {object.usedBy.length > 8 ? " …" : ""}. A Controller refuses to delete what is in use there.
        </p>
      )}
      <CommentField value={comment} onChange={setComment} autoFocus />
    </ChangeDialog>
  );
}
