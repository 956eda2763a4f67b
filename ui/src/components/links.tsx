/** Links to objects, by their own addresses. */
import { Link } from "@tanstack/react-router";
import { shortId, splitPath } from "../domain/words";
import styles from "./links.module.css";

export function OrderLink({ orderId, width = 34, tab }: { orderId: string; width?: number; tab?: string }) {
  return (
    <Link to="/order/$orderId" params={{ orderId }} search={tab === undefined ? {} : { tab }} className={styles.id} title={orderId}>
      {shortId(orderId, width)}
    </Link>
  );
}

export function WorkflowLink({ path, versionId, full = false }: { path: string; versionId?: string | undefined; full?: boolean }) {
  const { name } = splitPath(path);
  return (
    <Link
      to="/workflow/$"
      params={{ _splat: path.replace(/^\//, "") }}
      search={versionId === undefined ? {} : { v: versionId }}
      title={path}
    >
      {full ? path.replace(/^\//, "") : name}
    </Link>
  );
}
