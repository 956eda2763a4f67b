/** Small parts that all views of the inventory draw: marks, links, where something lies. */
import { Link, type LinkProps, useNavigate } from "@tanstack/react-router";
import { useCallback } from "react";
import { type Neighbour } from "../../api/inventory";
import { Glyph } from "../../components/Glyph";
import { Icon } from "../../components/Icon";
import { foldersAbove, inventoryAddress, markOf, typeLook } from "../../domain/inventory";
import { splitPath } from "../../domain/words";
import styles from "./inventory.module.css";

export function MarkChip({ state, valid }: { state?: string | undefined; valid?: boolean | undefined }) {
  const mark = markOf({ state, valid });
  return (
    <span className={styles.mark} data-state={mark.colour} title={mark.meaning}>
      <Glyph name={mark.glyph} size={13} />
      {mark.word}
    </span>
  );
}

/** What a link to an object, or without a type to a folder, needs. */
export function addressOf(path: string, objectType?: string): Pick<LinkProps, "to" | "params" | "search"> {
  const { splat, type } = inventoryAddress(path, objectType);
  return { to: "/inventory/$", params: { _splat: splat }, search: type === undefined ? {} : { type } };
}

export function InventoryLink({ path, objectType, full = false }: { path: string; objectType?: string; full?: boolean }) {
  return (
    <Link {...addressOf(path, objectType)} title={path}>
      {full ? path : splitPath(path).name || "/"}
    </Link>
  );
}

export function useGoTo(): (path: string, objectType?: string) => void {
  const navigate = useNavigate();
  return useCallback((path, objectType) => void navigate(addressOf(path, objectType)), [navigate]);
}

/** `/ › etl › eu`: folders above, each a link. */
export function Breadcrumb({ path }: { path: string }) {
  return (
    <nav aria-label="Folders above" className={styles.crumbs}>
      <Link {...addressOf("/")}>Inventory</Link>
      {foldersAbove(path).map((folder) => (
        <span key={folder}>
          <span aria-hidden="true"> / </span>
          <InventoryLink path={folder} />
        </span>
      ))}
    </nav>
  );
}

export function NeighbourRow({ neighbour }: { neighbour: Neighbour }) {
  const look = typeLook(neighbour.objectType);
  return (
    <li className={styles.neighbour}>
      <Icon name={look.icon} size={14} />
      <span>
        {neighbour.path === undefined ? <strong>{neighbour.name}</strong> : <InventoryLink path={neighbour.path} objectType={neighbour.objectType} full />}{" "}
        <span className="muted">{look.word}</span>
      </span>
      {neighbour.path !== undefined ? (
        <MarkChip state={neighbour.state} valid={neighbour.valid} />
      ) : neighbour.hidden === true ? (
        <span className="muted">in a folder that your role does not see</span>
      ) : (
        <span className={styles.mark} data-state="failed">
          <Glyph name="FAILED" size={13} />
          does not exist
        </span>
      )}
    </li>
  );
}

/** Without what is not given: an absent parameter is not in the address. */
export const clean = (search: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(search).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""));
