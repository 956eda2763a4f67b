/** Folders and objects as a tree that loads what is opened; a search over all names takes its place (ui.md S13). */
import { useQueries, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useDeferredValue, useEffect, useMemo, useRef, useState } from "react";
import { type Tree, type TreeFolder, type TreeObject } from "../../api/inventory";
import { searchQuery, treeQuery } from "../../api/inventory_queries";
import { Glyph } from "../../components/Glyph";
import { Icon } from "../../components/Icon";
import { Failure } from "../../components/Panel";
import { foldersAbove, type InventoryPlace, markOf, type TreeRow, treeRows, treeStep, typeLook } from "../../domain/inventory";
import { plural, splitPath } from "../../domain/words";
import styles from "./inventory.module.css";
import { InventoryLink, useGoTo } from "./parts";

type Row = TreeRow<TreeFolder, TreeObject>;

export function TreePanel({ place }: { place: InventoryPlace }) {
  const [text, setText] = useState("");
  const wanted = useDeferredValue(text.trim());
  return (
    <aside className={styles.side} aria-label="Objects">
      <div className={styles.search}>
        <Icon name="search" size={14} />
        <input
          className="input"
          type="search"
          data-filter-field
          aria-label="Find by name"
          placeholder="Name, * and ? allowed"
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => event.key === "Escape" && setText("")}
        />
      </div>
      {wanted.length >= 2 ? <Found text={wanted} /> : <FolderTree place={place} />}
      <Link to="/inventory/$" params={{ _splat: "trash" }} search={{}} className={styles.trashLink} aria-current={place.kind === "trash" ? "page" : undefined}>
        <Icon name="trash" size={14} /> Trash
      </Link>
    </aside>
  );
}

function Found({ text }: { text: string }) {
  const found = useQuery(searchQuery(text));
  if (found.isError) return <Failure error={found.error} />;
  return (
    <div className={styles.found}>
      <p className="muted" role="status">
        {found.data === undefined ? "Searching…" : found.data.length === 0 ? "No name begins so. *text finds it anywhere." : `${plural(found.data.length, "object")} found`}
      </p>
      <ul>
        {found.data?.map(({ path, objectType }) => (
          <li key={`${objectType} ${path}`}>
            <Icon name={typeLook(objectType).icon} size={14} />
            <span>
              <InventoryLink path={path} objectType={objectType} />
              <small>{splitPath(path).folder}</small>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}

const keyOfPlace = (place: InventoryPlace): string | undefined =>
  place.kind === "trash" || place.path === "/" ? undefined : place.kind === "folder" ? `FOLDER ${place.path}` : `${place.objectType} ${place.path}`;

/** Folders stay open while one goes from object to object. */
let kept: ReadonlySet<string> = new Set();

function FolderTree({ place }: { place: InventoryPlace }) {
  const goTo = useGoTo();
  const [open, setOpen] = useState(kept);
  const chosen = keyOfPlace(place);
  const [seen, setSeen] = useState<string>();
  if (seen !== chosen && place.kind !== "trash") {
    // Whatever is shown beside the tree is shown in it.
    setSeen(chosen);
    const above = [...foldersAbove(place.path), ...(place.kind === "folder" && place.path !== "/" ? [place.path] : [])];
    if (above.some((folder) => !open.has(folder))) setOpen(new Set([...open, ...above]));
  }
  useEffect(() => {
    kept = open;
  }, [open]);
  const folders = useMemo(() => ["/", ...open], [open]);
  const answers = useQueries({ queries: folders.map(treeQuery) });
  const parts = new Map<string, Tree | undefined>(folders.map((folder, index) => [folder, answers[index]?.data]));
  const rows = treeRows(parts, open);
  const failed = answers.find(({ isError }) => isError);
  const toggle = (path: string, isOpen: boolean) => {
    const next = new Set(open);
    if (isOpen) next.add(path);
    else for (const folder of open) if (folder === path || folder.startsWith(`${path}/`)) next.delete(folder);
    setOpen(next);
  };
  if (failed !== undefined && rows.length === 0) return <Failure error={failed.error} retry={() => void failed.refetch()} />;
  return (
    <Rows
      rows={rows}
      chosen={chosen}
      onToggle={toggle}
      onGo={(row) => (row.folder === undefined ? goTo(row.item?.path ?? "/", row.item?.objectType) : goTo(row.folder.path))}
      isEmpty={parts.get("/") !== undefined && rows.length === 0}
    />
  );
}

interface RowsProps {
  rows: readonly Row[];
  chosen: string | undefined;
  onToggle: (path: string, open: boolean) => void;
  onGo: (row: Row) => void;
  isEmpty: boolean;
}

function Rows({ rows, chosen, onToggle, onGo, isEmpty }: RowsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState<string>();
  const [byKey, setByKey] = useState(0);
  const current = rows.some(({ key }) => key === cursor) ? cursor : rows.some(({ key }) => key === chosen) ? chosen : rows[0]?.key;
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 28,
    getItemKey: (index) => rows[index]?.key ?? index,
    overscan: 15,
  });
  const at = rows.findIndex(({ key }) => key === current);

  useEffect(() => {
    if (byKey === 0) return;
    scroller.current?.querySelector<HTMLElement>('[role="treeitem"][tabindex="0"]')?.focus();
  }, [byKey, current]);

  function keyDown(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey || current === undefined) return;
    const row = rows[at];
    const step = treeStep(rows, current, event.key);
    if (step?.go !== undefined) {
      setCursor(step.go);
      setByKey(byKey + 1);
      virtual.scrollToIndex(rows.findIndex(({ key }) => key === step.go));
    } else if (step?.open !== undefined) onToggle(step.open, true);
    else if (step?.close !== undefined) onToggle(step.close, false);
    else if ((event.key === "Enter" || event.key === " ") && row !== undefined) onGo(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  return (
    <div ref={scroller} className={styles.treeScroller}>
      {isEmpty && <p className={styles.treeEmpty}>Nothing is here yet.</p>}
      {rows.length > 0 && (
      <div role="tree" aria-label="Inventory" className={styles.tree} style={{ height: virtual.getTotalSize() }} onKeyDown={keyDown}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          return (
            <TreeItem
              key={row.key}
              row={row}
              top={item.start}
              isChosen={row.key === chosen}
              isCurrent={row.key === current}
              onToggle={onToggle}
              onGo={() => {
                setCursor(row.key);
                onGo(row);
              }}
            />
          );
        })}
      </div>
      )}
    </div>
  );
}

interface TreeItemProps {
  row: Row;
  top: number;
  isChosen: boolean;
  isCurrent: boolean;
  onToggle: (path: string, open: boolean) => void;
  onGo: () => void;
}

function TreeItem({ row, top, isChosen, isCurrent, onToggle, onGo }: TreeItemProps) {
  const { folder, item } = row;
  const mark = item === undefined ? undefined : markOf(item);
  const words = folder === undefined ? `${item?.name}, ${typeLook(item?.objectType ?? "").word}, ${mark?.word}` : folderWords(folder);
  return (
    <div
      role="treeitem"
      aria-level={row.level}
      aria-posinset={row.place}
      aria-setsize={row.of}
      aria-expanded={folder === undefined ? undefined : row.open}
      aria-selected={isChosen}
      tabIndex={isCurrent ? 0 : -1}
      className={styles.treeItem}
      style={{ transform: `translateY(${top}px)`, paddingLeft: 4 + (row.level - 1) * 14 }}
      onClick={onGo}
    >
      <span
        className={styles.twist}
        data-open={row.open || undefined}
        aria-hidden="true"
        onClick={(event) => {
          if (folder === undefined) return;
          event.stopPropagation();
          onToggle(folder.path, row.open !== true);
        }}
      >
        {folder !== undefined && (folder.hasFolders || folder.count.objects > 0) && <Icon name="chevron" size={11} />}
      </span>
      <Icon name={folder === undefined ? typeLook(item?.objectType ?? "").icon : "folder"} size={14} />
      <span className="visually-hidden">{words}</span>
      <span className={styles.treeName} aria-hidden="true">
        {folder?.name ?? item?.name}
      </span>
      {folder !== undefined && <FolderCounts folder={folder} />}
      {mark !== undefined && mark.glyph !== "FINISHED" && (
        <span data-state={mark.colour} className={styles.treeMark} title={mark.word} aria-hidden="true">
          <Glyph name={mark.glyph} size={12} />
        </span>
      )}
    </div>
  );
}

const folderWords = ({ name, count }: TreeFolder): string =>
  [`${name}, folder`, plural(count.objects, "object"), count.drafts > 0 ? plural(count.drafts, "draft") : "", count.invalid > 0 ? `${count.invalid} not valid` : ""].filter((part) => part !== "").join(", ");

/** What is below a closed folder is not hidden: drafts and what is not valid are counted (ui.md S13). */
function FolderCounts({ folder: { count } }: { folder: TreeFolder }) {
  return (
    <span className={styles.treeCounts} aria-hidden="true">
      {count.drafts > 0 && (
        <span data-state="inprogress" title={plural(count.drafts, "draft")}>
          <Glyph name="INPROGRESS" size={11} />
          {count.drafts}
        </span>
      )}
      {count.invalid > 0 && (
        <span data-state="failed" title={`${count.invalid} not valid`}>
          <Glyph name="FAILED" size={11} />
          {count.invalid}
        </span>
      )}
    </span>
  );
}
