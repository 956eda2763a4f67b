import { useNavigate } from "@tanstack/react-router";
import { type OrderRow } from "../../api/types";
import { type Column, DataTable } from "../../components/DataTable";
import { OrderLink } from "../../components/links";
import { Empty } from "../../components/Panel";
import { StateChip } from "../../components/StateChip";
import { Ago } from "../../components/Time";
import { stepOf, whyShort } from "../../domain/explain";

const COLUMNS: readonly Column<OrderRow>[] = [
  { id: "state", header: "State", width: "minmax(140px, 1fr)", cell: (row) => <StateChip state={row.state} marked={row.marked} /> },
  { id: "order", header: "Order", width: "minmax(264px, 1.4fr)", cell: (row) => <OrderLink orderId={row.orderId} /> },
  { id: "step", header: "Step", width: "minmax(120px, 1fr)", cell: (row) => stepOf(row) ?? "" },
  { id: "why", header: "Why", width: "minmax(160px, 2fr)", cell: (row) => <span title={whyShort(row)}>{whyShort(row)}</span> },
  { id: "since", header: "Since", width: "100px", cell: (row) => <Ago time={row.state.since} /> },
];

/** The orders of the workflow that are not over, live. */
export function OrdersTab({ path, orders }: { path: string; orders: readonly OrderRow[] }) {
  const navigate = useNavigate();
  return (
    <DataTable
      label={`Orders of ${path}`}
      columns={COLUMNS}
      rows={orders}
      keyOf={(row) => row.orderId}
      onOpen={(row) => void navigate({ to: "/order/$orderId", params: { orderId: row.orderId } })}
      empty={<Empty title="No orders of this workflow now.">Add one, or look at its runs.</Empty>}
    />
  );
}
