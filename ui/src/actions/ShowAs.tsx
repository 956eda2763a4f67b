/** "Show as" (ui.md P5): the request that will be sent, as curl, as our command line, as the vendor's script. */
import { useState } from "react";
import { type Change, showAs } from "../api/changes";
import { copy } from "../components/clipboard";
import styles from "./actions.module.css";

export function ShowAs({ request }: { request: Change }) {
  const [open, setOpen] = useState(false);
  const texts = showAs(request, window.location.origin);
  const forms = [
    ["stellwerk", texts.stellwerk],
    ["curl", texts.curl],
    ["vendor's script", texts.vendor],
  ] as const;
  return (
    <div className={styles.showAs}>
      <button type="button" className="button quiet small" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "▾" : "▸"} Show as command
      </button>
      {open &&
        forms.map(
          ([name, text]) =>
            text !== undefined && (
              <figure key={name}>
                <figcaption>
                  {name}
                  <button
                    type="button"
                    className="button quiet small"
                    onClick={() => void copy(text, `for ${name}`)}
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
