/**
 * Light, dark or as the system says. Puts `data-mantine-color-scheme` on the root element, which the tokens and Mantine read.
 * The choice is kept per browser; `subscribe` makes it a React external store.
 */
import { type Theme, tokenSheet } from "./tokens";

export type ThemeChoice = Theme | "system";

const KEY = "stellwerk.theme";
const systemDark = window.matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function currentTheme(): Theme {
  const choice = themeChoice();
  return choice === "system" ? (systemDark.matches ? "dark" : "light") : choice;
}

export function chooseTheme(choice: ThemeChoice): void {
  if (choice === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, choice);
  apply();
}

export function subscribeTheme(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function apply(): void {
  document.documentElement.setAttribute("data-mantine-color-scheme", currentTheme());
  for (const listener of listeners) listener();
}

/** Called once, before the first paint. */
export function startTheme(): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(tokenSheet());
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  systemDark.addEventListener("change", apply);
  apply();
}
