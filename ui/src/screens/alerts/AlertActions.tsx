/** What people do with alerts: take, finish, silence for a while; with a word to others (ui.md S16, tiers A and B). */
import { useQueryClient } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useChange } from "../../actions/useChange";
import { acknowledgeAlerts, muteAlerts, resolveAlerts } from "../../api/changes";
import { serverNow } from "../../api/http";
import { type AlertRow } from "../../api/types";
import { type KeyBinding, useKeys } from "../../app/keys";
import { Failure } from "../../components/Panel";
import { say } from "../../components/toasts";
import { plural } from "../../domain/words";
import styles from "./alerts.module.css";

const HOURS = [
  [1, "1 hour"],
  [4, "4 hours"],
  [24, "1 day"],
  [168, "1 week"],
] as const;

export function AlertActions({ alerts, onDone }: { alerts: readonly AlertRow[]; onDone: () => void }) {
  const client = useQueryClient();
  const [comment, setComment] = useState("");
  const [hours, setHours] = useState(4);
  const [what, setWhat] = useState("");
  const change = useChange<{ changed: number[] }>(({ changed }) => {
    say(`${what} ${plural(changed.length, "alert")}`);
    setComment("");
    void client.invalidateQueries({ queryKey: ["alerts"] });
    onDone();
  });
  const ids = alerts.map(({ id }) => id);
  const open = alerts.filter(({ state }) => state === "open").length;
  const now = serverNow();
  const muted = alerts.every(({ mutedUntil }) => mutedUntil !== undefined && mutedUntil > now);
  const selected = { ids, comment };
  const send = (words: string, request: ReturnType<typeof acknowledgeAlerts>) => {
    if (change.isPending) return;
    setWhat(words);
    change.mutate(request);
  };
  const acknowledge = () => send("Acknowledged", acknowledgeAlerts(selected));
  const mute = (length: number) => send(length === 0 ? "No longer muted:" : "Muted", muteAlerts({ ...selected, hours: length, now: Math.round(serverNow()) }));
  const keys = useMemo<KeyBinding[]>(
    () => [{ keys: "a", words: "acknowledge what is selected", run: acknowledge }],
    // The key does what the button does with what is selected now.
    [ids.join(), comment, change.isPending], // eslint-disable-line react-hooks/exhaustive-deps
  );
  useKeys(keys);
  return (
    <div className={styles.bar} role="group" aria-label="Actions on alerts">
      <span className={styles.chosen}>{plural(alerts.length, "alert")}</span>
      <input
        className="input"
        aria-label="Comment"
        placeholder="comment, for others and for the audit log"
        value={comment}
        onChange={(event) => setComment(event.target.value)}
      />
      <button type="button" className="button primary" disabled={open === 0 || change.isPending} onClick={acknowledge}>
        Acknowledge{open < alerts.length && open > 0 ? ` ${open} of ${alerts.length}` : ""}
      </button>
      <button type="button" className="button" disabled={change.isPending} onClick={() => send("Resolved", resolveAlerts(selected))}>
        Resolve
      </button>
      {muted ? (
        <button type="button" className="button" disabled={change.isPending} onClick={() => mute(0)}>
          Unmute
        </button>
      ) : (
        <span className={styles.mute}>
          <button type="button" className="button" disabled={change.isPending} onClick={() => mute(hours)}>
            Mute for
          </button>
          <select className="input" aria-label="How long to mute" value={hours} onChange={(event) => setHours(Number(event.target.value))}>
            {HOURS.map(([length, words]) => (
              <option key={length} value={length}>
                {words}
              </option>
            ))}
          </select>
        </span>
      )}
      {change.isError && <Failure error={change.error} />}
    </div>
  );
}
