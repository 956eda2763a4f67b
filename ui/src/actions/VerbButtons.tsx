/** The verbs of one or many orders as buttons; a verb that is not possible stays visible and says why (ui.md P7). */
import { Tooltip } from "@mantine/core";
import { useMemo, useState } from "react";
import { type KeyBinding, useKeys } from "../app/keys";
import { type OrderRow } from "../api/types";
import { Icon } from "../components/Icon";
import { VerbDialog } from "./VerbDialog";
import { allowed, type Verb, VERBS } from "./verbs";

interface VerbButtonsProps {
  orders: readonly OrderRow[];
  labels?: readonly string[];
  /** Bind the verbs' keys while these buttons are shown. */
  keys?: boolean;
  small?: boolean;
}

const ORDER: readonly Verb[] = ["confirm", "resume", "suspend", "cancel"];

export function VerbButtons({ orders, labels = [], keys = false, small = false }: VerbButtonsProps) {
  const [open, setOpen] = useState<{ verb: Verb; orders: readonly OrderRow[] }>();
  const bindings = useMemo<KeyBinding[]>(
    () =>
      keys
        ? ORDER.filter((verb) => orders.some((order) => allowed(verb, order) === true)).map((verb) => ({
            keys: VERBS[verb].key,
            words: `${VERBS[verb].label.toLowerCase()}…`,
            run: () => setOpen({ verb, orders }),
          }))
        : [],
    [keys, orders],
  );
  useKeys(bindings);
  const leading = ORDER.find((verb) => verb !== "cancel" && verb !== "suspend" && orders.some((order) => allowed(verb, order) === true));

  return (
    <>
      {ORDER.map((verb) => {
        const look = VERBS[verb];
        const able = orders.filter((order) => allowed(verb, order) === true).length;
        if (verb === "confirm" && able === 0) return null;
        const why = able === 0 && orders[0] !== undefined ? allowed(verb, orders[0]) : undefined;
        const button = (
          <button
            key={verb}
            type="button"
            className={`button ${small ? "small" : ""} ${verb === leading ? "primary" : ""}`}
            aria-disabled={able === 0}
            onClick={() => able > 0 && setOpen({ verb, orders })}
          >
            <Icon name={look.icon} size={14} />
            {look.label}
            {orders.length > 1 && able > 0 ? ` ${able}` : ""}…
          </button>
        );
        return typeof why === "string" ? (
          <Tooltip key={verb} label={why} withArrow events={{ hover: true, focus: true, touch: true }}>
            {button}
          </Tooltip>
        ) : (
          button
        );
      })}
      {open !== undefined && <VerbDialog verb={open.verb} orders={open.orders} labels={labels} onClose={() => setOpen(undefined)} />}
    </>
  );
}
