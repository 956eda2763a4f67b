/** Does the page show what is, or what was (ui.md 4.3)? Shape and word, not colour alone; loss is announced at once. */
import { useLamp, useNow } from "../live/react";
import { clockWords, durationWords } from "../domain/words";
import styles from "./shell.module.css";

export function FreshnessLamp() {
  const lamp = useLamp();
  const now = useNow();
  const words =
    lamp.kind === "live"
      ? "live"
      : lamp.kind === "catching-up"
        ? `reconnecting, ${durationWords(now - lamp.since)}`
        : "offline";
  const detail =
    lamp.kind === "live"
      ? `Changes arrive as they happen, since ${clockWords(lamp.since)}.`
      : `What you see is as of ${clockWords(lamp.since)}.${lamp.kind === "catching-up" && lamp.error !== undefined ? ` Last try: ${lamp.error}.` : ""}`;
  return (
    <span className={styles.lamp} data-lamp={lamp.kind} title={detail}>
      <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true">
        <circle cx="5" cy="5" r="4" fill={lamp.kind === "live" ? "currentColor" : "none"} stroke="currentColor" strokeWidth="1.5" />
        {lamp.kind === "catching-up" && <path d="M5 1a4 4 0 010 8z" fill="currentColor" />}
      </svg>
      <span className={styles.lampWords}>{words}</span>
      <span className="visually-hidden" role="alert">
        {lamp.kind === "live" ? "" : "The connection to the Cockpit is lost; the page shows older values."}
      </span>
    </span>
  );
}
