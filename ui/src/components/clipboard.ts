import { say } from "./toasts";

/** Copies and says so; browsers allow it only on https and localhost, which is said, too. */
export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}`);
  } catch {
    say(`The browser does not allow copying here. Select the text and copy it by hand: ${text}`, true);
  }
}
