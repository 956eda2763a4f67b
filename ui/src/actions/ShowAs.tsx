/** "Show as" (ui.md P5): the request that will be sent, as curl, as our command line, as the vendor's script. */
import { useState } from "react";
import { type Change, showAs } from "../api/changes";
import { copy } from "../components/clipboard";
import styles from "./actions.module.css";

/** `name`: which of several. */
export function ShowAs({ requests, name }: { requests: readonly Change[]; name?: string }) {
  const [open, setOpen] = useState(false);
  const texts = requests.map((request) => showAs(request, window.location.origin));
  // A form that one of the requests lacks would not do the same.
  const lines = (form: "stellwerk" | "curl" | "vendor") =>
    texts.every((text) => text[form] !== undefined) ? texts.map((text) => text[form]).join("\n") : undefined;
  const forms = [
    ["stellwerk", lines("stellwerk")],
    ["curl", lines("curl")],
    ["vendor's script", lines("vendor")],
  ] as const;
  return (
    <div className={styles.showAs}>
      <button type="button" className="button quiet small" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "▾" : "▸"} Show as command{name === undefined ? "" : ` (${name})`}
      </button>
      {open &&
        forms.map(
          ([form, text]) =>
            text !== undefined && (
              <figure key={form}>
                <figcaption>
                  {form}
                  <button
                    type="button"
                    className="button quiet small"
                    onClick={() => void copy(text, `for ${form}`)}
                  >
                    Copy
                  </button>
                </figcaption>
                <pre tabIndex={0}>{text}</pre>
              </figure>
            ),
        )}
    </div>
  );
}
