/**
 * The one table (ui.md 4.3): virtual rows, sortable by the server, selection by check box, keyboard by row.
 * Rows are drawn as an ARIA grid of `div`s, because virtual rows of a real table lose their columns' widths.
 */
import { createColumnHelper, tableFeatures, useTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { type HoldReason } from "../live/freeze";
import styles from "./table.module.css";

export interface Column<Row> {
  id: string;
  header: string;
  /** CSS grid track, e.g. `minmax(160px, 2fr)`. */
  width: string;
  cell: (row: Row) => ReactNode;
  /** The server's name to sort by. */
  sort?: string;
  /** Numbers and durations stand right. */
  right?: boolean;
}

interface DataTableProps<Row extends object> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string;
  /** Opens the row: Enter or double click; the row's own link does the same for the mouse. */
  onOpen?: (row: Row) => void;
  sort?: string | undefined;
  onSort?: (sort: string) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (selected: ReadonlySet<string>) => void;
  /** Rows that are shown although they no longer belong here. */
  gone?: ReadonlySet<string>;
  onHold?: (reason: HoldReason, held: boolean) => void;
  /** Near the end: load the next page. */
  onEnd?: () => void;
  empty: ReactNode;
  rowHeight?: number;
  /** Grows with its rows up to this many pixels instead of filling its place. */
  maxHeight?: number;
}

const features = tableFeatures({});

export function DataTable<Row extends object>(props: DataTableProps<Row>) {
  const { columns, rows, keyOf, selected, onSelect, rowHeight = 36, onHold, onEnd } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [cursor, setCursor] = useState(0);
  const helper = createColumnHelper<typeof features, Row>();
  const table = useTable({
    features,
    columns: columns.map((column) => helper.display({ id: column.id, header: column.header })),
    data: rows as Row[],
    getRowId: keyOf,
  });
  const model = table.getRowModel().rows;
  const virtual = useVirtualizer({
    count: model.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    getItemKey: (index) => model[index]?.id ?? index,
    overscan: 12,
  });
  const selectable = selected !== undefined && onSelect !== undefined;
  const template = `${selectable ? "32px " : ""}${columns.map((column) => column.width).join(" ")}`;
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;

  useEffect(() => {
    if (rows.length > 0 && last >= rows.length - 20) onEnd?.();
  }, [last, rows.length, onEnd]);

  function move(to: number) {
    const index = Math.max(0, Math.min(rows.length - 1, to));
    setCursor(index);
    virtual.scrollToIndex(index);
    requestAnimationFrame(() => scroller.current?.querySelector<HTMLElement>(`[data-index="${index}"]`)?.focus());
  }

  function toggle(key: string) {
    if (!selectable) return;
    const next = new Set(selected);
    if (!next.delete(key)) next.add(key);
    onSelect(next);
  }

  function keyDown(event: KeyboardEvent) {
    if (event.target !== event.currentTarget && !(event.target as HTMLElement).dataset["index"]) return;
    const steps: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15, Home: -rows.length, End: rows.length };
    const step = steps[event.key];
    const row = rows[cursor];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step !== undefined) move(cursor + step);
    else if (event.key === "Enter" && row !== undefined && props.onOpen !== undefined) props.onOpen(row);
    else if (event.key === "x" && row !== undefined && selectable) toggle(keyOf(row));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  if (rows.length === 0) return <>{props.empty}</>;
  const all = selectable && rows.every((row) => selected.has(keyOf(row)));
  return (
    <div
      ref={scroller}
      className={styles.scroller}
      style={props.maxHeight === undefined ? undefined : { height: Math.min(props.maxHeight, rows.length * rowHeight + 35) }}
      onPointerEnter={() => onHold?.("pointer", true)}
      onPointerLeave={() => onHold?.("pointer", false)}
      onScroll={(event) => onHold?.("scrolled", event.currentTarget.scrollTop > 0)}
    >
      <div role="grid" aria-label={props.label} aria-rowcount={rows.length + 1} className={styles.grid} onKeyDown={keyDown}>
        <div role="row" aria-rowindex={1} className={styles.header} style={{ gridTemplateColumns: template }}>
          {selectable && (
            <div role="columnheader" className={styles.check}>
              <input
                type="checkbox"
                aria-label="Select all that are shown"
                checked={all}
                onChange={() => onSelect(new Set(all ? [] : rows.map(keyOf)))}
              />
            </div>
          )}
          {columns.map((column) => (
            <Header key={column.id} column={column} sort={props.sort} onSort={props.onSort} />
          ))}
        </div>
        <div className={styles.body} role="rowgroup" style={{ height: virtual.getTotalSize() }}>
          {shown.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const key = keyOf(row);
            return (
              <div
                key={key}
                role="row"
                aria-rowindex={item.index + 2}
                aria-selected={selectable ? selected.has(key) : undefined}
                data-index={item.index}
                data-gone={props.gone?.has(key) || undefined}
                tabIndex={item.index === Math.min(cursor, rows.length - 1) ? 0 : -1}
                className={styles.row}
                style={{ gridTemplateColumns: template, transform: `translateY(${item.start}px)`, height: rowHeight }}
                onFocus={(event) => {
                  setCursor(item.index);
                  // The mouse holds the list by its pointer; only the keyboard needs the focus to hold it.
                  if (event.currentTarget.matches(":focus-visible")) onHold?.("focus", true);
                }}
                onBlur={() => onHold?.("focus", false)}
                onDoubleClick={() => props.onOpen?.(row)}
              >
                {selectable && (
                  <div role="gridcell" className={styles.check}>
                    <input type="checkbox" aria-label={`Select ${key}`} checked={selected.has(key)} onChange={() => toggle(key)} />
                  </div>
                )}
                {columns.map((column) => (
                  <div key={column.id} role="gridcell" className={styles.cell} data-right={column.right || undefined}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function Header<Row>({ column, sort, onSort }: { column: Column<Row>; sort: string | undefined; onSort: ((sort: string) => void) | undefined }) {
  const name = column.sort;
  if (name === undefined || onSort === undefined)
    return (
      <div role="columnheader" className={styles.cell} data-right={column.right || undefined}>
        {column.header}
      </div>
    );
  const direction = sort === name ? "ascending" : sort === `-${name}` ? "descending" : "none";
  return (
    <div role="columnheader" aria-sort={direction} className={styles.cell} data-right={column.right || undefined}>
      <button type="button" className={styles.sort} onClick={() => onSort(direction === "descending" ? name : `-${name}`)}>
        {column.header}
        <span aria-hidden="true">{direction === "ascending" ? " ↑" : direction === "descending" ? " ↓" : ""}</span>
      </button>
    </div>
  );
}
