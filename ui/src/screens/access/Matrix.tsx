/**
 * The permissions of a role as a grid (ui.md S18): rows are the tree, columns all Controllers and each. Arrows move, Space
 * goes from none to granted to excluded. Each cell says in words what holds and by what.
 */
import { type KeyboardEvent, useRef, useState } from "react";
import type { Edit } from "../../api/access";
import { type Grant, held, type Held, nextHeld, type PermissionNode } from "../../domain/permissions";
import styles from "./access.module.css";

const SIGNS: Record<Held, string> = { granted: "✔", excluded: "⊖", inherited: "↑✔", barred: "↑⊖", none: "·" };
const WORDS: Record<Held, string> = {
  granted: "granted",
  excluded: "excluded",
  inherited: "granted by what stands above it or holds for all Controllers",
  barred: "excluded by what stands above it or holds for all Controllers",
  none: "not granted",
};

interface MatrixProps {
  tree: readonly PermissionNode[];
  rows: Record<string, Grant[]>;
  scopes: readonly string[];
  readOnly: string | undefined;
  edits: readonly Edit[];
  onEdit: (edit: Edit) => void;
}

export function Matrix({ tree, rows, scopes, readOnly, edits, onEdit }: MatrixProps) {
  const table = useRef<HTMLTableElement>(null);
  const [cursor, setCursor] = useState<readonly [number, number]>([0, 0]);
  const edited = new Set(edits.map((edit) => `${edit.controllerId} ${edit.permissionPath}`));
  /** Of a Controller's permission in its column, those of the Cockpit only in the first one. */
  const isOpen = (node: PermissionNode, scope: string): boolean => scope === "" || node.path.startsWith("sos:products:controller");

  function keyDown(event: KeyboardEvent) {
    const steps: Record<string, readonly [number, number]> = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1], Home: [-tree.length, 0], End: [tree.length, 0] };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const row = Math.max(0, Math.min(tree.length - 1, cursor[0] + step[0]));
    const column = Math.max(0, Math.min(scopes.length - 1, cursor[1] + step[1]));
    setCursor([row, column]);
    table.current?.querySelector<HTMLElement>(`[data-cell="${row} ${column}"]`)?.focus();
  }

  return (
    <table ref={table} role="grid" aria-label="Permissions of the role" className={styles.matrix} onKeyDown={keyDown}>
      <thead>
        <tr>
          <th scope="col">Permission</th>
          {scopes.map((scope) => (
            <th key={scope} scope="col">
              {scope === "" ? "all Controllers" : scope}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {tree.map((node, row) => (
          <tr key={node.path} data-leaf={node.isLeaf || undefined}>
            <th scope="row" style={{ paddingLeft: 12 + node.level * 18 }} title={node.path}>
              {node.word}
            </th>
            {scopes.map((scope, column) => {
              if (!isOpen(node, scope)) return <td key={scope} />;
              const now = held(node.path, rows[scope] ?? [], scope === "" ? [] : (rows[""] ?? []));
              return (
                <td key={scope}>
                  <button
                    type="button"
                    data-cell={`${row} ${column}`}
                    data-held={now}
                    data-edited={edited.has(`${scope} ${node.path}`) || undefined}
                    tabIndex={cursor[0] === row && cursor[1] === column ? 0 : -1}
                    aria-disabled={readOnly !== undefined}
                    aria-label={`${node.path.replace("sos:products:", "")}${scope === "" ? "" : ` at ${scope}`}: ${WORDS[now]}`}
                    title={readOnly ?? WORDS[now]}
                    onFocus={() => setCursor([row, column])}
                    onClick={() => readOnly === undefined && onEdit({ controllerId: scope, permissionPath: node.path, held: nextHeld(now) })}
                  >
                    {SIGNS[now]}
                  </button>
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
