/**
 * Deploy and release (ui.md 4.8): what, with what it needs; the difference at each Controller; the effect; a comment. Several
 * requests are sent one after the other, and what came of each is shown.
 */
import { Modal } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { CommentField } from "../../actions/ChangeDialog";
import { ShowAs } from "../../actions/ShowAs";
import { useChange } from "../../actions/useChange";
import { useSendKey } from "../../actions/useSendKey";
import { type ObjectId, type PublishedObject } from "../../api/inventory";
import { controllersQuery, INVENTORY, publishingQuery } from "../../api/inventory_queries";
import { Diff } from "../../components/Diff";
import { Icon } from "../../components/Icon";
import { Empty, Failure, Loading } from "../../components/Panel";
import { say } from "../../components/toasts";
import { typeLook } from "../../domain/inventory";
import { jsonText } from "../../domain/json_text";
import { hasChange, isChosen, isForced, keyOf, planPublishing, type PublishingPlan } from "../../domain/publishing";
import { splitPath } from "../../domain/words";
import styles from "./publish.module.css";

interface PublishDialogProps {
  objects: readonly (ObjectId & { recursive?: boolean })[];
  title: string;
  onClose: () => void;
}

export function PublishDialog({ objects, title, onClose }: PublishDialogProps) {
  const controllers = useQuery(controllersQuery());
  const [off, setOff] = useState<ReadonlySet<string>>(new Set());
  const all = controllers.data ?? [];
  const preview = useQuery({ ...publishingQuery(objects, all), enabled: controllers.isSuccess });
  const error = controllers.error ?? preview.error;
  return (
    <Modal opened onClose={onClose} title={title} size={1080}>
      {error !== null ? (
        <Failure error={error} />
      ) : preview.data === undefined ? (
        <Loading />
      ) : preview.data.length === 0 ? (
        <Empty title="There is nothing to deploy or release here.">All of it is published as it is.</Empty>
      ) : (
        <Publishing objects={preview.data} controllers={all} off={off} setOff={setOff} onClose={onClose} />
      )}
    </Modal>
  );
}

interface PublishingProps {
  objects: readonly PublishedObject[];
  controllers: readonly string[];
  off: ReadonlySet<string>;
  setOff: (off: ReadonlySet<string>) => void;
  onClose: () => void;
}

function Publishing({ objects, controllers, off, setOff, onClose }: PublishingProps) {
  const client = useQueryClient();
  const [choice, setChoice] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [shown, setShown] = useState(objects[0] === undefined ? "" : keyOf(objects[0]));
  const [comment, setComment] = useState("");
  const [sent, setSent] = useState(0);
  const targets = controllers.filter((id) => !off.has(id));
  const plan = planPublishing(objects, choice, targets, comment);
  const change = useChange(() => undefined);
  const isOpen = plan.refused === undefined && !change.isPending && plan.requests.length > 0;

  async function send() {
    if (!isOpen) return;
    try {
      // What has been done already is not done again when one tries again.
      for (const [index, request] of plan.requests.entries()) {
        if (index < sent) continue;
        await change.mutateAsync(request);
        setSent(index + 1);
      }
    } catch {
      // Shown in the dialog: `change.error`.
      return;
    } finally {
      void client.invalidateQueries({ queryKey: [INVENTORY] });
    }
    say(doneWords(plan));
    onClose();
  }
  useSendKey(() => void send());

  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // The dialog was open before its content came.
    form.current?.querySelector<HTMLElement>("[data-autofocus]")?.focus();
  }, []);

  const object = objects.find((one) => keyOf(one) === shown) ?? objects[0];
  const needsControllers = plan.deployed.length > 0;
  return (
    <form
      ref={form}
      className={actionStyles.dialog}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <div className={styles.two}>
        <div className={styles.left}>
          <ObjectList objects={objects} choice={choice} onChoice={setChoice} shown={shown} onShow={setShown} />
          {needsControllers && (
            <fieldset className={actionStyles.options}>
              <legend>To</legend>
              {controllers.map((id) => (
                <label key={id} className="check">
                  <input
                    type="checkbox"
                    checked={!off.has(id)}
                    onChange={(event) => setOff(new Set(event.target.checked ? [...off].filter((one) => one !== id) : [...off, id]))}
                  />
                  Controller {id}
                </label>
              ))}
              <small className="muted">Agents that are away get it from their Controller when they are back.</small>
            </fieldset>
          )}
        </div>
        {object !== undefined && <Changes object={object} controllers={targets} />}
      </div>
      <CommentField value={comment} onChange={setComment} autoFocus />
      <div className={actionStyles.effect}>
        {plan.effects.length === 0 ? <p>Nothing will change.</p> : plan.effects.map((sentence) => <p key={sentence}>{sentence}</p>)}
      </div>
      {plan.requests.map((request, index) => (
        <ShowAs
          key={`${index} ${request.path}`}
          requests={[request]}
          {...(plan.requests.length > 1 ? { name: `${index + 1} of ${plan.requests.length}: ${request.path.endsWith("deploy") ? "deploy" : "release"}` } : {})}
        />
      ))}
      {plan.refused !== undefined && (
        <p className={actionStyles.refused} role="status">
          {plan.refused}
        </p>
      )}
      {sent > 0 && change.isError && <p role="status">Done before it failed: {plan.requests.slice(0, sent).map(({ path }) => path).join(", ")}.</p>}
      {change.isError && <Failure error={change.error} />}
      <footer className={actionStyles.footer}>
        <button type="button" className="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" className="button primary" disabled={!isOpen}>
          {change.isPending ? `Sending… ${sent} of ${plan.requests.length}` : plan.button}
        </button>
      </footer>
    </form>
  );
}

function doneWords({ deployed, released }: PublishingPlan): string {
  const words = [
    ...(deployed.length > 0 ? [`Deployed ${namesOf(deployed)}`] : []),
    ...(released.length > 0 ? [`${deployed.length > 0 ? "released" : "Released"} ${namesOf(released)}`] : []),
  ];
  return words.join(", ");
}

const namesOf = (objects: readonly PublishedObject[]): string => (objects.length === 1 ? splitPath(objects[0]?.path ?? "").name : `${objects.length} objects`);

interface ObjectListProps {
  objects: readonly PublishedObject[];
  choice: ReadonlyMap<string, boolean>;
  onChoice: (choice: ReadonlyMap<string, boolean>) => void;
  shown: string;
  onShow: (key: string) => void;
}

function ObjectList({ objects, choice, onChoice, shown, onShow }: ObjectListProps) {
  return (
    <fieldset className={styles.objects}>
      <legend className="field-label">What</legend>
      <ul>
        {objects.map((object) => {
          const key = keyOf(object);
          const look = typeLook(object.objectType);
          return (
            <li key={key} data-shown={key === shown || undefined}>
              <input
                type="checkbox"
                aria-label={`${look.publishing === "deploy" ? "Deploy" : "Release"} ${object.path}`}
                checked={isChosen(object, choice)}
                disabled={isForced(object)}
                onChange={(event) => onChoice(new Map([...choice, [key, event.target.checked]]))}
              />
              <button type="button" aria-pressed={key === shown} onClick={() => onShow(key)}>
                <Icon name={look.icon} size={14} />
                <span>
                  {splitPath(object.path).name}
                  <small>{whyListed(object)}</small>
                </span>
              </button>
            </li>
          );
        })}
      </ul>
    </fieldset>
  );
}

function whyListed(object: PublishedObject): string {
  const name = splitPath(object.because ?? "").name;
  if (!object.valid) return "not valid";
  if (isForced(object)) return `needed by ${name}, never published`;
  if (object.reason === "needed") return `${name} refers to it`;
  if (object.reason === "refers") return `refers to ${name}`;
  return hasChange(object) ? typeLook(object.objectType).word : "no change";
}

function Changes({ object, controllers }: { object: PublishedObject; controllers: readonly string[] }) {
  const changes = object.changes.filter(({ controllerId }) => controllerId === undefined || controllers.includes(controllerId));
  const [at, setAt] = useState<string>();
  const change = changes.find(({ controllerId }) => controllerId === at) ?? changes[0];
  const { name } = splitPath(object.path);
  if (change === undefined) return <p className="muted">Choose a Controller to see what changes there.</p>;
  const where = change.controllerId === undefined ? "released now" : `at ${change.controllerId} now`;
  return (
    <div className={styles.changes}>
      <header>
        <h3>{name}</h3>
        {changes.length > 1 && (
          <select className="input" aria-label="Controller to compare with" value={change.controllerId} onChange={(event) => setAt(event.target.value)}>
            {changes.map(({ controllerId, action }) => (
              <option key={controllerId} value={controllerId}>
                {controllerId}: {ACTION_WORDS[action]}
              </option>
            ))}
          </select>
        )}
      </header>
      {change.action === "create" && <p>It is new {change.controllerId === undefined ? "to the Cockpit" : `at Controller ${change.controllerId}`}.</p>}
      <Diff
        before={change.before === undefined ? "" : jsonText(change.before)}
        after={jsonText(object.after)}
        beforeLabel={change.before === undefined ? "nothing" : where}
        afterLabel="draft"
      />
    </div>
  );
}

const ACTION_WORDS = { create: "new", change: "changes", same: "the same" } as const;
