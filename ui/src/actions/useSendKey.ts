/**
 * Ctrl+Enter sends what a dialog asks, wherever the focus is: a dialog takes the focus a moment after it is shown, and
 * who types quickly must not be ignored until then.
 */
import { useEffect, useEffectEvent } from "react";

export function useSendKey(send: () => void) {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.key !== "Enter" || !event.ctrlKey || event.repeat) return;
    event.preventDefault();
    send();
  });
  useEffect(() => {
    const listener = (event: KeyboardEvent) => onKey(event);
    window.addEventListener("keydown", listener);
    return () => window.removeEventListener("keydown", listener);
  }, []);
}
