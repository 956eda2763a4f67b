/** S13 Inventory: the tree at the left, beside it a folder, an object, or the trash (ui.md S13). */
import { useSearch } from "@tanstack/react-router";
import { inventoryRoute } from "../../app/router";
import { inventoryPlace } from "../../domain/inventory";
import { FolderView } from "./FolderView";
import styles from "./inventory.module.css";
import { ObjectView } from "./ObjectView";
import { Trash } from "./Trash";
import { TreePanel } from "./TreePanel";

export function Inventory() {
  const { _splat = "" } = inventoryRoute.useParams();
  const { type } = useSearch({ from: "/inventory/$" });
  const place = inventoryPlace(_splat, type);
  return (
    <div className={styles.page} data-place={place.kind}>
      <TreePanel place={place} />
      <section className={styles.main} aria-label={place.kind === "trash" ? "Trash" : place.path}>
        {place.kind === "trash" ? (
          <Trash />
        ) : place.kind === "folder" ? (
          <FolderView key={place.path} path={place.path} />
        ) : (
          <ObjectView key={`${place.objectType} ${place.path}`} path={place.path} objectType={place.objectType} />
        )}
      </section>
    </div>
  );
}
