/** Results of one's own actions, said once and politely; nothing else ever pops up (ui.md 4.3). */
import { type ReactNode, useSyncExternalStore } from "react";
import { Icon } from "./Icon";
import styles from "./toasts.module.css";

interface Toast {
  id: number;
  words: ReactNode;
  bad: boolean;
}

let toasts: readonly Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function become(list: readonly Toast[]): void {
  toasts = list;
  for (const listener of listeners) listener();
}

function dismiss(id: number): void {
  become(toasts.filter((toast) => toast.id !== id));
}

export function say(words: ReactNode, bad = false): void {
  const id = next++;
  become([...toasts.slice(-3), { id, words, bad }]);
  setTimeout(() => dismiss(id), bad ? 20_000 : 8000);
}

export function Toasts() {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className={styles.toasts} role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={styles.toast} data-bad={toast.bad || undefined}>
          <span>{toast.words}</span>
          <button type="button" className="button quiet small icon" aria-label="Dismiss" onClick={() => dismiss(toast.id)}>
            <Icon name="close" size={14} />
          </button>
        </div>
      ))}
    </div>
  );
}
