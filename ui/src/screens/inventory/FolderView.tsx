/** A folder: what is in it, and what is done to it as a whole. */
import { Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMemo } from "react";
import { type KeyBinding, useKeys } from "../../app/keys";
import { type Tree, type TreeFolder, type TreeObject } from "../../api/inventory";
import { treeQuery } from "../../api/inventory_queries";
import { type Column, DataTable } from "../../components/DataTable";
import { Icon } from "../../components/Icon";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { When } from "../../components/Time";
import { typeLook } from "../../domain/inventory";
import { plural, splitPath } from "../../domain/words";
import { FolderDialogs } from "./dialogs";
import styles from "./inventory.module.css";
import { Breadcrumb, clean, InventoryLink, MarkChip, useGoTo } from "./parts";

type Entry = { folder: TreeFolder; item?: never } | { item: TreeObject; folder?: never };

const COLUMNS: readonly Column<Entry>[] = [
  {
    id: "name",
    header: "Name",
    width: "minmax(200px, 2fr)",
    cell: ({ folder, item }) => (
      <span className={styles.entry}>
        <Icon name={item === undefined ? "folder" : typeLook(item.objectType).icon} size={14} />
        {item === undefined ? <InventoryLink path={folder.path} /> : <InventoryLink path={item.path} objectType={item.objectType} />}
      </span>
    ),
  },
  { id: "type", header: "Type", width: "minmax(110px, 1fr)", cell: ({ item }) => (item === undefined ? "folder" : typeLook(item.objectType).word) },
  { id: "state", header: "State", width: "minmax(150px, 1fr)", cell: ({ folder, item }) => (item === undefined ? <Below folder={folder} /> : <MarkChip {...item} />) },
  { id: "title", header: "Title", width: "minmax(120px, 2fr)", cell: ({ item }) => <span title={item?.title}>{item?.title}</span> },
  { id: "changed", header: "Changed", width: "120px", cell: ({ item }) => <When time={item?.modified} /> },
];

const keyOf = ({ folder, item }: Entry): string => (item === undefined ? folder.path : `${item.objectType} ${item.path}`);

function Below({ folder: { count } }: { folder: TreeFolder }) {
  const words = [plural(count.objects, "object"), count.drafts > 0 ? plural(count.drafts, "draft") : "", count.invalid > 0 ? `${count.invalid} not valid` : ""];
  return <span className="muted">{words.filter((word) => word !== "").join(" · ")}</span>;
}

export function FolderView({ path }: { path: string }) {
  const query = useQuery(treeQuery(path));
  const goTo = useGoTo();
  const navigate = useNavigate({ from: "/inventory/$" });
  const { dialog } = useSearch({ from: "/inventory/$" });
  const show = useMemo(() => (name: string | undefined) => void navigate({ search: (old) => clean({ ...old, dialog: name }), replace: name === undefined }), [navigate]);
  const mayChange = query.data?.mayChange === true;
  useKeys(useMemo<KeyBinding[]>(() => (mayChange ? [{ keys: "n", words: "new object…", run: () => show("new") }] : []), [mayChange, show]));
  const name = path === "/" ? "Inventory" : splitPath(path).name;
  const entries = useMemo<Entry[]>(() => [...(query.data?.folders ?? []).map((folder) => ({ folder })), ...(query.data?.objects ?? []).map((item) => ({ item }))], [query.data]);
  return (
    <>
      <PageTitle
        title={path === "/" ? "Inventory" : `${name} – Inventory`}
        actions={<Actions isRoot={path === "/"} tree={query.data} show={show} />}
        below={
          <>
            {path !== "/" && <Breadcrumb path={path} />}
            {query.data !== undefined && <Sums tree={query.data} />}
            {query.data?.mayChange === false && <span>You may look, not change: the permission joc:inventory:manage is missing here.</span>}
          </>
        }
      >
        {name}
      </PageTitle>
      <div className={styles.card}>
        <Remote query={query}>
          {() => (
            <DataTable
              label={`Contents of ${path}`}
              columns={COLUMNS}
              rows={entries}
              keyOf={keyOf}
              onOpen={({ folder, item }) => (item === undefined ? goTo(folder.path) : goTo(item.path, item.objectType))}
              empty={
                <Empty title="Nothing is in this folder yet.">
                  {mayChange && (
                    <button type="button" className="button primary" onClick={() => show("new")}>
                      <Icon name="plus" size={14} /> New object
                    </button>
                  )}
                </Empty>
              }
            />
          )}
        </Remote>
      </div>
      {dialog !== undefined && query.data !== undefined && <FolderDialogs dialog={dialog} path={path} onClose={() => show(undefined)} />}
    </>
  );
}

function Sums({ tree }: { tree: Tree }) {
  const drafts = tree.objects.filter(({ state }) => state.endsWith("NOT_EXIST") || state === "DRAFT_IS_NEWER").length + tree.folders.reduce((sum, { count }) => sum + count.drafts, 0);
  const objects = tree.objects.length + tree.folders.reduce((sum, { count }) => sum + count.objects, 0);
  return (
    <span>
      {plural(objects, "object")}, {plural(drafts, "draft")}
    </span>
  );
}

function Actions({ isRoot, tree, show }: { isRoot: boolean; tree: Tree | undefined; show: (dialog: string) => void }) {
  const mayChange = tree?.mayChange === true;
  return (
    <>
      <button type="button" className="button primary" disabled={!mayChange} onClick={() => show("new")}>
        <Icon name="plus" size={14} /> New…
      </button>
      <button type="button" className="button" disabled={tree === undefined} onClick={() => show("publish")}>
        <Icon name="deployments" size={14} /> Deploy drafts…
      </button>
      <Menu position="bottom-end" width={230}>
        <Menu.Target>
          <button type="button" className="button icon" aria-label="More actions">
            <Icon name="more" />
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<Icon name="folder" />} disabled={!mayChange} onClick={() => show("folder")}>
            New folder…
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="upload" />} disabled={!mayChange} onClick={() => show("import")}>
            Import…
          </Menu.Item>
          <Menu.Item leftSection={<Icon name="download" />} onClick={() => show("export")}>
            Export…
          </Menu.Item>
          {!isRoot && (
            <>
              <Menu.Divider />
              <Menu.Item leftSection={<Icon name="turn" />} disabled={!mayChange} onClick={() => show("rename")}>
                Rename or move…
              </Menu.Item>
              <Menu.Item leftSection={<Icon name="copy" />} disabled={!mayChange} onClick={() => show("copy")}>
                Copy…
              </Menu.Item>
              <Menu.Item leftSection={<Icon name="trash" />} disabled={!mayChange} onClick={() => show("remove")}>
                Remove…
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
    </>
  );
}
