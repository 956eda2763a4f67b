/** The one `h1` of a page, equal to the document's title, focused after a change of page (ui.md 6). */
import { type ReactNode, useEffect, useRef } from "react";
import styles from "./page.module.css";

interface PageTitleProps {
  /** `<object> – <screen>`; the document's title adds the product. */
  title: string;
  /** What is drawn instead of the text, e.g. with a state chip. */
  children?: ReactNode;
  actions?: ReactNode;
  below?: ReactNode;
}

export function PageTitle({ title, children, actions, below }: PageTitleProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} – Stellwerk`;
  }, [title]);
  useEffect(() => {
    // Only when the focus was lost with the former page, so that typing in a filter is not disturbed.
    if (document.activeElement === null || document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  }, []);
  return (
    <header className={styles.head}>
      <div className={styles.line}>
        <h1 ref={heading} tabIndex={-1}>
          {children ?? title}
        </h1>
        {actions !== undefined && <div className={styles.actions}>{actions}</div>}
      </div>
      {below !== undefined && <div className={styles.below}>{below}</div>}
    </header>
  );
}
