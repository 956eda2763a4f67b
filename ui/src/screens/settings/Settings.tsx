/** S19 Settings (ui.md S19): what is set, what the default is, what it does; changes are collected and saved together. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import actionStyles from "../../actions/actions.module.css";
import { RequestDialog } from "../../actions/RequestDialog";
import { settingsRoute } from "../../app/router";
import { useMay } from "../../api/permissions";
import { SETTINGS_KEYS, settingsQuery, storeSettings } from "../../api/settings";
import { download } from "../../components/download";
import list from "../../components/list.module.css";
import { PageTitle } from "../../components/PageTitle";
import { Empty, Remote } from "../../components/Panel";
import { Verb } from "../../components/Verb";
import { documentOf, keyOf, nameWords, sectionWords, type SettingField, settingFields, settingProblem } from "../../domain/settings";
import { plural } from "../../domain/words";
import { Field } from "./Field";
import styles from "./settings.module.css";

export function Settings() {
  const { section } = settingsRoute.useParams();
  const may = useMay();
  const query = useQuery({ ...settingsQuery(), enabled: may("joc:administration:settings:view") });
  const readOnly = may("joc:administration:settings:manage") ? undefined : "You lack the permission administration:settings:manage";
  return (
    <div className={list.page}>
      <PageTitle title={`${sectionWords(section)} – Settings`}>Settings</PageTitle>
      <div className={list.card}>
        {may("joc:administration:settings:view") ? (
          <Remote query={query}>{({ catalogue, document }) => <Form fields={settingFields(catalogue, document)} section={section} readOnly={readOnly} />}</Remote>
        ) : (
          <Empty title="You may not see the settings.">You lack the permission administration:settings:view.</Empty>
        )}
      </div>
    </div>
  );
}

function Form({ fields, section, readOnly }: { fields: readonly SettingField[]; section: string; readOnly: string | undefined }) {
  const [edits, setEdits] = useState<ReadonlyMap<string, string | null>>(new Map());
  const [wanted, setWanted] = useState("");
  const [isSaving, setSaving] = useState(false);
  const sections = useMemo(() => [...new Set(fields.map((field) => field.section))], [fields]);
  const needle = wanted.trim().toLowerCase().replaceAll(" ", "_");
  const shown = fields.filter((field) => (needle === "" ? field.section === section : keyOf(field).toLowerCase().includes(needle)));
  const valueOf = (field: SettingField): string | null => (edits.has(keyOf(field)) ? (edits.get(keyOf(field)) ?? null) : field.value);
  const changed = fields.filter((field) => edits.has(keyOf(field)) && valueOf(field) !== field.value);
  const problem = fields.map((field) => settingProblem(field.type, valueOf(field))).find((one) => one !== undefined);
  function edit(field: SettingField, value: string | null) {
    const next = new Map(edits);
    if (value === field.value) next.delete(keyOf(field));
    else next.set(keyOf(field), value);
    setEdits(next);
  }
  return (
    <>
      <div className={list.bar}>
        <input className={`input ${styles.wanted}`} data-filter-field aria-label="Find a setting" placeholder="find a setting" value={wanted} onChange={(event) => setWanted(event.target.value)} />
        <span className={list.count} role="status">
          {changed.length === 0 ? "" : `${plural(changed.length, "change")}, not saved yet`}
        </span>
        <button type="button" className="button small" onClick={() => download("settings.json", "application/json", `${JSON.stringify(documentOf(fields, new Map()), undefined, 2)}\n`)}>
          Export
        </button>
        {changed.length > 0 && (
          <button type="button" className="button small" onClick={() => setEdits(new Map())}>
            Discard
          </button>
        )}
        <Verb why={readOnly ?? (changed.length === 0 ? "Nothing is changed." : problem)} onClick={() => setSaving(true)}>
          {changed.length === 0 ? "Save…" : `Save ${plural(changed.length, "change")}…`}
        </Verb>
      </div>
      <div className={styles.columns}>
        <nav className={styles.names} aria-label="Sections of the settings">
          <ul>
            {sections.map((name) => {
              const different = fields.filter((field) => field.section === name && valueOf(field) !== field.standard).length;
              return (
                <li key={name}>
                  <Link to="/settings/$section" params={{ section: name }} aria-current={name === section && needle === "" ? "page" : undefined} onClick={() => setWanted("")}>
                    {sectionWords(name)}
                    {different > 0 && (
                      <span className={styles.different} title={`${plural(different, "setting differs", "settings differ")} from the default`}>
                        {different}
                      </span>
                    )}
                  </Link>
                </li>
              );
            })}
          </ul>
        </nav>
        <div className={styles.fields}>
          {shown.length === 0 ? (
            <Empty title="No setting has this in its name." />
          ) : (
            shown.map((field) => (
              <Field key={keyOf(field)} field={field} value={valueOf(field)} isEdited={edits.has(keyOf(field))} readOnly={readOnly} withSection={needle !== ""} onChange={(value) => edit(field, value)} />
            ))
          )}
        </div>
      </div>
      {isSaving && (
        <RequestDialog
          title="Change settings"
          request={(comment) => storeSettings(documentOf(fields, edits), comment)}
          button={`Save ${plural(changed.length, "change")}`}
          hidden={fields.some((field) => field.type === "PASSWORD" && valueOf(field) !== field.standard)}
          danger={changed.some(({ section: name }) => name === "cleanup")}
          effect={
            changed.some(({ section: name }) => name === "cleanup")
              ? "They count at once, at all Cockpits. Data that is older than the new ages is deleted for good at the next clean-up."
              : "They count at once, at all Cockpits."
          }
          done={() => "Changed the settings"}
          refresh={SETTINGS_KEYS}
          onDone={() => setEdits(new Map())}
          onClose={() => setSaving(false)}
        >
          <ul className={actionStyles.touched}>
            {changed.map((field) => (
              <li key={keyOf(field)}>
                <span>
                  {sectionWords(field.section)}: {nameWords(field.name)}
                </span>
                <code>
                  {shownValue(field, field.value)} → {shownValue(field, valueOf(field))}
                </code>
              </li>
            ))}
          </ul>
        </RequestDialog>
      )}
    </>
  );
}

function shownValue({ type }: SettingField, value: string | null): string {
  if (value === null || value === "") return "not set";
  return type === "PASSWORD" ? "•••" : value;
}
