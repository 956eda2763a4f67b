/**
 * Single keys (ui.md 4.7 global keys): one listener; pages add theirs while they are shown. Ignored in fields and dialogs,
 * and with any modifier, so that the browser's own stay. They can be switched off (WCAG 2.1.4).
 */
import { useEffect, useSyncExternalStore } from "react";

export interface KeyBinding {
  /** `n`, or a sequence such as `g o`. */
  keys: string;
  words: string;
  run: () => void;
}

const bindings = new Set<readonly KeyBinding[]>();
const listeners = new Set<() => void>();
let known: readonly KeyBinding[] = [];
let pending = "";
let pendingUntil = 0;
const OFF = "stellwerk.keys.off";

export const singleKeysOff = (): boolean => localStorage.getItem(OFF) === "1";
export function setSingleKeysOff(off: boolean): void {
  if (off) localStorage.setItem(OFF, "1");
  else localStorage.removeItem(OFF);
  for (const listener of listeners) listener();
}

export function useSingleKeysOff(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, singleKeysOff);
}

function changed(): void {
  known = [...bindings].flat();
  for (const listener of listeners) listener();
}

export function useKeys(own: readonly KeyBinding[]): void {
  useEffect(() => {
    bindings.add(own);
    changed();
    return () => {
      bindings.delete(own);
      changed();
    };
  }, [own]);
}

export function useKnownKeys(): readonly KeyBinding[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => known,
  );
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || target.closest("input, textarea, select, [role=dialog], [role=menu]") !== null);
}

window.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || singleKeysOff() || typing(event.target)) return;
  if (event.key.length !== 1) return;
  const sequence = event.timeStamp < pendingUntil ? `${pending} ${event.key}` : event.key;
  const hit = known.findLast((binding) => binding.keys === sequence);
  pending = "";
  pendingUntil = 0;
  if (hit !== undefined) {
    event.preventDefault();
    hit.run();
  } else if (known.some((binding) => binding.keys.startsWith(`${sequence} `))) {
    pending = sequence;
    pendingUntil = event.timeStamp + 1500;
  }
});
