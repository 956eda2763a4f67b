/** What waits behind a held list (ui.md P3); a click shows it. The space is reserved, so that nothing jumps. */
import { numberWords } from "../domain/words";
import styles from "./list.module.css";

export function ListPill({ waiting, onShow }: { waiting: { arrived: number; left: number }; onShow: () => void }) {
  const words = [waiting.arrived > 0 ? `${waiting.arrived} new` : "", waiting.left > 0 ? `${waiting.left} gone` : ""].filter((word) => word !== "");
  return (
    <span className={styles.pillPlace} aria-live="off">
      {words.length > 0 && (
        <button type="button" className={styles.pill} onClick={onShow}>
          {words.join(", ")} – show
        </button>
      )}
    </span>
  );
}

/** ` of 98`, where more match than are shown; ` of more than 10 000` if the server stopped counting. */
export function OfTotal({ shown, total }: { shown: number; total: { count: number; exact: boolean } | undefined }) {
  if (total === undefined || total.count <= shown) return null;
  return (
    <>
      {" "}
      of {total.exact ? "" : "more than "}
      {numberWords(total.count)}
    </>
  );
}
