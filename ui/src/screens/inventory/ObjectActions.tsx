/** The verbs of one object; what is not possible stays visible and says why. */
import { Menu, Tooltip } from "@mantine/core";
import { type EditedObject } from "../../api/inventory";
import { Icon } from "../../components/Icon";
import { isDraft, isPublished, typeLook } from "../../domain/inventory";
import { controllersOf } from "./WithdrawDialog";

interface ObjectActionsProps {
  object: EditedObject;
  changed: boolean;
  saving: boolean;
  onSave: () => void;
  show: (dialog: string) => void;
}

export function ObjectActions({ object, changed, saving, onSave, show }: ObjectActionsProps) {
  const isDeployed = typeLook(object.objectType).publishing !== "release";
  const verb = isDeployed ? "Deploy" : "Release";
  const why = publishingFault(object, changed);
  const isThere = isDeployed ? controllersOf(object).length > 0 : object.release !== undefined;
  return (
    <>
      <button type="button" className={`button ${changed ? "primary" : ""}`} disabled={!changed || !object.can.change || saving} title="Ctrl-S" onClick={onSave}>
        <Icon name="save" size={14} /> {saving ? "Saving…" : "Save draft"}
      </button>
      <Tooltip label={why ?? `Shows first what would change`} withArrow events={{ hover: true, focus: true, touch: true }}>
        <button type="button" className={`button ${!changed && why === undefined && isDraft(object.state) ? "primary" : ""}`} aria-disabled={why !== undefined} onClick={() => why === undefined && show("publish")}>
          <Icon name="deployments" size={14} /> {verb}…
        </button>
      </Tooltip>
      <Menu position="bottom-end" width={240}>
        <Menu.Target>
          <button type="button" className="button icon" aria-label="More actions">
            <Icon name="more" />
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="turn" />} disabled={!object.can.change} onClick={() => show("rename")}>
            Rename or move…
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="copy" />} disabled={!object.can.change} onClick={() => show("copy")}>
            Copy…
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="history" />} disabled={!object.can.change || !isDraft(object.state) || !isPublished(object.state)} onClick={() => show("revert")}>
            Back to what is {isDeployed ? "deployed" : "released"}…
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<Icon name="stop" />} disabled={!object.can.publish || !isThere} onClick={() => show("withdraw")}>
            {isDeployed ? "Revoke…" : "Recall…"}
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="trash" />} disabled={!object.can.change} onClick={() => show("remove")}>
            Remove…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </>
  );
}

/** Why it cannot be published now. */
function publishingFault(object: EditedObject, changed: boolean): string | undefined {
  if (!object.can.publish) return "The permission joc:inventory:deploy is missing.";
  if (typeLook(object.objectType).publishing === "deploy" && object.can.controllers.length === 0) return "There is no Controller to which you may deploy.";
  if (changed) return "Save the draft first: what is stored is deployed.";
  if (!object.valid) return "What is not valid is not deployed or released; the problems are below the text.";
  return undefined;
}
