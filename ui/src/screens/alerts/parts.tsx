/** Small pieces of the alerts' screens. */
import { Chip } from "../../components/StateChip";
import { type StateLook, stateLook } from "../../domain/states";
import styles from "./alerts.module.css";

const LOOKS: Record<string, StateLook> = {
  error: { ...stateLook("FAILED"), word: "error" },
  warning: { ...stateLook("BLOCKED"), word: "warning" },
};

export function Severity({ severity }: { severity: string }) {
  return <Chip look={LOOKS[severity] ?? stateLook(undefined)} />;
}

const SENT: Record<string, { mark: string; words: string }> = {
  waiting: { mark: "…", words: "still to be sent" },
  sent: { mark: "✔", words: "sent" },
  dead: { mark: "✖", words: "given up" },
};

/** Channel by channel, whether the last message has arrived. */
export function ChannelStates({ channels }: { channels: Readonly<Record<string, string>> }) {
  const entries = Object.entries(channels);
  if (entries.length === 0) return <span className="muted">nobody</span>;
  return (
    <span className={styles.channels}>
      {entries.map(([name, state]) => (
        <span key={name} data-state={state} title={`${name}: ${SENT[state]?.words ?? state}`}>
          {name} <span aria-hidden="true">{SENT[state]?.mark ?? "?"}</span>
          <span className="visually-hidden">{SENT[state]?.words ?? state}</span>
        </span>
      ))}
    </span>
  );
}
